//! A stand-in for a proxy: it follows the controllers as one does, over the same mutual TLS, holds what it is sent, and
//! answers; it serves nothing, so that many of them fit into a test.

mod counted;

use super::{PUSH_PORT, Plane};
use crate::{WAIT_MAX, within};
use anyhow::Context as _;
use counted::Counted;
use haldane_wire::proto::push_client::PushClient;
use haldane_wire::proto::{self, FromController, FromProxy, Part, from_controller, from_proxy};
use haldane_wire::{Assembly, Credentials, Generation, MESSAGE_BYTES_MAX, server_name};
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};
use tokio::net::{TcpStream, lookup_host};
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;
use tokio_rustls::TlsConnector;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tonic::transport::Endpoint;

/// How long after the end of a stream the next is tried.
const PAUSE: Duration = Duration::from_millis(100);
/// How long a controller may take to accept a connection: one that is frozen never does.
const CONNECT_MAX: Duration = Duration::from_secs(2);
/// How often a stream is asked for a sign of life, and how long that may take: as proxies do.
const PING: Duration = Duration::from_secs(4);
/// Messages to the controller that wait.
const MESSAGES_MAX: usize = 8;

/// A table that a follower took.
#[derive(Clone, Copy, Debug)]
pub struct Applied {
    /// Which one.
    pub generation: Generation,
    /// How many objects came: all of them, or those that differ.
    pub objects: usize,
    /// What came over the socket for it: TLS, HTTP/2 and all.
    pub bytes: u64,
    /// When it was whole.
    pub at: Instant,
}

/// A stand-in that follows until dropped.
pub struct Follower {
    applied: watch::Receiver<Vec<Applied>>,
    following: AbortHandle,
}

impl Plane {
    /// Starts one of a name.
    ///
    /// # Errors
    /// When the certificates cannot be read.
    pub fn follower(&self, name: &str) -> anyhow::Result<Follower> {
        let read = |name| std::fs::read(self.file(name));
        let credentials = Credentials {
            chain_pem: read("proxy.crt")?,
            key_pem: read("proxy.key")?,
            authorities_pem: read("ca.crt")?,
        };
        let (record, applied) = watch::channel(Vec::new());
        let following = Following {
            tls: Arc::new(credentials.client()?).into(),
            host: self.host(),
            name: name.to_owned(),
            received: Arc::default(),
            told: 0,
            assembly: Assembly::default(),
            record,
        };
        let following = tokio::spawn(following.run()).abort_handle();
        Ok(Follower { applied, following })
    }
}

impl Follower {
    /// Every table that it took, in order.
    pub fn applied(&self) -> Vec<Applied> {
        self.applied.borrow().clone()
    }

    /// Waits for the first table that is newer than `than`, which may be none at all.
    ///
    /// # Errors
    /// When none comes within so many times the usual limit.
    pub async fn newer(&self, than: Option<Generation>, times: u32) -> anyhow::Result<Applied> {
        let mut applied = self.applied.clone();
        let is_newer = |one: &&Applied| Some(one.generation) > than;
        let wait = applied.wait_for(|all| all.iter().any(|one| is_newer(&one)));
        let all = tokio::time::timeout(WAIT_MAX * times, wait).await;
        let all = all.context("waited too long for a table")??;
        all.iter().find(is_newer).copied().context("it was there")
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.following.abort();
    }
}

struct Following {
    tls: TlsConnector,
    host: String,
    name: String,
    /// Bytes from the socket, and how many of them are told already.
    received: Arc<AtomicU64>,
    told: u64,
    assembly: Assembly,
    record: watch::Sender<Vec<Applied>>,
}

impl Following {
    async fn run(mut self) {
        loop {
            let addresses = lookup_host((self.host.clone(), PUSH_PORT)).await;
            for address in addresses.into_iter().flatten() {
                // However it ends, another is tried; what matters is what was applied.
                let _ = self.follow(address).await;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn follow(&mut self, address: SocketAddr) -> anyhow::Result<()> {
        self.assembly.interrupt();
        let (say, said) = mpsc::channel(MESSAGES_MAX);
        say.send(self.hello()).await?;
        let mut hears = self.open(address, ReceiverStream::new(said)).await?;
        let mut objects = 0;
        while let Some(message) = hears.message().await? {
            let Some(from_controller::Message::Part(part)) = message.message else {
                continue;
            };
            objects += part.changed.len() + part.removed.len();
            // Reading a large table takes a while, and other stand-ins must answer pings meanwhile.
            let taken = tokio::task::block_in_place(|| self.take(part, objects))?;
            if let Some(generation) = taken {
                objects = 0;
                let generation = Some(generation.into());
                let applied = proto::Applied { generation };
                say.send(message_of(from_proxy::Message::Applied(applied)))
                    .await?;
            }
        }
        Ok(())
    }

    fn hello(&self) -> FromProxy {
        let digest = self.assembly.digest();
        message_of(from_proxy::Message::Hello(proto::Hello {
            proxy: self.name.clone(),
            instance: self.name.clone(),
            generation: self.assembly.generation().map(Into::into),
            digest: digest
                .map_or_else(Default::default, |digest| digest.as_bytes().to_vec().into()),
        }))
    }

    async fn open(
        &self,
        address: SocketAddr,
        said: ReceiverStream<FromProxy>,
    ) -> anyhow::Result<Streaming<FromController>> {
        let connected = tokio::time::timeout(CONNECT_MAX, self.connect(address)).await??;
        let mut stream = Some(TokioIo::new(connected));
        let once = tower::service_fn(move |_| {
            let stream = stream.take().ok_or(std::io::ErrorKind::NotConnected);
            std::future::ready(stream.map_err(std::io::Error::from))
        });
        let endpoint = Endpoint::from_static("http://controller")
            .http2_keep_alive_interval(PING)
            .keep_alive_timeout(PING)
            .keep_alive_while_idle(true);
        let channel = within("HTTP/2", endpoint.connect_with_connector(once)).await??;
        let mut client = PushClient::new(channel).max_decoding_message_size(MESSAGE_BYTES_MAX);
        Ok(within("a stream", client.follow(said)).await??.into_inner())
    }

    async fn connect(
        &self,
        address: SocketAddr,
    ) -> anyhow::Result<tokio_rustls::client::TlsStream<Counted>> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let counted = Counted::new(stream, self.received.clone());
        Ok(self.tls.connect(server_name(&self.host)?, counted).await?)
    }

    /// The generation that is whole with this part.
    fn take(&mut self, part: Part, objects: usize) -> anyhow::Result<Option<Generation>> {
        let Some(candidate) = self.assembly.accept(part)? else {
            return Ok(None);
        };
        let generation = candidate.generation();
        self.assembly.adopt(candidate);
        let received = self.received.load(SeqCst);
        let bytes = received - std::mem::replace(&mut self.told, received);
        let at = Instant::now();
        let applied = Applied {
            generation,
            objects,
            bytes,
            at,
        };
        self.record.send_modify(|all| all.push(applied));
        Ok(Some(generation))
    }
}

fn message_of(message: from_proxy::Message) -> FromProxy {
    FromProxy {
        message: Some(message),
    }
}

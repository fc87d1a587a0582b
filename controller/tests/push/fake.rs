//! A served publisher, and proxies that answer as they are told.

use crate::authority::{Authority, CONTROLLER, Files, PROXY};
use haldane_controller::push::{Publisher, serve};
use haldane_wire::proto::push_client::PushClient;
use haldane_wire::proto::{
    Applied, FromController, FromProxy, Hello, Part, Rejected, from_controller, from_proxy,
};
use haldane_wire::{Assembly, Candidate, Credentials, Digest, Generation, server_name};
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Endpoint;
use tonic::{Code, Status, Streaming};

/// The longest wait for what should come at once.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// As a real proxy has it.
const WINDOW_BYTES: u32 = 512 << 10;

pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    let came = tokio::time::timeout(WAIT_MAX, future).await;
    came.unwrap_or_else(|_| panic!("waited too long for {what}"))
}

/// A publisher that is served until this is dropped.
pub(crate) struct Served {
    pub(crate) publisher: Publisher,
    pub(crate) authority: Authority,
    pub(crate) files: Files,
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    serving: JoinHandle<()>,
}

impl Served {
    pub(crate) async fn start() -> Self {
        let authority = Authority::new("push");
        let files = Files::of(&authority.credentials(CONTROLLER, &authority));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let publisher = Publisher::new();
        let (stop, stopped) = oneshot::channel();
        let served = serve(listener, files.tls(), publisher.clone(), async {
            let _ = stopped.await;
        });
        let serving = tokio::spawn(async { served.await.unwrap() });
        Self {
            publisher,
            authority,
            files,
            address,
            stop: Some(stop),
            serving,
        }
    }

    /// One that leads the first term.
    pub(crate) async fn leading() -> Self {
        let served = Self::start().await;
        served.publisher.lead(Some(1));
        served
    }

    pub(crate) async fn stop(mut self) {
        drop(self.stop.take());
        within("the server to end", self.serving).await.unwrap();
    }

    pub(crate) fn proxy(&self) -> Credentials {
        self.authority.credentials(PROXY, &self.authority)
    }

    /// A TLS session; in TLS 1.3 what the server thinks of our certificate comes after it.
    pub(crate) async fn connect(&self, credentials: &Credentials) -> TlsStream<TcpStream> {
        let config = Arc::new(credentials.client().unwrap());
        let socket = TcpStream::connect(self.address).await.unwrap();
        let connected =
            TlsConnector::from(config).connect(server_name(CONTROLLER).unwrap(), socket);
        within("a handshake", connected).await.unwrap()
    }

    /// A proxy that begins with this message.
    pub(crate) async fn begin(
        &self,
        credentials: &Credentials,
        first: FromProxy,
    ) -> Result<Fake, Status> {
        let mut stream = Some(TokioIo::new(self.connect(credentials).await));
        let connector = tower::service_fn(move |_| {
            let stream = stream.take().ok_or_else(|| std::io::Error::other("used"));
            std::future::ready(stream)
        });
        let endpoint = Endpoint::from_static("http://controller")
            .initial_stream_window_size(WINDOW_BYTES)
            .initial_connection_window_size(WINDOW_BYTES);
        let channel = endpoint.connect_with_connector(connector).await;
        let channel = channel.map_err(|error| Status::unavailable(error.to_string()))?;
        let (say, said) = mpsc::channel(8);
        say.send(first).await.unwrap();
        let following = PushClient::new(channel)
            .max_decoding_message_size(haldane_wire::MESSAGE_BYTES_MAX)
            .follow(ReceiverStream::new(said))
            .await?;
        let hears = following.into_inner();
        let assembly = Assembly::default();
        Ok(Fake {
            say,
            hears,
            assembly,
        })
    }

    /// A proxy of a process that holds nothing.
    pub(crate) async fn follow(&self, instance: &str) -> Fake {
        let first = hello(instance, None);
        self.begin(&self.proxy(), first).await.unwrap()
    }

    /// Waits until this is so of the publisher.
    pub(crate) async fn wait(&self, what: &str, is_so: impl Fn(&Publisher) -> bool) {
        let mut changed = self.publisher.changed();
        within(what, async {
            while !is_so(&self.publisher) {
                changed.changed().await.unwrap();
            }
        })
        .await;
    }

    pub(crate) async fn wait_live(&self, generation: Generation) {
        let what = format!("generation {generation} to be live");
        self.wait(&what, |publisher| publisher.live() == Some(generation))
            .await;
    }
}

pub(crate) fn hello(instance: &str, holds: Option<(Generation, Digest)>) -> FromProxy {
    say(from_proxy::Message::Hello(Hello {
        proxy: "haldane/proxy".to_owned(),
        instance: instance.to_owned(),
        generation: holds.map(|(generation, _)| generation.into()),
        digest: holds.map_or_else(Default::default, |(_, digest)| {
            digest.as_bytes().to_vec().into()
        }),
    }))
}

pub(crate) fn say(message: from_proxy::Message) -> FromProxy {
    let message = Some(message);
    FromProxy { message }
}

/// A proxy that does what it is told.
pub(crate) struct Fake {
    say: mpsc::Sender<FromProxy>,
    hears: Streaming<FromController>,
    pub(crate) assembly: Assembly,
}

impl Fake {
    pub(crate) async fn say(&self, message: from_proxy::Message) {
        self.say.send(say(message)).await.unwrap();
    }

    pub(crate) async fn part(&mut self) -> Part {
        let message = within("a part", self.hears.message())
            .await
            .unwrap()
            .unwrap();
        let Some(from_controller::Message::Part(part)) = message.message else {
            panic!("{message:?} is no part");
        };
        part
    }

    /// How many objects the next change has, and what it makes of what the proxy holds.
    pub(crate) async fn change(&mut self) -> (usize, Candidate) {
        let mut objects = 0;
        loop {
            let part = self.part().await;
            objects += part.changed.len() + part.removed.len();
            if let Some(candidate) = self.assembly.accept(part).unwrap() {
                return (objects, candidate);
            }
        }
    }

    pub(crate) async fn apply(&mut self, candidate: Candidate) {
        let generation = Some(candidate.generation().into());
        self.assembly.adopt(candidate);
        self.say(from_proxy::Message::Applied(Applied { generation }))
            .await;
    }

    pub(crate) async fn reject(&self, generation: Generation, reason: &str) {
        let generation = Some(generation.into());
        let reason = reason.to_owned();
        self.say(from_proxy::Message::Rejected(Rejected {
            generation,
            reason,
        }))
        .await;
    }

    /// How the stream ends, whatever comes before.
    pub(crate) async fn end(mut self) -> Code {
        within("the stream to end", async {
            loop {
                match self.hears.message().await {
                    Ok(Some(_)) => {}
                    Ok(None) => return Code::Ok,
                    Err(status) => return status.code(),
                }
            }
        })
        .await
    }
}

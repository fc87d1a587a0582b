//! A backend that writes every request into the ledger, answers by a script, and can be killed and brought back.

use super::content::{answer_to, content};
use super::{Ledger, id_of};
use crate::recorder::{Request, parse};
use anyhow::Context as _;
use socket2::{Domain, SockFilter, SockRef, Socket, Type};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::AsFd;
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// Bytes given to the system at once: larger answers are under way for a while.
const WRITE_BYTES: usize = 8 * 1024;
/// Connections that wait to be accepted.
const BACKLOG: u32 = 1_024;

/// What is written for a request, and what becomes of the connection then.
#[derive(Clone, Debug)]
pub struct Play {
    /// Written as they are.
    pub bytes: Vec<u8>,
    /// What follows.
    pub then: Then,
}

/// What becomes of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// It takes the next request.
    Listen,
    /// It is closed in order, whatever was promised.
    Close,
    /// It is reset.
    Reset,
    /// Nothing more comes, for ever.
    Stall,
}

/// What a backend does with a whole request of this number.
pub type Script = Arc<dyn Fn(u64, &Request) -> Play + Send + Sync>;

/// Answers as a good backend of this name does.
pub fn sound(name: &str) -> Script {
    let name = name.to_owned();
    Arc::new(move |id, request| Play {
        bytes: answer_to(id, request, &name),
        then: Then::Listen,
    })
}

/// A backend of the ledger. Its port stays its own as long as it exists, dead or alive.
pub struct Target {
    /// Its name, as it stands in the ledger.
    pub name: String,
    /// Where it listens.
    pub address: SocketAddr,
    inside: Arc<Inside>,
    /// Bound and not listening: nobody else is given the port, and connecting is refused while the backend is dead.
    _port: Socket,
    accepting: Option<JoinHandle<()>>,
}

struct Inside {
    name: String,
    ledger: Ledger,
    script: Script,
    vanished: watch::Sender<bool>,
}

impl Target {
    /// A good one.
    ///
    /// # Errors
    /// When there is no free port.
    pub fn start(ledger: &Ledger, name: &str) -> anyhow::Result<Self> {
        Self::with(ledger, name, sound(name))
    }

    /// One that does as it is told.
    ///
    /// # Errors
    /// When there is no free port.
    pub fn with(ledger: &Ledger, name: &str, script: Script) -> anyhow::Result<Self> {
        let mut target = Self::dead(ledger, name, script)?;
        target.revive()?;
        Ok(target)
    }

    /// One that is not there yet: connecting to it is refused.
    ///
    /// # Errors
    /// When there is no free port.
    pub fn dead(ledger: &Ledger, name: &str, script: Script) -> anyhow::Result<Self> {
        let port = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        port.set_reuse_address(true)?;
        port.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
        let address = port.local_addr()?.as_socket();
        Ok(Self {
            name: name.to_owned(),
            address: address.context("an address of IPv4")?,
            inside: Arc::new(Inside {
                name: name.to_owned(),
                ledger: ledger.clone(),
                script,
                vanished: watch::Sender::new(false),
            }),
            _port: port,
            accepting: None,
        })
    }

    /// Ends it as the system ends a process that is killed: every socket is closed where it is.
    pub async fn kill(&mut self) {
        if let Some(accepting) = self.accepting.take() {
            accepting.abort();
            // It ends with being aborted.
            let _ = accepting.await;
        }
    }

    /// Ends it as a machine ends that loses its power: nothing is closed, and nothing that is sent to it is received any
    /// more, not even by its system.
    pub fn vanish(&self) {
        self.inside.vanished.send_replace(true);
    }

    /// Starts it again where it was.
    ///
    /// # Errors
    /// When it cannot listen.
    pub fn revive(&mut self) -> anyhow::Result<()> {
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        socket.bind(self.address)?;
        let listener = socket.listen(BACKLOG)?;
        self.accepting = Some(tokio::spawn(accept(listener, self.inside.clone())));
        Ok(())
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        if let Some(accepting) = &self.accepting {
            accepting.abort();
        }
    }
}

/// Connections end with this task.
async fn accept(listener: TcpListener, inside: Arc<Inside>) {
    let mut connections = JoinSet::new();
    let mut vanished = inside.vanished.subscribe();
    loop {
        tokio::select! {
            () = has_vanished(&mut vanished) => return deafen(&listener).await,
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { return };
                let inside = inside.clone();
                // However a connection ends: the ledger has what it did.
                connections.spawn(async move { _ = inside.serve(stream).await });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn has_vanished(vanished: &mut watch::Receiver<bool>) {
    if vanished.wait_for(|vanished| *vanished).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// From now on the socket's system drops whatever comes for it before looking at it, as if it never came; for ever.
async fn deafen<T>(socket: &impl AsFd) -> T {
    const RETURN: u16 = 0x06;
    let nothing = SockFilter::new(RETURN, 0, 0, 0);
    let filtered = SockRef::from(socket).attach_filter(&[nothing]);
    filtered.expect("every system with packet filters takes this one");
    std::future::pending().await
}

impl Inside {
    async fn serve(&self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let (mut unread, mut vanished) = (Vec::new(), self.vanished.subscribe());
        loop {
            while let Some((request, length)) = parse(&unread).map_err(invalid)? {
                unread.drain(..length);
                match self.turn(&mut stream, &request).await? {
                    Then::Listen => {}
                    Then::Close => return Ok(()),
                    Then::Reset => return stream.set_zero_linger(),
                    Then::Stall => std::future::pending().await,
                }
            }
            let read = tokio::select! {
                () = has_vanished(&mut vanished) => return deafen(&stream).await,
                read = stream.read_buf(&mut unread) => read?,
            };
            if read == 0 {
                return Ok(());
            }
        }
    }

    async fn turn(&self, stream: &mut TcpStream, request: &Request) -> io::Result<Then> {
        let name = request.all("x-request-id").pop().unwrap_or_default();
        let id = id_of(&name).ok_or_else(|| invalid("a request without an id"))?;
        let intact = request.method != "POST" || request.body == content(id);
        let line = self.ledger.executed(id, &self.name, intact);
        let play = (self.script)(id, request);
        for part in play.bytes.chunks(WRITE_BYTES) {
            self.ledger.answered(line);
            stream.write_all(part).await?;
            tokio::task::yield_now().await;
        }
        Ok(play.then)
    }
}

fn invalid(fault: impl std::fmt::Debug) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{fault:?}"))
}

//! One client of many: it asks, waits for the answer and checks every byte of it. When it asks is
//! decided elsewhere.

mod h1;
mod h2;
mod tls;
pub(crate) mod websocket;

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::ensure;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use tokio::net::TcpStream;

use crate::answer::{body_of, get, message_of, post};
use crate::case::{Ask, Case, SMALL, Way};
pub(crate) use tls::Certificate;

/// Room for what a peer has answered: enough of a long answer for each read to be worth its call.
const BUFFER_BYTES: usize = 64 * 1024;

/// Connections that the streams of [`Way::H2`] share: no peer takes more than 100 streams on one
/// without being told to.
const H2_CONNECTIONS: usize = 2;

/// A connection in clear or encrypted. What it costs to call it through a pointer is the client's.
trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Duplex for S {}
type Stream = Box<dyn Duplex>;

/// Where a peer takes requests.
#[derive(Clone, Copy)]
pub(crate) struct Target {
    /// HTTP in clear.
    pub(crate) http: SocketAddr,
    /// HTTPS, if the peer serves it.
    pub(crate) https: SocketAddr,
}

/// What the clients of one case have in common.
pub(crate) struct Plan {
    case: &'static Case,
    target: Target,
    certificate: Arc<Certificate>,
    /// What each version answers with.
    bodies: Vec<String>,
    /// What is sent, where it is the same each time and long.
    request: Vec<u8>,
    /// How often was asked, where it is not long.
    turns: AtomicU64,
}

/// A client.
pub(crate) struct User {
    plan: Arc<Plan>,
    buffer: Vec<u8>,
    over: Over,
}

/// What a client asks over.
enum Over {
    /// A connection that is kept.
    Kept(Stream),
    /// A new connection each time.
    Anew,
    /// A new connection each time, and all those before.
    Idle(Vec<Stream>),
    /// New encrypted connections.
    Tls(tls::Sessions),
    /// A stream each time.
    Streams(h2::Sender),
}

impl Plan {
    /// What the clients of `case` do at `target`, behind which these versions answer.
    pub(crate) fn new(
        case: &'static Case,
        target: Target,
        certificate: Arc<Certificate>,
        versions: &[&str],
    ) -> Arc<Plan> {
        let bodies = versions.iter().map(|version| {
            let body = body_of(version, case.answer_bytes());
            match case.ask {
                Ask::Grpc => message_of(&body),
                Ask::Get(_) | Ask::Put(_) | Ask::Echo => body,
            }
        });
        Arc::new(Plan {
            case,
            target,
            certificate,
            bodies: bodies.collect(),
            request: request(case, 0),
            turns: AtomicU64::new(0),
        })
    }

    /// The case.
    pub(crate) fn case(&self) -> &'static Case {
        self.case
    }

    /// How many versions there are.
    pub(crate) fn versions(&self) -> usize {
        self.bodies.len()
    }

    /// Routes that were not asked for yet. Who asks for one first may pay for what a peer keeps of it from then on, which
    /// is no request's price.
    pub(crate) fn unasked(&self) -> u64 {
        let routes = self.case.stage.routes_in_turn();
        routes.saturating_sub(self.turns.load(Ordering::Relaxed))
    }

    /// That many clients, connected if they stay so.
    ///
    /// # Errors
    /// If one cannot connect.
    pub(crate) async fn users(self: &Arc<Self>, count: usize) -> anyhow::Result<Vec<User>> {
        let mut users = Vec::with_capacity(count);
        let senders = match self.case.way {
            Way::H2 => h2::connect(self, H2_CONNECTIONS).await?,
            _ => Vec::new(),
        };
        for index in 0..count {
            let over = match senders.get(index % H2_CONNECTIONS) {
                Some(sender) => Over::Streams(sender.clone()),
                None => self.connected().await?,
            };
            users.push(User {
                plan: self.clone(),
                buffer: vec![0; BUFFER_BYTES],
                over,
            });
        }
        Ok(users)
    }

    async fn connected(&self) -> anyhow::Result<Over> {
        Ok(match self.case.way {
            Way::KeepAlive if self.case.ask == Ask::Echo => {
                let mut stream = self.connect().await?;
                websocket::open(&mut stream, self.host()).await?;
                Over::Kept(stream)
            }
            Way::KeepAlive => Over::Kept(self.connect().await?),
            Way::Tls => Over::Kept(tls::Sessions::new(self)?.connect(self).await?),
            Way::Anew => Over::Anew,
            Way::Idle => Over::Idle(Vec::new()),
            Way::TlsFull | Way::TlsResumed => Over::Tls(tls::Sessions::new(self)?),
            Way::H2 => unreachable!("streams have connections of their own"),
        })
    }

    async fn connect(&self) -> anyhow::Result<Stream> {
        let stream = TcpStream::connect(self.target.http).await?;
        stream.set_nodelay(true)?;
        Ok(Box::new(stream))
    }

    fn host(&self) -> &'static str {
        "shop.example.com"
    }

    /// Short ones are made anew for each turn, also where all are the same: a case and its base must not differ in what
    /// their client has to do, as a proxy that is asked at another pace finds another number of requests at once.
    fn next_request(&self) -> Cow<'_, [u8]> {
        match self.case.ask {
            Ask::Get(_) => {
                let turn = self.turns.fetch_add(1, Ordering::Relaxed);
                Cow::Owned(request(self.case, turn))
            }
            Ask::Put(_) | Ask::Grpc | Ask::Echo => Cow::Borrowed(&self.request),
        }
    }
}

/// What is sent over HTTP/1.1. Who connects anew says that the answer is the last.
fn request(case: &Case, turn: u64) -> Vec<u8> {
    let (host, path) = case.stage.place(turn);
    match (case.ask, case.way) {
        (Ask::Put(bytes), _) => post(&host, &path, bytes, SMALL),
        (_, Way::Anew | Way::TlsFull | Way::TlsResumed) => {
            get(&host, &path, case.answer_bytes(), "Connection: close\r\n")
        }
        _ => get(&host, &path, case.answer_bytes(), ""),
    }
}

impl User {
    /// Asks once; returns which version answered.
    ///
    /// # Errors
    /// If the answer is wrong in any way, or there is none.
    pub(crate) async fn ask(&mut self) -> anyhow::Result<usize> {
        let (plan, buffer) = (&*self.plan, &mut self.buffer);
        let request = plan.next_request();
        match &mut self.over {
            Over::Streams(sender) => h2::ask(sender, plan).await,
            Over::Kept(stream) if plan.case.ask == Ask::Echo => {
                websocket::ask(stream, buffer, &plan.bodies[0]).await
            }
            Over::Kept(stream) => h1::ask(stream, &request, buffer, &plan.bodies).await,
            Over::Anew => {
                let mut stream = plan.connect().await?;
                let version = h1::ask(&mut stream, &request, buffer, &plan.bodies).await?;
                wait_for_end(stream, buffer).await?;
                Ok(version)
            }
            Over::Idle(others) => {
                let mut stream = plan.connect().await?;
                let version = h1::ask(&mut stream, &request, buffer, &plan.bodies).await?;
                others.push(stream);
                Ok(version)
            }
            Over::Tls(sessions) => {
                let mut stream = sessions.connect(plan).await?;
                let version = h1::ask(&mut stream, &request, buffer, &plan.bodies).await?;
                wait_for_end(stream, buffer).await?;
                Ok(version)
            }
        }
    }
}

/// The peer was asked to end the connection. How it does is its own affair, but it sends no more.
async fn wait_for_end(mut stream: Stream, buffer: &mut [u8]) -> anyhow::Result<()> {
    let more = stream.read(buffer).await.unwrap_or(0);
    ensure!(more == 0, "{more} bytes after the last answer");
    Ok(())
}

//! Clients that ask all the time and write down what they see.

use super::content::content;
use super::{Asked, Ledger, Outcome, name_of};
use crate::backend::whole;
use crate::client::{Body, Client, get_with, is_sent_away, nothing};
use crate::load::turns;
use crate::manifests::SHOP;
use crate::tls::connect_by;
use crate::within;
use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use rustls::ClientConfig;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::Instant;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Interval;

/// Connections that one request is sent over at most, where those before certainly did not take it: as many takeovers of a
/// port as may fall together.
const CONNECTIONS_MAX: usize = 3;

/// Requests that are waited for at once.
const PART: u64 = 200;

/// Who asks what of whom.
#[derive(Clone)]
pub struct Clients {
    ledger: Ledger,
    /// A connection that ends is opened anew at the next of these.
    proxies: Vec<SocketAddr>,
    h1: usize,
    h2: usize,
    /// Over TLS, if at all.
    tls: Option<ClientConfig>,
    /// Begun a second, where not as soon as the last one has ended.
    per_second: Option<u64>,
    /// Every so many requests one is a POST; 0 for none.
    post_every: u64,
    requests: u64,
}

impl Clients {
    /// Eight connections over HTTP/1.1 and two over HTTP/2, one request of five a POST, without an end.
    pub fn of(ledger: &Ledger, proxies: &[SocketAddr]) -> Self {
        Self {
            ledger: ledger.clone(),
            proxies: proxies.to_vec(),
            h1: 8,
            h2: 2,
            tls: None,
            per_second: None,
            post_every: 5,
            requests: u64::MAX,
        }
    }

    /// Over so many connections.
    pub fn connections(self, h1: usize, h2: usize) -> Self {
        Self { h1, h2, ..self }
    }

    /// Over TLS, with servers that are trusted by this.
    pub fn over_tls(self, config: ClientConfig) -> Self {
        let tls = Some(config);
        Self { tls, ..self }
    }

    /// So many requests a second, spread evenly over the connections; one that finds its connection busy follows as soon as
    /// that is free.
    pub fn rate(self, per_second: u64) -> Self {
        let per_second = Some(per_second);
        Self { per_second, ..self }
    }

    /// With one POST in so many requests; 0 for none.
    pub fn post_every(self, post_every: u64) -> Self {
        Self { post_every, ..self }
    }

    /// Ends after so many requests.
    ///
    /// # Errors
    /// When a client's task is lost.
    pub async fn ask(self, requests: u64) -> anyhow::Result<()> {
        let clients = Self { requests, ..self };
        clients.start().ended().await
    }

    /// Asks until stopped.
    pub fn start(self) -> Running {
        let stop = Arc::new(AtomicBool::new(false));
        let (done, watched) = watch::channel(0);
        let all = self.h1 + self.h2;
        let shared = Arc::new(Shared {
            left: AtomicU64::new(self.requests),
            stop: stop.clone(),
            done,
            clients: self,
        });
        let now = tokio::time::Instant::now();
        let callers = (0..all).map(|index| {
            let caller = Caller {
                shared: shared.clone(),
                h2: index >= shared.clients.h1,
                next: index,
                kept: None,
            };
            caller.call_all(shared.clients.turns(now, index))
        });
        Running {
            stop,
            done: watched,
            tasks: callers.collect(),
        }
    }
}

impl Clients {
    fn turns(&self, begun: tokio::time::Instant, connection: usize) -> Option<Interval> {
        let (connection, all) = (connection as u64, (self.h1 + self.h2) as u64);
        turns(self.per_second?, begun, connection, all)
    }

    async fn connect(&self, proxy: SocketAddr, h2: bool) -> anyhow::Result<Client> {
        match (&self.tls, h2) {
            (None, true) => Client::h2(proxy).await,
            (None, false) => Client::h1(proxy).await,
            (Some(tls), true) => {
                Client::h2_over(connect_by(tls, SHOP, proxy, &["h2"]).await?).await
            }
            (Some(tls), false) => {
                Client::h1_over(connect_by(tls, SHOP, proxy, &["http/1.1"]).await?).await
            }
        }
    }
}

struct Shared {
    clients: Clients,
    left: AtomicU64,
    stop: Arc<AtomicBool>,
    done: watch::Sender<u64>,
}

impl Shared {
    fn goes_on(&self) -> bool {
        let take = |left: u64| left.checked_sub(1);
        !self.stop.load(SeqCst) && self.left.fetch_update(SeqCst, SeqCst, take).is_ok()
    }

    fn method(&self, id: u64) -> Method {
        match self.clients.post_every {
            0 => Method::GET,
            every if id % every == every - 1 => Method::POST,
            _ => Method::GET,
        }
    }
}

/// One connection at a time.
struct Caller {
    shared: Arc<Shared>,
    h2: bool,
    /// Which of the proxies the next connection is opened to.
    next: usize,
    kept: Option<Client>,
}

impl Caller {
    async fn call_all(mut self, mut turns: Option<Interval>) {
        loop {
            if let Some(turns) = &mut turns {
                turns.tick().await;
            }
            if !self.shared.goes_on() {
                return;
            }
            let ledger = self.shared.clients.ledger.clone();
            let (id, begun) = (ledger.begin(), Instant::now());
            let method = self.shared.method(id);
            let outcome = self.call(id, &method).await;
            ledger.asked(Asked {
                id,
                method,
                begun,
                ended: Instant::now(),
                outcome,
            });
            self.shared.done.send_modify(|done| *done += 1);
        }
    }

    /// What a kept connection certainly did not take, or a server that goes away, is sent over a new one.
    async fn call(&mut self, id: u64, method: &Method) -> Outcome {
        for _ in 1..CONNECTIONS_MAX {
            let was_kept = self.kept.is_some();
            match self.try_call(id, method).await {
                (Outcome::Unreached(_), Then::Leave) if was_kept => {}
                (_, Then::TryAgain) => {}
                (outcome, _) => return outcome,
            }
        }
        self.try_call(id, method).await.0
    }

    async fn try_call(&mut self, id: u64, method: &Method) -> (Outcome, Then) {
        let mut client = match self.open().await {
            Ok(client) => client,
            Err(error) => return (Outcome::Unreached(format!("{error:#}")), Then::Leave),
        };
        let (outcome, then) = exchange(&mut client, id, method).await;
        self.kept = (then == Then::Keep).then_some(client);
        (outcome, then)
    }

    /// The connection that is there, unless its end is known before anything is sent.
    async fn open(&mut self) -> anyhow::Result<Client> {
        if let Some(mut client) = self.kept.take()
            && client.ready().await.is_ok()
        {
            return Ok(client);
        }
        let proxies = &self.shared.clients.proxies;
        let proxy = proxies[self.next % proxies.len()];
        self.next += 1;
        let mut client = self.shared.clients.connect(proxy, self.h2).await?;
        client.ready().await?;
        Ok(client)
    }
}

/// What becomes of a connection after a request.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Then {
    /// It takes another one.
    Keep,
    /// It does not.
    Leave,
    /// Nor did it take this one.
    TryAgain,
}

async fn exchange(client: &mut Client, id: u64, method: &Method) -> (Outcome, Then) {
    let response = match client.send(request(id, method)).await {
        Ok(response) => response,
        Err(error) => return without_answer(&error),
    };
    let (head, body) = response.into_parts();
    let status = head.status.as_u16();
    let Ok(Ok(body)) = within("a body", body.collect()).await else {
        return (Outcome::Cut { status }, Then::Leave);
    };
    let (body, header) = (body.to_bytes(), |name| head.headers.get(name));
    let then = match header("connection") {
        Some(value) if value == "close" => Then::Leave,
        _ => Then::Keep,
    };
    if status == 200 && body != content(id) {
        return (Outcome::Wrong { bytes: body.len() }, Then::Leave);
    }
    let backend = header("x-backend").and_then(|name| name.to_str().ok());
    let outcome = Outcome::Whole {
        status,
        backend: backend.unwrap_or_default().to_owned(),
        ask_again: header("retry-after").is_some(),
    };
    (outcome, then)
}

/// hyper tells a request that it never wrote from one that may have arrived.
fn without_answer(error: &anyhow::Error) -> (Outcome, Then) {
    let told = format!("{error:#}");
    match error.downcast_ref::<hyper::Error>() {
        _ if is_sent_away(error) => (Outcome::Unreached(told), Then::TryAgain),
        Some(error) if error.is_canceled() => (Outcome::Unreached(told), Then::Leave),
        _ => (Outcome::Lost(told), Then::Leave),
    }
}

fn request(id: u64, method: &Method) -> Request<Body> {
    let mut request = get_with(SHOP, "/", &[("x-request-id", &name_of(id))]);
    *request.method_mut() = method.clone();
    request.map(|_| match *method {
        Method::POST => body(id),
        _ => nothing(),
    })
}

/// With its length announced, or in chunks. No chunk is empty: over HTTP/2 that is an empty DATA frame, and a server
/// that has seen a hundred of them on a connection takes them for a flood (CVE-2019-9518) and closes it.
fn body(id: u64) -> Body {
    let bytes = Bytes::from(content(id));
    if id.is_multiple_of(2) {
        return whole(bytes);
    }
    let frames = (!bytes.is_empty()).then_some(Ok(Frame::data(bytes)));
    StreamBody::new(tokio_stream::iter(frames)).boxed_unsync()
}

/// Clients that ask.
pub struct Running {
    stop: Arc<AtomicBool>,
    done: watch::Receiver<u64>,
    tasks: JoinSet<()>,
}

impl Running {
    /// Waits until `more` requests are over from now on.
    ///
    /// # Errors
    /// When they are not in time.
    pub async fn progress(&self, more: u64) -> anyhow::Result<()> {
        let mut done = self.done.clone();
        let (mut now, goal) = (*done.borrow(), *done.borrow() + more);
        // However many they are: each part of them is in time.
        while now < goal {
            now = goal.min(now + PART);
            within("requests", done.wait_for(|done| *done >= now)).await??;
        }
        Ok(())
    }

    /// Begins no further request and waits for those that run.
    ///
    /// # Errors
    /// When a client's task is lost.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.stop.store(true, SeqCst);
        self.ended().await
    }

    async fn ended(mut self) -> anyhow::Result<()> {
        while let Some(ended) = self.tasks.join_next().await {
            ended?;
        }
        Ok(())
    }
}

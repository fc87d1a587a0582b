//! Load beside the ledger's: gRPC calls over one connection, and WebSockets. Their backends are never at fault.

use bytes::Bytes;
use haldane_tests::backend::whole;
use haldane_tests::client::{Body, Client, get_with, is_sent_away};
use haldane_tests::websocket::Socket;
use http::{HeaderMap, HeaderValue, Method, Request, Response};
use http_body_util::{BodyExt as _, Collected, StreamBody};
use hyper::body::{Frame, Incoming};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::interval;
use tokio_tungstenite::tungstenite::Message;

/// The host of gRPC calls.
pub(super) const GREETER: &str = "greeter.example.com";
/// The host of WebSockets.
pub(super) const CHAT: &str = "chat.example.com";

/// Between two calls, and between two messages.
const EVERY: Duration = Duration::from_millis(100);
/// Messages over one WebSocket.
const MESSAGES: u64 = 25;
/// What a message's length is less than, in bytes.
const LENGTH_MAX: u64 = 3_000;

/// Gives a call's message back.
pub(super) async fn greet(request: Request<Incoming>) -> Response<Body> {
    // A call that breaks off gets what there was of it, and nobody to read that.
    let message = request.into_body().collect().await;
    let message = message.map(Collected::to_bytes).unwrap_or_default();
    let trailers =
        HeaderMap::from_iter([("grpc-status".parse().expect("a name"), HeaderValue::from(0))]);
    let frames = [Ok(Frame::data(message)), Ok(Frame::trailers(trailers))];
    let body = StreamBody::new(tokio_stream::iter(frames));
    let mut response = Response::new(body.boxed_unsync());
    let kind = HeaderValue::from_static("application/grpc");
    response.headers_mut().insert("content-type", kind);
    response
}

/// Load that runs.
pub(super) struct Beside {
    shared: Arc<Shared>,
    tasks: JoinSet<()>,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    done: AtomicU64,
    failures: Mutex<Vec<String>>,
}

impl Beside {
    pub(super) fn start(proxy: SocketAddr) -> Self {
        let (shared, mut tasks) = (Arc::new(Shared::default()), JoinSet::new());
        tasks.spawn(shared.clone().call_all(proxy));
        tasks.spawn(shared.clone().chat_all(proxy));
        Self { shared, tasks }
    }

    /// What went wrong since this was asked last.
    pub(super) fn failures(&self) -> Vec<String> {
        let mut failures = self.shared.failures.lock();
        std::mem::take(failures.as_deref_mut().expect("nobody panics with it"))
    }

    /// Calls and messages that came back.
    pub(super) fn done(&self) -> u64 {
        self.shared.done.load(SeqCst)
    }

    /// Ends it, in order.
    pub(super) async fn stop(&mut self) {
        self.shared.stop.store(true, SeqCst);
        while self.tasks.join_next().await.is_some() {}
    }
}

impl Shared {
    fn goes_on(&self) -> bool {
        !self.stop.load(SeqCst)
    }

    fn note(&self, what: &str, outcome: &anyhow::Result<()>) {
        match outcome {
            Ok(()) => _ = self.done.fetch_add(1, SeqCst),
            Err(error) => {
                let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
                failures.push(format!("{what}: {error:#}"));
            }
        }
    }

    async fn call_all(self: Arc<Self>, proxy: SocketAddr) {
        let (mut turns, mut kept) = (interval(EVERY), None);
        while self.goes_on() {
            turns.tick().await;
            let outcome = call_on(&mut kept, proxy, self.done()).await;
            self.note("a call", &outcome);
        }
    }

    async fn chat_all(self: Arc<Self>, proxy: SocketAddr) {
        let mut turns = interval(EVERY);
        while self.goes_on() {
            turns.tick().await;
            let mut socket = match Socket::open(proxy, CHAT).await {
                Ok(socket) => socket,
                Err(error) => {
                    self.note("a WebSocket", &Err(error));
                    continue;
                }
            };
            for _ in 0..MESSAGES {
                turns.tick().await;
                let outcome = talk(&mut socket, self.done()).await;
                self.note("a message", &outcome);
                if outcome.is_err() || !self.goes_on() {
                    break;
                }
            }
            // The server has said its own close by then, or is gone.
            let _ = socket.turn(Message::Close(None)).await;
        }
    }

    fn done(&self) -> u64 {
        self.done.load(SeqCst)
    }
}

async fn talk(socket: &mut Socket, number: u64) -> anyhow::Result<()> {
    let message = Message::binary(vec![7; (number % LENGTH_MAX) as usize]);
    let back = socket.turn(message.clone()).await?;
    anyhow::ensure!(back == message, "another message came back");
    Ok(())
}

/// Over the connection that is there, or a new one where its server goes away: it does once the connection is an hour old.
async fn call_on(kept: &mut Option<Client>, proxy: SocketAddr, number: u64) -> anyhow::Result<()> {
    match call(kept, proxy, number).await {
        Err(error) if is_sent_away(&error) => call(kept, proxy, number).await,
        outcome => outcome,
    }
}

/// Over the connection that is there; a new one after a failure.
async fn call(kept: &mut Option<Client>, proxy: SocketAddr, number: u64) -> anyhow::Result<()> {
    let mut client = match kept.take() {
        Some(client) if !client.is_closed() => client,
        _ => Client::h2(proxy).await?,
    };
    let message = framed(number);
    let fields = [("content-type", "application/grpc"), ("te", "trailers")];
    let mut request = get_with(GREETER, "/shop.Greeter/Greet", &fields);
    *request.method_mut() = Method::POST;
    let answer = client.ask(request.map(|_| whole(message.clone()))).await?;
    let status = answer.trailers.get("grpc-status");
    anyhow::ensure!(status.is_some_and(|status| status == "0"), "{answer:?}");
    anyhow::ensure!(answer.body == message, "another message came back");
    *kept = Some(client);
    Ok(())
}

/// Not compressed, and so long.
fn framed(number: u64) -> Bytes {
    let length = (number % LENGTH_MAX) as u32;
    let mut message = vec![0];
    message.extend(length.to_be_bytes());
    message.resize(message.len() + length as usize, 7);
    message.into()
}

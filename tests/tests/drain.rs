//! SIGTERM: what runs is finished, nothing new is begun; a second one cuts.

use bytes::Bytes;
use haldane_tests::backend::{Backend, filler, handler, whole};
use haldane_tests::client::{Answer, Body, Client, get};
use haldane_tests::manifests::{Manifests, SHOP, ingress, pod, service, shop};
use haldane_tests::serve::Serve;
use haldane_tests::shop::{Shop, front_page, load};
use haldane_tests::websocket::{Echo, Socket};
use haldane_tests::within;
use http::{Method, Request, Response};
use http_body_util::BodyExt as _;
use http_body_util::channel::{Channel, Sender};
use hyper::body::Incoming;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio::sync::{Notify, watch};
use tokio_tungstenite::tungstenite::Message;

const BODY_BYTES: usize = 64 << 20;
const CHUNK_BYTES: usize = 64 << 10;

/// Answers a POST with how many bytes came, and a GET with [`BODY_BYTES`].
async fn bodies(request: Request<Incoming>, arrived: watch::Sender<usize>) -> Response<Body> {
    if request.method() == Method::GET {
        return Response::new(filler(BODY_BYTES));
    }
    let mut body = request.into_body();
    while let Some(Ok(frame)) = body.frame().await {
        let bytes = frame.data_ref().map_or(0, Bytes::len);
        arrived.send_modify(|all| *all += bytes);
    }
    Response::new(whole(arrived.borrow().to_string()))
}

struct Bodies {
    backend: Backend,
    arrived: watch::Receiver<usize>,
}

impl Bodies {
    async fn start() -> anyhow::Result<Self> {
        let (sender, arrived) = watch::channel(0);
        let backend =
            Backend::with(handler(move |request| bodies(request, sender.clone()))).await?;
        Ok(Self { backend, arrived })
    }
}

/// An upload of [`BODY_BYTES`] that moves when it is told to.
struct Upload {
    sender: Sender<Bytes, io::Error>,
    answer: tokio::task::JoinHandle<anyhow::Result<Answer>>,
}

impl Upload {
    async fn begin(proxy: SocketAddr) -> anyhow::Result<Self> {
        let mut client = Client::h1(proxy).await?;
        let (sender, body) = Channel::new(1);
        let mut request = get(SHOP, "/upload");
        *request.method_mut() = Method::POST;
        let request = request.map(|_| body.boxed_unsync());
        let answer = tokio::spawn(async move { client.ask(request).await });
        Ok(Self { sender, answer })
    }

    async fn send(&mut self, bytes: usize) -> anyhow::Result<()> {
        for _ in 0..bytes / CHUNK_BYTES {
            let chunk = Bytes::from_static(&[b'u'; CHUNK_BYTES]);
            within("an upload to move", self.sender.send_data(chunk)).await??;
        }
        Ok(())
    }

    async fn end(self) -> anyhow::Result<Answer> {
        drop(self.sender);
        within("an upload to end", self.answer).await??
    }
}

/// A download that is read when it is told to.
struct Download {
    body: Incoming,
    read: usize,
    _client: Client,
}

impl Download {
    async fn begin(mut client: Client) -> anyhow::Result<Self> {
        let response = client.send(get(SHOP, "/download")).await?;
        let mut download = Self {
            body: response.into_body(),
            read: 0,
            _client: client,
        };
        download.more().await?;
        Ok(download)
    }

    async fn more(&mut self) -> anyhow::Result<bool> {
        let frame = within("a download to move", self.body.frame())
            .await?
            .transpose()?;
        let data = frame.as_ref().and_then(|frame| frame.data_ref());
        self.read += data.map_or(0, Bytes::len);
        Ok(frame.is_some())
    }

    async fn end(mut self) -> anyhow::Result<usize> {
        while self.more().await? {}
        Ok(self.read)
    }
}

/// Waits until nobody listens any more.
async fn refused(proxy: SocketAddr) -> anyhow::Result<()> {
    within("connections to be refused", async {
        while TcpStream::connect(proxy).await.is_ok() {}
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_runs_is_finished_before_the_end() -> anyhow::Result<()> {
    let (mut web, chat) = (Bodies::start().await?, Echo::start().await?);
    let mut objects = shop(&[], &[("1.0", web.backend.address())]);
    objects.extend([
        service("chat", &[]),
        ingress("chat", &[], "chat.example.com", "chat"),
        pod("chat", "1.0", chat.address()),
    ]);
    let manifests = Manifests::of(&objects)?;
    // More than any wait here: what ends, ends because it is done.
    let mut serve = Serve::start_with(manifests.path(), &["--grace", "600"]).await?;
    let mut upload = Upload::begin(serve.http).await?;
    upload.send(BODY_BYTES / 2).await?;
    within(
        "half an upload",
        web.arrived.wait_for(|arrived| *arrived > BODY_BYTES / 4),
    )
    .await??;
    let download = Download::begin(Client::h1(serve.http).await?).await?;
    let stream = Download::begin(Client::h2(serve.http).await?).await?;
    let mut socket = Socket::open(serve.http, "chat.example.com").await?;
    let mark = serve.mark();
    serve.terminate()?;
    serve.line(mark, "draining").await?;
    refused(serve.http).await?;
    upload.send(BODY_BYTES / 2).await?;
    assert_eq!(upload.end().await?.text(), BODY_BYTES.to_string());
    assert_eq!(download.end().await?, BODY_BYTES);
    assert_eq!(stream.end().await?, BODY_BYTES);
    let message = Message::text("still here");
    assert_eq!(socket.turn(message.clone()).await?, message);
    assert!(serve.is_running()?, "a WebSocket is open");
    assert_eq!(
        socket.turn(Message::Close(None)).await?,
        Message::Close(None)
    );
    drop(socket);
    let status = serve.ended().await?;
    assert_eq!(status.code(), Some(0), "{}", serve.printed());
    serve.line(mark, "drained").await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_under_load_loses_no_request() -> anyhow::Result<()> {
    let shop = Shop::new(&[("haldane.dev/weights", "stable=90, canary=10")]).await?;
    let mut serve = shop.serve().await?;
    let running = load(serve.http, 16).start();
    running.progress(200).await?;
    serve.terminate()?;
    let status = serve.ended().await?;
    assert_eq!(status.code(), Some(0), "{}", serve.printed());
    let tally = running.stop().await?;
    // Connections that are opened after the drain began are refused; no request on an open one is lost.
    let lost = tally
        .failures
        .iter()
        .find(|failure| !failure.contains("refused"));
    assert_eq!(lost, None, "{tally:?}");
    let answered = shop.stable.requests() + shop.canary.requests();
    assert_eq!(tally.answered(), answered);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_answered_before_the_drain_may_ask_once_more() -> anyhow::Result<()> {
    let web = Bodies::start().await?;
    let manifests = Manifests::of(&shop(&[], &[("1.0", web.backend.address())]))?;
    let mut serve = Serve::start(manifests.path()).await?;
    let mut client = Client::h1(serve.http).await?;
    let first = client.send(get(SHOP, "/download")).await?;
    serve.terminate()?;
    refused(serve.http).await?;
    let first = Answer::of(first).await?;
    assert_eq!(
        (first.body.len(), first.header("connection")),
        (BODY_BYTES, "")
    );
    client.ready().await?;
    let second = client.get(SHOP, "/download").await?;
    assert_eq!(
        (second.body.len(), second.header("connection")),
        (BODY_BYTES, "close")
    );
    assert_eq!(serve.ended().await?.code(), Some(0), "{}", serve.printed());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_cuts() -> anyhow::Result<()> {
    let arrived = Arc::new(Notify::new());
    let told = arrived.clone();
    let silent = handler(move |_| {
        told.notify_one();
        std::future::pending()
    });
    let backend = Backend::with(silent).await?;
    let manifests = Manifests::of(&shop(&[], &[("1.0", backend.address())]))?;
    let mut serve = Serve::start(manifests.path()).await?;
    let mut client = Client::h1(serve.http).await?;
    let asking = tokio::spawn(async move { client.ask(front_page()).await });
    within("the request", arrived.notified()).await?;
    let mark = serve.mark();
    serve.terminate()?;
    serve.line(mark, "draining").await?;
    assert!(serve.is_running()?, "a request is in flight");
    serve.terminate()?;
    serve.ended().await?;
    serve.line(mark, "cut").await?;
    assert!(
        within("the client", asking).await??.is_err(),
        "no answer came"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_ends_with_its_grace() -> anyhow::Result<()> {
    let backend = Backend::with(handler(|_| std::future::pending())).await?;
    let manifests = Manifests::of(&shop(&[], &[("1.0", backend.address())]))?;
    let mut serve = Serve::start_with(manifests.path(), &["--grace", "0"]).await?;
    let mut client = Client::h1(serve.http).await?;
    let asking = tokio::spawn(async move { client.ask(front_page()).await });
    while backend.requests() == 0 {
        tokio::task::yield_now().await;
    }
    serve.terminate()?;
    serve.ended().await?;
    assert!(
        within("the client", asking).await??.is_err(),
        "no answer came"
    );
    Ok(())
}

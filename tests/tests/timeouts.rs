//! Requests that take too long in all, and clients that take nothing: both are given up, and neither looks like an end.
//! What is slow and moves is not.

use bytes::Bytes;
use haldane_tests::backend::{Backend, Handler, handler};
use haldane_tests::client::{Answer, Body, Client, get_with};
use haldane_tests::manifests::{Manifests, SHOP, ingress, pod, service};
use haldane_tests::serve::Serve;
use haldane_tests::within;
use http::Response;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Frame, Incoming};
use serde_json::Value;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;

/// What a backend does once it has a request.
#[derive(Clone, Copy, Debug)]
enum Backends {
    /// Takes the connection and begins no TLS over it.
    Connecting,
    /// Answers nothing.
    Silent,
    /// Sends a head, a chunk, and nothing more.
    Stopping,
    /// Sends for ever.
    Endless,
}

/// What the client sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    Status(u16),
    /// The status of gRPC, in the head.
    Grpc(&'static str),
    /// A good head, and a body that is cut.
    Cut,
}

use Backends::{Connecting, Endless, Silent, Stopping};
use Seen::{Cut, Grpc, Status};

fn chunks(count: usize) -> impl tokio_stream::Stream<Item = io::Result<Frame<Bytes>>> {
    let chunk = || Ok(Frame::data(Bytes::from_static(&[b'.'; 1024])));
    tokio_stream::iter(std::iter::repeat_with(chunk).take(count))
}

/// A body that never ends, after so many chunks.
fn unended(chunks_sent: usize) -> Body {
    StreamBody::new(chunks(chunks_sent).chain(tokio_stream::pending())).boxed_unsync()
}

fn handling(backend: Backends) -> Handler {
    handler(move |_| async move {
        match backend {
            Connecting | Silent => std::future::pending().await,
            Stopping => Response::new(unended(1)),
            Endless => Response::new(unended(usize::MAX)),
        }
    })
}

/// A proxy before one backend.
struct Before {
    serve: Serve,
    _backend: Backend,
    _listener: TcpListener,
    _manifests: Manifests,
}

impl Before {
    async fn backend(backend: Backends, annotations: &[(&str, &str)]) -> anyhow::Result<Self> {
        Self::with(backend, annotations, &[]).await
    }

    async fn with(
        backend: Backends,
        annotations: &[(&str, &str)],
        flags: &[&str],
    ) -> anyhow::Result<Self> {
        let started = Backend::with(handling(backend)).await?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = match backend {
            Connecting => listener.local_addr()?,
            _ => started.address(),
        };
        Self::at(address, (started, listener), annotations, flags).await
    }

    async fn handler(handler: Handler, annotations: &[(&str, &str)]) -> anyhow::Result<Self> {
        let started = Backend::with(handler).await?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        Self::at(started.address(), (started, listener), annotations, &[]).await
    }

    async fn at(
        address: SocketAddr,
        (started, listener): (Backend, TcpListener),
        annotations: &[(&str, &str)],
        flags: &[&str],
    ) -> anyhow::Result<Self> {
        let objects: [Value; 3] = [
            service("web", &[]),
            ingress("web", annotations, SHOP, "web"),
            pod("web", "1.0", address),
        ];
        let manifests = Manifests::of(&objects)?;
        Ok(Self {
            serve: Serve::start_with(manifests.path(), &[&["--workers", "1"], flags].concat())
                .await?,
            _backend: started,
            _listener: listener,
            _manifests: manifests,
        })
    }

    /// Waits until a request has failed for this reason.
    async fn failed(&self, class: &str) -> anyhow::Result<()> {
        let counted = async {
            let labels = [("class", class)];
            while self
                .serve
                .metrics()
                .await?
                .sum("haldane_request_errors_total", &labels)
                < 1.0
            {}
            anyhow::Ok(())
        };
        within(class, counted).await?
    }
}

async fn see(client: &mut Client, headers: &[(&str, &str)]) -> anyhow::Result<Seen> {
    let response = client.send(get_with(SHOP, "/", headers)).await?;
    let (head, body) = response.into_parts();
    if let Some(status) = head.headers.get("grpc-status") {
        return Ok(Grpc(if status == "4" { "4" } else { "another" }));
    }
    let body = within("a body's end", body.collect()).await?;
    match body {
        Ok(_) => Ok(Status(head.status.as_u16())),
        Err(_) => Ok(Cut),
    }
}

type Fields = &'static [(&'static str, &'static str)];

const WHOLE: (&str, &str) = ("haldane.dev/request-timeout", "1");
/// Where a head must come first: more than a busy machine takes for it.
const LONGER: (&str, &str) = ("haldane.dev/request-timeout", "4");
const TLS: (&str, &str) = ("haldane.dev/backend-protocol", "HTTPS");
const PATIENT: (&str, &str) = ("haldane.dev/proxy-connect-timeout", "60");
const GRPC: Fields = &[
    ("content-type", "application/grpc"),
    ("te", "trailers"),
    ("grpc-timeout", "1S"),
];
const GRPC_LONGER: Fields = &[
    ("content-type", "application/grpc"),
    ("te", "trailers"),
    ("grpc-timeout", "4S"),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_exchange_has_its_time() -> anyhow::Result<()> {
    // the backend, the annotations, the request's headers, what is seen, how it is counted
    let cases: [(_, Fields, Fields, _, _); 7] = [
        (
            Connecting,
            &[WHOLE, TLS, PATIENT],
            &[],
            Status(504),
            "whole_timeout",
        ),
        (Silent, &[WHOLE], &[], Status(504), "whole_timeout"),
        (Stopping, &[LONGER], &[], Cut, "whole_timeout"),
        (Endless, &[LONGER], &[], Cut, "whole_timeout"),
        (
            Connecting,
            &[TLS, PATIENT],
            GRPC,
            Grpc("4"),
            "client_deadline",
        ),
        (Silent, &[], GRPC, Grpc("4"), "client_deadline"),
        (Stopping, &[], GRPC_LONGER, Cut, "client_deadline"),
    ];
    for (backend, annotations, headers, seen, class) in cases {
        let before = Before::backend(backend, annotations).await?;
        let mut client = Client::h2(before.serve.http).await?;
        assert_eq!(
            see(&mut client, headers).await?,
            seen,
            "{backend:?} {class}"
        );
        before.failed(class).await?;
        if class == "whole_timeout" {
            let mut client = Client::h1(before.serve.http).await?;
            assert_eq!(
                see(&mut client, headers).await?,
                seen,
                "{backend:?} over HTTP/1.1"
            );
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_whose_client_takes_nothing_is_given_up() -> anyhow::Result<()> {
    let before = Before::with(Endless, &[], &["--send-timeout", "2"]).await?;
    let mut client = Client::h2_with_window(before.serve.http, 0).await?;
    let response = client.send(get_with(SHOP, "/", &[])).await?;
    assert_eq!(response.status(), 200);
    before.failed("client_gone").await?;
    // Others on the same connection are served on.
    let mut post = get_with("nobody.example.com", "/", &[]);
    *post.method_mut() = http::Method::HEAD;
    assert_eq!(client.send(post).await?.status(), 404);
    Ok(())
}

/// A request with a body that is sent piece by piece.
fn upload() -> (http::Request<Body>, mpsc::Sender<Frames>) {
    let (pieces, body) = mpsc::channel(1);
    let mut post = get_with(SHOP, "/", &[]);
    *post.method_mut() = http::Method::POST;
    *post.body_mut() = StreamBody::new(ReceiverStream::new(body)).boxed_unsync();
    (post, pieces)
}

type Frames = io::Result<Frame<Bytes>>;

fn piece() -> Frames {
    Ok(Frame::data(Bytes::from_static(b"piece")))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_ends_leaves_the_head_its_own_time_and_no_more() -> anyhow::Result<()> {
    const READ: (&str, &str) = ("haldane.dev/proxy-read-timeout", "1");
    const SEND: (&str, &str) = ("haldane.dev/proxy-send-timeout", "300");
    // The proxy's own HTTP/1.1 sends the body itself; hyper's HTTP/2 has a task for it.
    for protocol in ["HTTP", "GRPC"] {
        let annotations = [READ, SEND, ("haldane.dev/backend-protocol", protocol)];
        let (asked, mut asks) = mpsc::channel(1);
        let silent = handler(move |_| {
            let asked = asked.clone();
            async move {
                let _ = asked.send(()).await;
                std::future::pending().await
            }
        });
        let before = Before::handler(silent, &annotations).await?;
        let mut client = Client::h2(before.serve.http).await?;
        let (post, pieces) = upload();
        pieces.send(piece()).await?;
        let rest = async {
            within("the request", asks.recv()).await?;
            drop(pieces);
            anyhow::Ok(())
        };
        let (answer, rest) = tokio::join!(client.send(post), rest);
        rest?;
        assert_eq!(answer?.status(), 504, "{protocol}");
        before.failed("response_timeout").await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_moves_is_not_cut_because_its_answer_waits_for_it() -> anyhow::Result<()> {
    // A piece a second, for longer than the rule lets a connection be silent.
    const PIECES: usize = 6;
    let idle = [("haldane.dev/proxy-read-timeout", "4")];
    let before = Before::handler(handler(begun_at_once), &idle).await?;
    let mut client = Client::h2(before.serve.http).await?;
    let (post, pieces) = upload();
    let response = client.send(post).await?;
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    for _ in 0..PIECES {
        ticks.tick().await;
        pieces.send(piece()).await?;
    }
    drop(pieces);
    let answer = Answer::of(response).await?;
    assert_eq!(answer.text(), "piece".repeat(PIECES));
    Ok(())
}

/// Answers with a head at once, and with the request's body when it has all of it.
async fn begun_at_once(request: http::Request<Incoming>) -> Response<Body> {
    let echo = async {
        let whole = request.into_body().collect().await;
        whole
            .map(|whole| Frame::data(whole.to_bytes()))
            .map_err(io::Error::other)
    };
    Response::new(StreamBody::new(futures_util::stream::once(echo)).boxed_unsync())
}

//! What an acknowledged table means: every request goes by it, also those that were on their way when it came.

use bytes::Bytes;
use futures_util::FutureExt as _;
use haldane_tests::backend::{Backend, naming};
use haldane_tests::client::{Answer, Client};
use haldane_tests::frames::{END_HEADERS, END_STREAM, Frame, Frames, HEADERS, SETTINGS, block};
use haldane_tests::manifests::{Manifests, SHOP, ingress, pod, service, speaking};
use haldane_tests::process::Mark;
use haldane_tests::serve::Serve;
use haldane_tests::shop::front_page;
use haldane_tests::tls::Certificate;
use haldane_tests::within;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame as BodyFrame;
use serde_json::Value;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_stream::wrappers::ReceiverStream;

/// Enough turns through the one worker for it to have looked at everything it was told before.
const TURNS: usize = 8;

/// How long a flip waits for requests that are unsent, at least.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often a scene is played that a slow machine may spoil.
const SCENES_MAX: usize = 10;

/// A backend that lets a connection wait for its TLS handshake, and a request for its answer, as long as the test likes.
struct Hesitant {
    listener: TcpListener,
    tls: TlsAcceptor,
}

impl Hesitant {
    async fn start(certificate: &Certificate) -> anyhow::Result<Self> {
        Ok(Self {
            listener: TcpListener::bind("127.0.0.1:0").await?,
            tls: certificate.acceptor(&["http/1.1"])?,
        })
    }

    fn address(&self) -> anyhow::Result<SocketAddr> {
        Ok(self.listener.local_addr()?)
    }

    /// A connection that waits from now on.
    async fn asked(&self) -> anyhow::Result<TcpStream> {
        Ok(within("a connection", self.listener.accept()).await??.0)
    }

    /// Goes on with a connection until it has brought a request, which waits from now on; nothing where none is sent.
    async fn request(&self, stream: TcpStream) -> anyhow::Result<(TlsStream<TcpStream>, String)> {
        let mut stream = within("a handshake", self.tls.accept(stream)).await??;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            // A close without a word is no request either.
            let read = within("a request", stream.read_buf(&mut head)).await?;
            if read.unwrap_or(0) == 0 {
                break;
            }
        }
        Ok((stream, String::from_utf8(head)?))
    }

    /// Whether nobody has connected since the last look.
    fn is_left_alone(&self) -> bool {
        self.listener.accept().now_or_never().is_none()
    }
}

async fn answer(mut stream: TlsStream<TcpStream>) -> anyhow::Result<()> {
    stream
        .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nstable")
        .await?;
    Ok(stream.shutdown().await?)
}

/// Which table is in force.
#[derive(Clone, Copy, Debug)]
enum Table {
    /// Everything goes to `stable`.
    Old,
    /// Everything goes to `canary`.
    Flipped,
    /// `stable` has no endpoint, and what is due there goes to another version, or nowhere.
    Emptied(&'static str),
}

impl Table {
    fn objects(self, stable: SocketAddr, canary: SocketAddr, more: Fields) -> Vec<Value> {
        let passing = [
            ("haldane.dev/backend-protocol", "HTTPS"),
            ("haldane.dev/proxy-connect-timeout", "60"),
        ];
        let (weights, on_empty) = match self {
            Self::Old => ("stable=1, canary=0", "failover"),
            Self::Flipped => ("stable=0, canary=1", "failover"),
            Self::Emptied(on_empty) => ("stable=1, canary=1", on_empty),
        };
        let splitting = [
            ("haldane.dev/weights", weights),
            ("haldane.dev/on-empty", on_empty),
        ];
        let mut objects = vec![
            service("web", &splitting),
            ingress("web", &[&passing, more].concat(), SHOP, "web"),
            pod("web", "canary", canary),
        ];
        if !matches!(self, Self::Emptied(_)) {
            objects.push(pod("web", "stable", stable));
        }
        objects
    }
}

/// Annotations.
type Fields = &'static [(&'static str, &'static str)];

/// Two colours behind TLS, of which `stable` is active and hesitates.
struct Colours {
    stable: Hesitant,
    canary: Backend,
    manifests: Manifests,
    serve: Serve,
    annotations: Fields,
}

impl Colours {
    async fn serve() -> anyhow::Result<Self> {
        Self::serve_with(&[]).await
    }

    async fn serve_with(annotations: Fields) -> anyhow::Result<Self> {
        let certificate = Certificate::of(SHOP)?;
        let stable = Hesitant::start(&certificate).await?;
        let tls = certificate.acceptor(&["http/1.1"])?;
        let canary = Backend::over_tls(naming("canary"), tls).await?;
        let objects = Table::Old.objects(stable.address()?, canary.address(), annotations);
        let manifests = Manifests::of(&objects)?;
        // One worker, so that what one request shows holds for all.
        let serve = Serve::start_with(manifests.path(), &["--workers", "1"]).await?;
        Ok(Self {
            stable,
            canary,
            manifests,
            serve,
            annotations,
        })
    }

    /// A request, and its connection to the old colour, which waits.
    async fn stuck(&self) -> anyhow::Result<(JoinHandle<anyhow::Result<Answer>>, TcpStream)> {
        let mut client = Client::h1(self.serve.http).await?;
        let asking = tokio::spawn(async move { client.ask(front_page()).await });
        Ok((asking, self.stable.asked().await?))
    }

    /// Puts a table in force, and returns when the worker routes by it. What was printed before is behind the mark.
    async fn install(&self, table: Table) -> anyhow::Result<Mark> {
        let mark = self.serve.mark();
        let (stable, canary) = (self.stable.address()?, self.canary.address());
        let objects = table.objects(stable, canary, self.annotations);
        self.manifests.write_objects("objects.json", &objects)?;
        let published = async {
            while self.serve.metrics().await?.sum("haldane_generation", &[]) < 2.0 {}
            anyhow::Ok(())
        };
        within("the new table", published).await??;
        Ok(mark)
    }

    async fn only_canary(&self) -> anyhow::Result<()> {
        let mut client = Client::h1(self.serve.http).await?;
        for _ in 0..TURNS {
            client.ready().await?;
            assert_eq!(client.ask(front_page()).await?.text(), "canary");
        }
        assert!(self.stable.is_left_alone());
        Ok(())
    }

    /// How many requests that were due at the old colour are over, by what decided on them.
    async fn charged(&self, by: &str) -> anyhow::Result<u64> {
        let labels = [("version", "stable"), ("by", by)];
        let metrics = self.serve.metrics().await?;
        Ok(metrics.sum("haldane_requests_total", &labels) as u64)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flip_waits_for_a_request_that_is_still_connecting() -> anyhow::Result<()> {
    for _ in 0..SCENES_MAX {
        if flip_waits().await? {
            return Ok(());
        }
    }
    anyhow::bail!("this machine is too slow for the flip's patience")
}

/// Whether the scene was played before the flip lost its patience; if it was not, it shows nothing.
async fn flip_waits() -> anyhow::Result<bool> {
    let colours = Colours::serve().await?;
    let (asking, connecting) = colours.stuck().await?;
    let begun = Instant::now();
    let mark = colours.install(Table::Flipped).await?;
    colours.only_canary().await?;
    let is_acknowledged = colours.serve.has_line(mark, "generation ");
    let (stream, request) = colours.stable.request(connecting).await?;
    if begun.elapsed() >= PATIENCE {
        return Ok(false);
    }
    assert!(!is_acknowledged, "a request to the old colour is unsent");
    assert!(request.starts_with("GET / "), "{request}");
    answer(stream).await?;
    assert_eq!(asking.await??.text(), "stable");
    colours.serve.generation_after(mark).await?;
    colours.only_canary().await?;
    Ok(true)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_connects_for_too_long_chooses_again() -> anyhow::Result<()> {
    // Which is no second attempt.
    let colours = Colours::serve_with(&[("haldane.dev/proxy-next-upstream", "off")]).await?;
    let (asking, connecting) = colours.stuck().await?;
    let mark = colours.install(Table::Flipped).await?;
    colours.serve.generation_after(mark).await?;
    let (_, request) = colours.stable.request(connecting).await?;
    assert_eq!(request, "", "the flip is acknowledged");
    assert_eq!(asking.await??.text(), "canary");
    colours.only_canary().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_read_whole_keeps_no_table_waiting() -> anyhow::Result<()> {
    let buffering = &[("haldane.dev/proxy-request-buffering", "on")];
    let colours = Colours::serve_with(buffering).await?;
    let (pieces, body) = tokio::sync::mpsc::channel::<io::Result<BodyFrame<Bytes>>>(1);
    let mut post = front_page();
    *post.method_mut() = http::Method::POST;
    *post.body_mut() = StreamBody::new(ReceiverStream::new(body)).boxed_unsync();
    let mut client = Client::h1(colours.serve.http).await?;
    let asking = tokio::spawn(async move { client.ask(post).await });
    let begun = async {
        let in_flight = "haldane_requests_in_flight";
        while colours.serve.metrics().await?.sum(in_flight, &[]) < 1.0 {}
        anyhow::Ok(())
    };
    within("the request", begun).await??;
    let mark = colours.install(Table::Flipped).await?;
    colours.serve.generation_after(mark).await?;
    drop(pieces);
    assert_eq!(asking.await??.text(), "canary");
    colours.only_canary().await
}

/// HTTP/2 connections of one worker to one endpoint, at most.
const CONNECTIONS_MAX: usize = 8;

/// A connection that takes one stream at a time, and the one it has.
struct Full {
    frames: Frames,
    stream: u32,
}

impl Full {
    /// Accepts one that brings a request.
    async fn accept(listener: &TcpListener) -> anyhow::Result<Self> {
        let (stream, _) = within("a connection", listener.accept()).await??;
        let mut frames = Frames::serving(stream).await?;
        // SETTINGS_MAX_CONCURRENT_STREAMS is 1 (RFC 9113, section 6.5.2).
        let one_at_a_time = Frame::new(SETTINGS, 0, 0, [0, 3, 0, 0, 0, 1]);
        frames.send(&one_at_a_time.bytes()).await;
        let (mut acknowledged, mut asked) = (0, None);
        // The empty ones before are acknowledged, too.
        while acknowledged < 2 || asked.is_none() {
            let frame = frames.next().await?;
            let frame = frame.ok_or_else(|| anyhow::anyhow!("closed"))?;
            match frame.kind {
                SETTINGS => acknowledged += u8::from(frame.flags == 1),
                HEADERS => asked = Some(frame.stream),
                _ => {}
            }
        }
        let stream = asked.unwrap_or_default();
        Ok(Self { frames, stream })
    }

    async fn answer(&mut self) {
        let ends = END_HEADERS | END_STREAM;
        let head = Frame::new(HEADERS, ends, self.stream, block([(":status", "200")]));
        self.frames.send(&head.bytes()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_waits_for_a_stream_keeps_no_table_waiting_and_chooses_again()
-> anyhow::Result<()> {
    let stable = TcpListener::bind("127.0.0.1:0").await?;
    let canary = Backend::start("canary").await?;
    let (old, new) = (stable.local_addr()?, canary.address());
    let objects = |weights| {
        let service = service("web", &[("haldane.dev/weights", weights)]);
        [
            speaking(service, "kubernetes.io/h2c"),
            ingress("web", &[], SHOP, "web"),
            pod("web", "stable", old),
            pod("web", "canary", new),
        ]
    };
    let manifests = Manifests::of(&objects("stable=1, canary=0"))?;
    let serve = Serve::start_with(manifests.path(), &["--workers", "1"]).await?;
    let ask = async || {
        let mut client = Client::h1(serve.http).await?;
        anyhow::Ok(tokio::spawn(async move { client.ask(front_page()).await }))
    };
    let (mut full, mut answers) = (Vec::new(), Vec::new());
    for _ in 0..CONNECTIONS_MAX {
        answers.push(ask().await?);
        full.push(Full::accept(&stable).await?);
    }
    let waiting = ask().await?;
    let in_flight = (CONNECTIONS_MAX + 1) as f64;
    let all_asked = async {
        let count = "haldane_requests_in_flight";
        while serve.metrics().await?.sum(count, &[]) < in_flight {}
        anyhow::Ok(())
    };
    within("all requests", all_asked).await??;

    let mark = serve.mark();
    manifests.write_objects("objects.json", &objects("stable=0, canary=1"))?;
    serve.generation_after(mark).await?;
    assert!(
        !serve.has_line(mark, "still connecting"),
        "nobody was waited for"
    );
    for connection in &mut full {
        connection.answer().await;
    }
    assert_eq!(waiting.await??.text(), "canary");
    for answer in answers {
        assert_eq!(answer.await??.status, 200);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_attempt_goes_by_the_table_in_force() -> anyhow::Result<()> {
    // the table, the status, the answer, what decided
    let cases = [
        (Table::Flipped, 200, "canary", "failover"),
        (Table::Emptied("failover"), 200, "canary", "failover"),
        (
            Table::Emptied("hold"),
            503,
            "503 Service Unavailable\n",
            "split",
        ),
    ];
    for (table, status, text, by) in cases {
        let colours = Colours::serve().await?;
        let (asking, connecting) = colours.stuck().await?;
        let (stream, _) = colours.stable.request(connecting).await?;
        let mark = colours.install(table).await?;
        colours.serve.generation_after(mark).await?;
        drop(stream);
        let answer = asking.await??;
        assert_eq!(
            (answer.status.as_u16(), &*answer.text()),
            (status, text),
            "{table:?}"
        );
        assert!(colours.stable.is_left_alone(), "{table:?}");
        assert_eq!(colours.charged(by).await?, 1, "{table:?}");
        if let Some(seen) = colours.canary.last() {
            let hops: Vec<_> = seen.headers.get_all("x-forwarded-for").iter().collect();
            assert_eq!(hops, ["127.0.0.1"], "the head is made once");
        }
    }
    Ok(())
}

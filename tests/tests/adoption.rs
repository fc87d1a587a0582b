//! What an acknowledged table means: every request goes by it, also those that were on their way when it came.

use futures_util::FutureExt as _;
use haldane_tests::backend::{Backend, naming};
use haldane_tests::client::{Answer, Client};
use haldane_tests::manifests::{Manifests, SHOP, ingress, pod, service};
use haldane_tests::process::Mark;
use haldane_tests::serve::Serve;
use haldane_tests::shop::front_page;
use haldane_tests::tls::Certificate;
use haldane_tests::within;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// Enough turns through the one worker for it to have looked at everything it was told before.
const TURNS: usize = 8;

/// A backend that lets a connection wait for its TLS handshake as long as the test likes.
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

    /// Goes on with it, and answers what is asked over it; the request, or nothing where the other side closes.
    async fn answer(&self, stream: TcpStream) -> anyhow::Result<String> {
        let mut stream = within("a handshake", self.tls.accept(stream)).await??;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            if within("a request", stream.read_buf(&mut head)).await?? == 0 {
                return Ok(String::new());
            }
        }
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nstable")
            .await?;
        stream.shutdown().await?;
        Ok(String::from_utf8(head)?)
    }

    /// Whether nobody has connected since the last look.
    fn is_left_alone(&self) -> bool {
        self.listener.accept().now_or_never().is_none()
    }
}

/// Two colours behind TLS, of which `stable` is active and hesitates.
struct Colours {
    stable: Hesitant,
    _canary: Backend,
    manifests: Manifests,
    serve: Serve,
}

impl Colours {
    async fn serve() -> anyhow::Result<Self> {
        let certificate = Certificate::of(SHOP)?;
        let stable = Hesitant::start(&certificate).await?;
        let tls = certificate.acceptor(&["http/1.1"])?;
        let canary = Backend::over_tls(naming("canary"), tls).await?;
        let manifests = Manifests::new()?;
        let pods = [
            pod("web", "stable", stable.address()?),
            pod("web", "canary", canary.address()),
        ];
        manifests.write_objects("pods.json", &pods)?;
        activate(&manifests, "stable")?;
        // One worker, so that what one request shows holds for all.
        let serve = Serve::start_with(manifests.path(), &["--workers", "1"]).await?;
        Ok(Self {
            stable,
            _canary: canary,
            manifests,
            serve,
        })
    }

    /// A request that waits for its connection to the old colour.
    async fn stuck(&self) -> anyhow::Result<(JoinHandle<anyhow::Result<Answer>>, TcpStream)> {
        let mut client = Client::h1(self.serve.http).await?;
        let asking = tokio::spawn(async move { client.ask(front_page()).await });
        Ok((asking, self.stable.asked().await?))
    }

    /// Flips, and returns when the worker routes by the new table; what it has printed before is behind the mark.
    async fn flip(&self) -> anyhow::Result<Mark> {
        let mark = self.serve.mark();
        activate(&self.manifests, "canary")?;
        let published = async {
            while self.serve.metrics().await?.sum("haldane_generation", &[]) < 2.0 {}
            anyhow::Ok(())
        };
        within("the new table", published).await??;
        self.only_canary(TURNS).await?;
        Ok(mark)
    }

    async fn only_canary(&self, requests: usize) -> anyhow::Result<()> {
        let mut client = Client::h1(self.serve.http).await?;
        for _ in 0..requests {
            client.ready().await?;
            assert_eq!(client.ask(front_page()).await?.text(), "canary");
        }
        Ok(())
    }
}

fn activate(manifests: &Manifests, colour: &str) -> anyhow::Result<()> {
    let passing = [
        ("haldane.dev/backend-protocol", "HTTPS"),
        ("haldane.dev/proxy-connect-timeout", "60"),
    ];
    let objects = [
        service("web", &[("haldane.dev/active", colour)]),
        ingress("web", &passing, SHOP, "web"),
    ];
    manifests.write_objects("web.json", &objects)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flip_waits_for_a_request_that_is_still_connecting() -> anyhow::Result<()> {
    let colours = Colours::serve().await?;
    let (asking, connecting) = colours.stuck().await?;
    let mark = colours.flip().await?;
    assert!(
        !colours.serve.has_line(mark, "generation "),
        "a request to the old colour is unsent"
    );
    let request = colours.stable.answer(connecting).await?;
    assert!(request.starts_with("GET / "), "{request}");
    assert_eq!(asking.await??.text(), "stable");
    colours.serve.generation_after(mark).await?;
    colours.only_canary(TURNS).await?;
    assert!(colours.stable.is_left_alone());
    Ok(())
}

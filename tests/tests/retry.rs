//! Backends that fail in ways a proxy can hide, and those it must not.

use haldane_tests::backend::Backend;
use haldane_tests::client::{Client, get};
use haldane_tests::manifests::{Manifests, SHOP, shop};
use haldane_tests::scale::scaled;
use haldane_tests::serve::Serve;
use haldane_tests::shop::{assert_none_failed, load, settled};
use http::Method;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nonce";

/// A backend that reads one request head from each connection, writes `answer` and closes, whatever it has promised.
struct Abrupt {
    address: SocketAddr,
    requests: Arc<AtomicU64>,
}

impl Abrupt {
    async fn start(answer: &'static [u8]) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let requests = Arc::new(AtomicU64::new(0));
        let counted = requests.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(Self::serve(stream, counted.clone(), answer));
            }
        });
        Ok(Self { address, requests })
    }

    async fn serve(
        mut stream: TcpStream,
        requests: Arc<AtomicU64>,
        answer: &[u8],
    ) -> std::io::Result<()> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            if stream.read_buf(&mut head).await? == 0 {
                return Ok(());
            }
        }
        requests.fetch_add(1, SeqCst);
        stream.write_all(answer).await
    }
}

async fn serve(
    annotations: &[(&str, &str)],
    pods: &[(&str, SocketAddr)],
) -> anyhow::Result<(Serve, Manifests)> {
    let manifests = Manifests::of(&shop(annotations, pods))?;
    Ok((Serve::start(manifests.path()).await?, manifests))
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_a_backend_closes_cost_no_request() -> anyhow::Result<()> {
    let backend = Abrupt::start(ANSWER).await?;
    let (serve, _manifests) = serve(&[], &[("1.0", backend.address)]).await?;
    let all = scaled(1_000);
    let tally = load(serve.http, 16).requests(all).run().await?;
    assert_none_failed(&tally);
    assert_eq!(
        (tally.of("once"), backend.requests.load(SeqCst)),
        (all, all)
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_refuses_is_ejected_and_costs_no_request() -> anyhow::Result<()> {
    // Bound and not listening: refuses, and keeps its port to itself.
    let refusing = TcpSocket::new_v4()?;
    refusing.bind("127.0.0.1:0".parse()?)?;
    let good = Backend::start("good").await?;
    let pods = [("1.0", refusing.local_addr()?), ("1.0", good.address())];
    let (serve, _manifests) = serve(&[], &pods).await?;
    let tally = load(serve.http, 16).requests(scaled(500)).run().await?;
    assert_none_failed(&tally);
    let metrics = settled(&serve, scaled(500)).await?;
    assert!(metrics.sum("haldane_ejections_total", &[]) >= 1.0);
    assert!(metrics.sum("haldane_endpoints_ejected", &[]) >= 1.0);
    let mut post = get(SHOP, "/");
    *post.method_mut() = Method::POST;
    assert_eq!(Client::h1(serve.http).await?.ask(post).await?.status, 200);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_may_have_been_acted_on_is_sent_once() -> anyhow::Result<()> {
    let backend = Abrupt::start(b"").await?;
    let (serve, _manifests) = serve(&[], &[("1.0", backend.address)]).await?;
    let mut post = get(SHOP, "/");
    *post.method_mut() = Method::POST;
    assert_eq!(Client::h1(serve.http).await?.ask(post).await?.status, 502);
    assert_eq!(backend.requests.load(SeqCst), 1);
    assert_eq!(
        Client::h1(serve.http).await?.get(SHOP, "/").await?.status,
        502
    );
    let gets = backend.requests.load(SeqCst) - 1;
    assert!(
        (2..=3).contains(&gets),
        "a GET is tried again, but not for ever: {gets}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_without_endpoints_hands_over_or_holds() -> anyhow::Result<()> {
    let good = Backend::start("good").await?;
    // on-empty, how many of 100 requests are answered by the version that is there
    for (on_empty, answered) in [("failover", 100), ("hold", 50)] {
        let annotations = [
            ("haldane.dev/weights", "1.0=1, 2.0=1"),
            ("haldane.dev/on-empty", on_empty),
        ];
        let (serve, _manifests) = serve(&annotations, &[("1.0", good.address())]).await?;
        let tally = load(serve.http, 4).requests(100).run().await?;
        assert_eq!(
            (tally.of("good"), tally.failed),
            (answered, 100 - answered),
            "{on_empty}"
        );
        assert!(
            tally
                .failures
                .iter()
                .all(|failure| failure.starts_with("503")),
            "{tally:?}"
        );
        assert_eq!(
            settled(&serve, 100).await?.requests("2.0"),
            50,
            "{on_empty}"
        );
    }
    Ok(())
}

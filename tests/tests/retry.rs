//! Backends that fail in ways a proxy can hide, and those it must not.

use haldane_tests::backend::Backend;
use haldane_tests::client::{Client, get};
use haldane_tests::manifests::{Manifests, SHOP, ingress, shop};
use haldane_tests::scale::scaled;
use haldane_tests::serve::Serve;
use haldane_tests::shop::{assert_none_failed, load, settled};
use haldane_tests::within;
use http::Method;
use serde_json::Value;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

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

/// A backend that answers nobody: requests wait until all are let go, and later ones are not kept waiting.
struct Doomed {
    address: SocketAddr,
    waiting: watch::Receiver<usize>,
    over: watch::Sender<bool>,
}

impl Doomed {
    async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let ((over, ends), (count, waiting)) = (watch::channel(false), watch::channel(0));
        let count = Arc::new(count);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(Self::keep(stream, count.clone(), ends.clone()));
            }
        });
        Ok(Self {
            address,
            waiting,
            over,
        })
    }

    async fn keep(
        mut stream: TcpStream,
        count: Arc<watch::Sender<usize>>,
        mut ends: watch::Receiver<bool>,
    ) -> anyhow::Result<()> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            stream.read_buf(&mut head).await?;
        }
        count.send_modify(|count| *count += 1);
        ends.wait_for(|over| *over).await?;
        Ok(())
    }

    async fn keeps(&mut self, requests: usize) -> anyhow::Result<()> {
        let enough = self.waiting.wait_for(|waiting| *waiting >= requests);
        within("requests to wait", enough).await??;
        Ok(())
    }
}

/// The shop, and a neighbour of whose rule something changes with `version`.
fn with_neighbour(address: SocketAddr, version: usize) -> Vec<Value> {
    let mut objects = shop(&[], &[("1.0", address)]);
    let seconds = (100 + version).to_string();
    let annotations = [("haldane.dev/proxy-connect-timeout", &*seconds)];
    objects.push(ingress("a", &annotations, "neighbour.example.com", "web"));
    objects
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_under_way_by_several_tables_spend_one_budget() -> anyhow::Result<()> {
    const TABLES: usize = 3;
    const REQUESTS: usize = 20;
    let mut doomed = Doomed::start().await?;
    let manifests = Manifests::of(&with_neighbour(doomed.address, 0))?;
    let serve = Serve::start_with(manifests.path(), &["--workers", "1"]).await?;
    let mut asked = JoinSet::new();
    for table in 1..=TABLES {
        for _ in 0..REQUESTS {
            let mut client = Client::h1(serve.http).await?;
            asked.spawn(async move { client.get(SHOP, "/").await });
        }
        doomed.keeps(table * REQUESTS).await?;
        let mark = serve.mark();
        manifests.write_objects("objects.json", &with_neighbour(doomed.address, table))?;
        serve.generation_after(mark).await?;
    }
    doomed.over.send(true)?;
    while let Some(answer) = within("answers", asked.join_next()).await? {
        assert_eq!(answer??.status, 502);
    }
    let retries = settled(&serve, (TABLES * REQUESTS) as u64).await?;
    let retries = retries.sum("haldane_retries_total", &[]);
    // Ten are free, and a fifth of all requests.
    let most = 10.0 + (TABLES * REQUESTS) as f64 / 5.0;
    assert!((10.0..=most).contains(&retries), "{retries}");
    Ok(())
}

//! Connections: how many, for how long, and what is left when they are gone.

use crate::{Bench, closed};
use haldane_tests::backend::Backend;
use haldane_tests::client::{Client, connect, get};
use haldane_tests::frames::{Frames, GOAWAY};
use haldane_tests::manifests::{Manifests, SHOP, ingress, pod, secret, service, with_certificate};
use haldane_tests::scale::scaled;
use haldane_tests::serve::Serve;
use haldane_tests::tls::Certificate;
use haldane_tests::within;

#[tokio::test(flavor = "multi_thread")]
async fn an_old_connection_ends_with_an_answer() -> anyhow::Result<()> {
    let bench = Bench::set(&["--connection-life", "1"]).await?;
    let mut client = Client::h1(bench.serve.http).await?;
    let told = async {
        loop {
            client.ready().await?;
            let answer = client.ask(get(SHOP, "/")).await?;
            anyhow::ensure!(answer.status == 200, "{answer:?}");
            if answer.header("connection") == "close" {
                return Ok(());
            }
        }
    };
    within("the last answer", told).await??;
    let mut frames = Frames::to(bench.serve.http).await?;
    while let Some(frame) = frames.next().await? {
        if frame.kind == GOAWAY {
            assert_eq!(frame.code(), Some(0));
            return Ok(());
        }
    }
    anyhow::bail!("the end was not announced");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_has_so_many_connections_and_who_is_trusted_has_more() -> anyhow::Result<()> {
    let flags = ["--connections-per-address", "2"];
    let bench = Bench::set(&flags).await?;
    let (mut first, mut second) = (
        Client::h1(bench.serve.http).await?,
        Client::h1(bench.serve.http).await?,
    );
    assert_eq!(first.get(SHOP, "/").await?.status, 200);
    assert_eq!(second.get(SHOP, "/").await?.status, 200);
    closed(&mut connect(bench.serve.http).await?).await?;
    assert_eq!(bench.refused("address_full").await?, 1.0);
    drop(first);
    bench.connected(|count| count == 1).await?;
    bench.serves().await?;
    second.ready().await?;
    assert_eq!(second.get(SHOP, "/").await?.status, 200);

    let trusting = Bench::set(&[&flags[..], &["--trusted", "127.0.0.0/8"]].concat()).await?;
    let mut all = Vec::new();
    for _ in 0..3 {
        let mut client = Client::h1(trusting.serve.http).await?;
        assert_eq!(client.get(SHOP, "/").await?.status, 200);
        all.push(client);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn few_descriptors_mean_few_connections_and_none_that_waits() -> anyhow::Result<()> {
    const DESCRIPTORS: usize = 200;
    let backend = Backend::start("good").await?;
    let manifests = Manifests::of(&haldane_tests::manifests::shop(
        &[],
        &[("1.0", backend.address())],
    ))?;
    let serve = Serve::with_descriptors(manifests.path(), &["--workers", "1"], DESCRIPTORS).await?;
    let mut clients = Vec::new();
    for _ in 0..DESCRIPTORS {
        clients.push(connect(serve.http).await?);
    }
    let refused = async {
        loop {
            let metrics = serve.metrics().await?;
            let refused = metrics.sum("haldane_refused_total", &[("reason", "connections_full")]);
            let open = metrics.sum("haldane_connections", &[("listener", "http")]);
            if refused as usize + open as usize == DESCRIPTORS {
                return anyhow::Ok(open as usize);
            }
        }
    };
    assert_eq!(within("all to be judged", refused).await??, DESCRIPTORS / 2);
    let first = clients.swap_remove(0);
    let answer = Client::h1_over(first).await?.get(SHOP, "/").await?;
    assert_eq!(answer.status, 200, "who is in is served");
    let paused = serve
        .errors()
        .into_iter()
        .find(|line| line.contains("pauses"));
    assert_eq!(paused, None);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_come_and_go_leave_nothing() -> anyhow::Result<()> {
    let bench = Bench::set(&[]).await?;
    bench.serves().await?;
    bench.connected(|count| count == 0).await?;
    let before = bench.descriptors()?;
    for _ in 0..scaled(300) {
        bench.serves().await?;
    }
    bench.connected(|count| count == 0).await?;
    let left = async {
        // The connection that asked for metrics may be closing still.
        while bench.descriptors()? > before + 1 {
            tokio::task::yield_now().await;
        }
        anyhow::Ok(())
    };
    within("descriptors to be given back", left).await?
}

/// What connections that were served once and wait cost, by kind.
#[tokio::test(flavor = "multi_thread")]
async fn an_idle_connection_holds_little_memory() -> anyhow::Result<()> {
    const CLEAR: u64 = 30 << 10;
    const TLS: u64 = 60 << 10;
    const SLACK: u64 = 4 << 20;
    let (certificate, backend) = (Certificate::of(SHOP)?, Backend::start("good").await?);
    let (chain, key) = (certificate.pem(), certificate.key_pem());
    let pair = [("tls.crt", &*chain), ("tls.key", &*key)];
    let plain = "plain.example.com";
    let manifests = Manifests::of(&[
        service("web", &[]),
        with_certificate(ingress("web", &[], SHOP, "web"), SHOP, "shop-tls"),
        ingress("plain", &[], plain, "web"),
        secret("shop-tls", "kubernetes.io/tls", &pair),
        pod("web", "1.0", backend.address()),
    ])?;
    let flags = [
        "--workers",
        "1",
        "--https",
        "127.0.0.1:0",
        "--keep-alive",
        "600",
    ];
    let bench = Bench {
        serve: Serve::start_with(manifests.path(), &flags).await?,
        backend,
        _manifests: manifests,
    };
    let https = bench.serve.https.expect("https was asked for");
    let mut open = Vec::new();
    for (tls, each) in [(false, CLEAR), (true, TLS)] {
        let mut before = 0;
        let count = scaled(200);
        for number in 0..=count {
            let mut client = match tls {
                true => certificate.client(https, &["http/1.1"]).await?.0,
                false => Client::h1(bench.serve.http).await?,
            };
            let host = if tls { SHOP } else { plain };
            assert_eq!(client.get(host, "/").await?.status, 200);
            open.push(client);
            if number == 0 {
                before = bench.memory("VmRSS")?;
            }
        }
        let more = bench.memory("VmRSS")?.saturating_sub(before);
        let bound = count * each + SLACK;
        assert!(
            more <= bound,
            "tls: {tls}, {count} connections take {more} bytes"
        );
    }
    assert_eq!(bench.backend.requests(), 2 * (scaled(200) + 1));
    Ok(())
}

//! Heads that never end, and heads that hold too much.

use crate::{Bench, closed, ticks};
use haldane_tests::client::connect;
use haldane_tests::raw::{Pace, Raw};
use haldane_tests::scale::scaled;
use haldane_tests::shop::{assert_none_failed, load};
use std::net::SocketAddr;
use tokio::io::AsyncWriteExt as _;
use tokio::task::JoinSet;

/// How a client fails to ask.
#[derive(Clone, Copy, Debug)]
enum Peer {
    Silent,
    HalfAHead,
    AFieldNowAndThen,
}

const PEERS: [Peer; 3] = [Peer::Silent, Peer::HalfAHead, Peer::AFieldNowAndThen];
/// Of each kind.
const COUNT: u64 = 40;

/// Connects, and returns once the proxy has closed.
async fn ask_badly(proxy: SocketAddr, peer: Peer) -> anyhow::Result<()> {
    let stream = connect(proxy).await?;
    let (mut read, mut write) = stream.into_split();
    if !matches!(peer, Peer::Silent) {
        write.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n").await?;
    }
    let drip = async {
        let mut ticks = ticks();
        loop {
            ticks.tick().await;
            // A proxy that has closed is what is waited for.
            let _ = write.write_all(b"x: y\r\n").await;
        }
    };
    tokio::select! {
        closed = closed(&mut read) => closed,
        () = drip, if matches!(peer, Peer::AFieldNowAndThen) => Ok(()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_ask_is_gone_in_time_and_others_are_served() -> anyhow::Result<()> {
    let bench = Bench::set(&["--head-timeout", "2"]).await?;
    let mut peers = JoinSet::new();
    for peer in PEERS {
        for _ in 0..scaled(COUNT) {
            peers.spawn(ask_badly(bench.serve.http, peer));
        }
    }
    let tally = load(bench.serve.http, 4)
        .requests(scaled(500))
        .run()
        .await?;
    assert_none_failed(&tally);
    while let Some(peer) = peers.join_next().await {
        peer??;
    }
    bench.connected(|count| count == 0).await?;
    bench.serves().await
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_ask_holds_little_memory() -> anyhow::Result<()> {
    /// Tasks are larger where nothing is optimized.
    const EACH: u64 = if cfg!(debug_assertions) { 40 } else { 32 } << 10;
    const SLACK: u64 = 4 << 20;
    let bench = Bench::set(&["--head-timeout", "600"]).await?;
    bench.serves().await?;
    let before = bench.memory("VmRSS")?;
    let count = scaled(300);
    let mut open = Vec::new();
    for _ in 0..count {
        let mut stream = connect(bench.serve.http).await?;
        stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n").await?;
        open.push(stream);
    }
    bench.connected(|open| open >= count).await?;
    let more = bench.memory("VmRSS")?.saturating_sub(before);
    let bound = count * EACH + SLACK;
    assert!(more <= bound, "{count} connections take {more} bytes");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_have_the_bounds_that_flags_set() -> anyhow::Result<()> {
    let flags = [
        "--head-bytes",
        "1024",
        "--head-fields",
        "8",
        "--target-bytes",
        "100",
    ];
    let bench = Bench::set(&flags).await?;
    let get = |path: &str, fields: &str| {
        format!(
            "GET /{path} HTTP/1.1\r\nHost: shop.example.com\r\nConnection: close\r\n{fields}\r\n"
        )
    };
    let field = |bytes: usize| format!("x: {}\r\n", "y".repeat(bytes));
    // the request, its status
    let cases = [
        (get("", &field(100)), 200),
        (get("", &field(1_024)), 431),
        (get("", &field(1).repeat(6)), 200),
        (get("", &field(1).repeat(7)), 431),
        (get(&"x".repeat(99), ""), 200),
        (get(&"x".repeat(100), ""), 414),
    ];
    for (request, status) in cases {
        let mut client = Raw::to(bench.serve.http).await?;
        client.write(request.as_bytes(), Pace::Whole).await;
        let answer = client.read_to_end().await?;
        let begins = format!("HTTP/1.1 {status} ");
        assert!(answer.starts_with(&begins), "{request}: {answer}");
    }
    Ok(())
}

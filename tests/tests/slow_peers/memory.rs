//! A proxy that is short of memory takes on nothing more, and says so.

use crate::Bench;
use haldane_tests::client::Client;
use haldane_tests::client::get;
use haldane_tests::manifests::SHOP;
use haldane_tests::raw::{Pace, Raw};
use haldane_tests::within;

#[tokio::test(flavor = "multi_thread")]
async fn without_memory_requests_are_refused_and_connections_end() -> anyhow::Result<()> {
    // Less than any process has.
    let bench = Bench::set(&["--memory-limit", "1"]).await?;
    let answer = async {
        loop {
            let mut client = Raw::to(bench.serve.http).await?;
            let request = b"GET / HTTP/1.1\r\nHost: shop.example.com\r\n\r\n";
            client.write(request, Pace::Whole).await;
            let answer = client.read_until(|read| read.contains("\r\n\r\n")).await?;
            // The first look may be yet to come.
            if answer.starts_with("HTTP/1.1 503 ") {
                return client.read_to_end().await;
            }
        }
    };
    let answer = within("the first refusal", answer).await??;
    assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
    let before = bench.backend.requests();
    let mut client = Client::h2(bench.serve.http).await?;
    assert_eq!(client.ask(get(SHOP, "/")).await?.status, 503);
    let ended = async {
        while !client.is_closed() {
            tokio::task::yield_now().await;
        }
    };
    within("a GOAWAY", ended).await?;
    assert_eq!(bench.backend.requests(), before);
    assert!(bench.refused("overloaded").await? >= 2.0);
    Ok(())
}

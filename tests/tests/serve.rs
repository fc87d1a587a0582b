//! `haldane serve` and the directory it watches.

use haldane_tests::manifests::Manifests;
use haldane_tests::process::run;
use haldane_tests::scale::scaled;
use haldane_tests::serve::Serve;
use haldane_tests::shop::{Shop, assert_none_failed, load};

const NINETY_TEN: &[(&str, &str)] = &[("haldane.dev/weights", "stable=90, canary=10")];
const HALVES: &[(&str, &str)] = &[("haldane.dev/weights", "stable=1, canary=1")];
const BROKEN: &[(&str, &str)] = &[("haldane.dev/weights", "stable=ninety, canary=10")];

/// Sends `requests` and tells how many the canary got.
async fn canaries(serve: &Serve, requests: u64) -> anyhow::Result<u64> {
    let tally = load(serve.http, 8).requests(requests).run().await?;
    assert_none_failed(&tally);
    Ok(tally.of("canary"))
}

#[tokio::test(flavor = "multi_thread")]
async fn edited_weights_take_effect_without_a_lost_request() -> anyhow::Result<()> {
    let shop = Shop::new(NINETY_TEN).await?;
    let serve = shop.serve().await?;
    let running = load(serve.http, 32).start();
    running.progress(100).await?;
    let mark = serve.mark();
    shop.annotate(HALVES)?;
    let generation = serve.generation_after(mark).await?;
    running.progress(100).await?;
    assert_none_failed(&running.stop().await?);
    let half = scaled(500);
    // The load above left the schedule anywhere, so an even number may still be off by one.
    assert!(canaries(&serve, half * 2).await?.abs_diff(half) <= 1);
    assert_eq!(
        serve.metrics().await?.sum("haldane_generation", &[]) as u64,
        generation
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_file_is_reported_and_changes_nothing() -> anyhow::Result<()> {
    let shop = Shop::new(NINETY_TEN).await?;
    let serve = shop.serve().await?;
    let running = load(serve.http, 8).start();
    let (mark, errors) = (serve.mark(), serve.mark_errors());
    shop.annotate(BROKEN)?;
    let error = serve.error_line(errors, "haldane.dev/weights").await?;
    for part in [
        "web.json",
        "Service shop/web",
        "metadata.annotations[haldane.dev/weights]",
        "ninety",
    ] {
        assert!(error.contains(part), "{part} is not in {error}");
    }
    serve.error_line(errors, "stays").await?;
    running.progress(100).await?;
    let tally = running.stop().await?;
    assert_none_failed(&tally);
    assert!(
        (tally.of("canary") * 10).abs_diff(tally.answered()) < 10,
        "{tally:?}"
    );
    shop.annotate(HALVES)?;
    serve.generation_after(mark).await?;
    assert_eq!(canaries(&serve, 100).await?, 50);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_no_yaml_changes_nothing() -> anyhow::Result<()> {
    let shop = Shop::new(NINETY_TEN).await?;
    let serve = shop.serve().await?;
    let errors = serve.mark_errors();
    shop.manifests.write("more.yaml", "kind: [Ingress\n")?;
    serve.error_line(errors, "more.yaml").await?;
    assert_eq!(canaries(&serve, 100).await?, 10);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_served_from_manifests_that_are_broken_at_the_start() -> anyhow::Result<()> {
    let shop = Shop::new(BROKEN).await?;
    let manifests = shop
        .manifests
        .path()
        .to_str()
        .expect("a temporary path is text");
    let ports = ["--http", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
    let finished = run(["serve", "--manifests", manifests].iter().chain(&ports)).await?;
    assert_eq!(finished.status.code(), Some(1), "{finished:?}");
    assert!(
        finished.stderr.contains("Service shop/web"),
        "{}",
        finished.stderr
    );
    assert!(!finished.stdout.contains("http on"), "{}", finished.stdout);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_host_is_not_found_and_probes_answer() -> anyhow::Result<()> {
    use haldane_tests::client::Client;
    let manifests = Manifests::of(&[])?;
    let serve = Serve::start(manifests.path()).await?;
    let answer = Client::h1(serve.http)
        .await?
        .get("nobody.example.com", "/")
        .await?;
    assert_eq!(answer.status, 404);
    for probe in ["/healthz", "/readyz"] {
        assert_eq!(
            Client::h1(serve.admin)
                .await?
                .get("localhost", probe)
                .await?
                .status,
            200,
            "{probe}"
        );
    }
    Ok(())
}

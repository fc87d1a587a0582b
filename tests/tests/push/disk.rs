//! The table on disk: what a proxy starts with when nobody pushes, and what a bad disk costs.

use crate::controller::Place;
use crate::proxy::Follower;
use crate::table::{Versions, generation};
use haldane_tests::process::Mark;
use haldane_tests::shop::{assert_none_failed, load};
use haldane_tests::within;
use std::time::Instant;

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_restarts_without_a_controller_serves_what_it_served() -> anyhow::Result<()> {
    let (place, versions) = (Place::new()?, Versions::start().await?);
    let state = tempfile::tempdir()?;
    let controller = place.lead(1)?;
    let mut proxy = Follower::start_with_state(&place, state.path()).await?;
    controller.proxies(1).await?;
    controller
        .push(generation(1, 1), &versions.table(1, 0))
        .await?;
    controller
        .push(generation(1, 2), &versions.table(0, 1))
        .await?;
    proxy.saved(2).await?;
    controller.stop().await?;
    proxy.kill().await?;

    let begun = Instant::now();
    let proxy = Follower::start_with_state(&place, state.path()).await?;
    within("it to be ready", async {
        while !proxy.is_ready().await? {}
        anyhow::Ok(())
    })
    .await??;
    println!("ready {:?} after its start", begun.elapsed());
    assert_eq!(proxy.get().await?.text(), "canary");

    // What it holds is not sent again, and what follows builds on it.
    let controller = place.lead(2)?;
    controller.proxies(1).await?;
    let mark = proxy.mark_errors();
    controller
        .push(generation(2, 1), &versions.table(0, 1))
        .await?;
    let line = proxy.error_line(mark, "a table is in force").await?;
    assert!(line.contains("2.1"), "{line}");
    let installed = proxy.metrics().await?.sum("haldane_generation", &[]);
    assert_eq!(installed, 1.0, "the same table is not installed again");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_not_ours_is_said_and_left_out() -> anyhow::Result<()> {
    let (place, versions) = (Place::new()?, Versions::start().await?);
    let state = tempfile::tempdir()?;
    std::fs::write(state.path().join("snapshot"), "someone else's\n{}")?;
    let proxy = Follower::start_with_state(&place, state.path()).await?;
    let line = proxy
        .error_line(Mark::default(), "the table on disk is left out")
        .await?;
    assert!(line.contains("its first line is not ours"), "{line}");
    assert!(state.path().join("snapshot.broken").exists());
    assert!(!proxy.is_ready().await?);
    let controller = place.lead(1)?;
    controller.proxies(1).await?;
    controller
        .push(generation(1, 1), &versions.table(1, 0))
        .await?;
    proxy.saved(1).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_cannot_be_written_costs_no_request() -> anyhow::Result<()> {
    let (place, versions) = (Place::new()?, Versions::start().await?);
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("no-directory");
    std::fs::write(&file, "")?;
    let controller = place.lead(1)?;
    let proxy = Follower::start_with_state(&place, &file).await?;
    controller.proxies(1).await?;
    controller
        .push(generation(1, 1), &versions.table(1, 0))
        .await?;
    let running = load(proxy.http, 4).start();
    running.progress(100).await?;
    controller
        .push(generation(1, 2), &versions.table(0, 1))
        .await?;
    running.progress(100).await?;
    assert_none_failed(&running.stop().await?);
    proxy
        .wait_metrics("the failure to be counted", |metrics| {
            metrics.sum("haldane_push_snapshot_write_errors_total", &[]) >= 1.0
                && metrics.sum("haldane_push_snapshot_stale", &[]) == 1.0
        })
        .await?;
    proxy
        .error_line(Mark::default(), "the table was not written to disk")
        .await?;
    Ok(())
}

//! A system that runs out of something: descriptors, disk.

use crate::stand::{arguments, pods};
use haldane_tests::client::connect;
use haldane_tests::ledger::{Audit, Clients, Ledger, Outcome, Target};
use haldane_tests::manifests::{Manifests, shop};
use haldane_tests::plane::until;
use haldane_tests::scale::scaled;
use haldane_tests::serve::Serve;

#[tokio::test(flavor = "multi_thread")]
async fn f18_a_log_that_cannot_be_written_costs_no_request() -> anyhow::Result<()> {
    let ledger = Ledger::default();
    let target = Target::start(&ledger, "good")?;
    let manifests = Manifests::of(&shop(&[], &pods(&[&target])))?;
    let serve = Serve::start_with(manifests.path(), &arguments("/dev/full")).await?;
    Clients::of(&ledger, &[serve.http]).ask(scaled(500)).await?;
    let failed = ledger.outcomes().into_iter().map(|asked| asked.outcome);
    let failed: Vec<Outcome> = failed.filter(|outcome| !outcome.is_good()).collect();
    assert!(failed.is_empty(), "{failed:?}");
    until("lines that are lost to be counted", || async {
        let metrics = serve.metrics().await?;
        let lost = metrics.sum("haldane_access_log_dropped_total", &[]);
        Ok((lost >= 1.0).then_some(()))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn f20_without_descriptors_who_is_connected_is_served() -> anyhow::Result<()> {
    const DESCRIPTORS: usize = 200;
    let ledger = Ledger::default();
    let target = Target::start(&ledger, "good")?;
    let manifests = Manifests::of(&shop(&[], &pods(&[&target])))?;
    let logs = tempfile::tempdir()?;
    let log = logs.path().join("log");
    let text = log.display().to_string();
    let serve = Serve::with_descriptors(manifests.path(), &arguments(&text), DESCRIPTORS).await?;
    let running = Clients::of(&ledger, &[serve.http]).start();
    running.progress(100).await?;
    for _ in 0..scaled(2) {
        // More than there are, held until the load has been served beside them.
        let mut greedy = Vec::new();
        for _ in 0..DESCRIPTORS {
            greedy.push(connect(serve.http).await?);
        }
        running.progress(200).await?;
        drop(greedy);
        running.progress(100).await?;
    }
    running.stop().await?;
    let audit = Audit::of(&ledger, &[&log]).await?;
    audit.assert_sound();
    audit.assert_none_failed();
    // Who comes afterwards is served as well.
    until("a place", || async {
        let clients = Clients::of(&ledger, &[serve.http]).connections(1, 0);
        clients.ask(1).await?;
        let last = ledger.outcomes().pop();
        Ok(last.filter(|asked| asked.outcome.is_good()).map(drop))
    })
    .await
}

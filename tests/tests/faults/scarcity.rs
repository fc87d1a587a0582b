//! A system that runs out of something: descriptors, disk.

use crate::stand::pods;
use haldane_tests::ledger::{Clients, Ledger, Outcome, Target};
use haldane_tests::manifests::{Manifests, shop};
use haldane_tests::scale::scaled;
use haldane_tests::serve::Serve;

#[tokio::test(flavor = "multi_thread")]
async fn f18_a_log_that_cannot_be_written_costs_no_request() -> anyhow::Result<()> {
    let ledger = Ledger::default();
    let target = Target::start(&ledger, "good")?;
    let manifests = Manifests::of(&shop(&[], &pods(&[&target])))?;
    let args = ["--trusted", "127.0.0.0/8", "--access-log", "/dev/full"];
    let serve = Serve::start_with(manifests.path(), &args).await?;
    Clients::of(&ledger, &[serve.http]).ask(scaled(500)).await?;
    let failed = ledger.outcomes().into_iter().map(|asked| asked.outcome);
    let failed: Vec<Outcome> = failed.filter(|outcome| !outcome.is_good()).collect();
    assert!(failed.is_empty(), "{failed:?}");
    let counted = async {
        while serve
            .metrics()
            .await?
            .sum("haldane_access_log_dropped_total", &[])
            < 1.0
        {}
        anyhow::Ok(())
    };
    haldane_tests::within("lines that are lost to be counted", counted).await?
}

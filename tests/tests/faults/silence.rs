//! Peers that are gone without a word.

use crate::stand::Stand;
use haldane_tests::ledger::{Ledger, Target};
use haldane_tests::manifests::{SHOP, ingress, pod, service};
use haldane_tests::plane::until;
use haldane_tests::scale::scaled;

#[tokio::test(flavor = "multi_thread")]
async fn f15_a_backend_that_loses_its_power_is_found_out() -> anyhow::Result<()> {
    let ledger = Ledger::default();
    let (stays, vanishes) = (Target::start(&ledger, "a")?, Target::start(&ledger, "b")?);
    // A body without a length may be long: that ends with the rule's time, and not before. Longer than the 20 s in which
    // a machine is found out that had confirmed the request.
    let timeout = [("haldane.dev/proxy-read-timeout", "24")];
    let objects = [
        service("web", &[]),
        ingress("web", &timeout, SHOP, "web"),
        pod("web", "1.0", stays.address),
        pod("web", "1.0", vanishes.address),
    ];
    let stand = Stand::of(&ledger, &objects, &[]).await?;
    let running = stand.clients().start();
    running.progress(scaled(200)).await?;
    vanishes.vanish();
    until("its ejection", || async {
        let metrics = stand.serve.metrics().await?;
        let ejected = metrics.sum("haldane_ejections_total", &[]) >= 1.0;
        Ok(ejected.then_some(()))
    })
    .await?;
    running.stop().await?;
    let audit = stand.audit().await?;
    audit.assert_sound();
    audit.assert_no_get_failed();
    audit.assert_none("a POST that is stuck is no 504", |entry| {
        !entry.is_good() && entry.status() != Some(504)
    });
    Ok(())
}

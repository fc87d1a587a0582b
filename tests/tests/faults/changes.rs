//! Tables, shares and certificates that change while requests are under way.

use crate::stand::Stand;
use haldane_tests::client::get;
use haldane_tests::ledger::{Ledger, Play, Running, Target, Then};
use haldane_tests::manifests::{
    Manifests, SHOP, ingress, pod, secret, service, shop, with_certificate,
};
use haldane_tests::process::raise_descriptors;
use haldane_tests::scale::{chance, scaled};
use haldane_tests::serve::Serve;
use haldane_tests::tls::Certificate;
use haldane_tests::{backend, within};
use rand::RngExt as _;
use rand::seq::IndexedRandom as _;
use serde_json::Value;
use std::sync::Arc;

/// Lets requests go on, and sees that none that is begun from now on reaches those that were withdrawn before.
async fn nothing_reaches(
    withdrawn: &[&Target],
    ledger: &Ledger,
    running: &Running,
) -> anyhow::Result<()> {
    let since = ledger.begun();
    running.progress(40).await?;
    let names: Vec<&str> = withdrawn.iter().map(|target| &*target.name).collect();
    let executions = ledger.executions_since(since);
    let late = executions
        .iter()
        .find(|line| names.contains(&&*line.target));
    assert!(late.is_none(), "{late:?} is withdrawn");
    Ok(())
}

/// Endpoints of one version that come and go, however long a run is.
const ENDPOINTS_MAX: u64 = 500;

#[tokio::test(flavor = "multi_thread")]
async fn f05_endpoints_that_come_and_go_cost_nothing() -> anyhow::Result<()> {
    raise_descriptors();
    let (ledger, mut chance) = (Ledger::default(), chance());
    let targets = (0..scaled(6).min(ENDPOINTS_MAX))
        .map(|number| Target::start(&ledger, &format!("backend {number}")));
    let targets = targets.collect::<anyhow::Result<Vec<_>>>()?;
    let all: Vec<&Target> = targets.iter().collect();
    let stand = Stand::before(&ledger, &all).await?;
    let running = stand.clients().start();
    running.progress(40).await?;
    let mut before = all.len();
    for _ in 0..scaled(10) {
        // Always another number of them, so that the table is always another one.
        let counts: Vec<usize> = (1..=all.len()).filter(|count| *count != before).collect();
        before = counts[chance.random_range(0..counts.len())];
        let some: Vec<&Target> = all.sample(&mut chance, before).copied().collect();
        stand.route(&some).await?;
        let is_out = |target: &&&Target| some.iter().all(|one| one.name != target.name);
        let out: Vec<&Target> = all.iter().filter(is_out).copied().collect();
        nothing_reaches(&out, &ledger, &running).await?;
    }
    running.stop().await?;
    let audit = stand.audit().await?;
    audit.assert_sound();
    audit.assert_none_failed();
    Ok(())
}

/// The shop with two versions and these shares.
fn split(weights: &str, stable: &Target, canary: &Target) -> Vec<Value> {
    let pods = [("stable", stable.address), ("canary", canary.address)];
    shop(&[("haldane.dev/weights", weights)], &pods)
}

#[tokio::test(flavor = "multi_thread")]
async fn f28_requests_end_where_they_began_when_shares_change() -> anyhow::Result<()> {
    let ledger = Ledger::default();
    let stable = Target::start(&ledger, "stable")?;
    let canary = Target::start(&ledger, "canary")?;
    let half = split("stable=1, canary=1", &stable, &canary);
    let stand = Stand::of(&ledger, &half, &[]).await?;
    let running = stand.clients().start();
    for _ in 0..scaled(5) {
        running.progress(40).await?;
        stand
            .change(&split("stable=1, canary=0", &stable, &canary))
            .await?;
        nothing_reaches(&[&canary], &ledger, &running).await?;
        stand
            .change(&split("stable=0, canary=1", &stable, &canary))
            .await?;
        nothing_reaches(&[&stable], &ledger, &running).await?;
        stand.change(&half).await?;
    }
    running.stop().await?;
    let audit = stand.audit().await?;
    audit.assert_sound();
    audit.assert_none_failed();
    audit.assert_none("sent twice", |entry| entry.executed.len() != 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn f14_a_version_that_hangs_holds_up_no_other() -> anyhow::Result<()> {
    let ledger = Ledger::default();
    let stable = Target::start(&ledger, "stable")?;
    let stall = Play {
        bytes: Vec::new(),
        then: Then::Stall,
    };
    let canary = Target::with(&ledger, "canary", Arc::new(move |_, _| stall.clone()))?;
    let objects = |weights| {
        let mut objects = split(weights, &stable, &canary);
        let timeout = [("haldane.dev/proxy-read-timeout", "2")];
        objects[1] = ingress("web", &timeout, SHOP, "web");
        objects
    };
    let stand = Stand::of(&ledger, &objects("stable=90, canary=10"), &[]).await?;
    let running = stand.clients().connections(40, 4).start();
    running.progress(scaled(200)).await?;
    stand.change(&objects("stable=100, canary=0")).await?;
    nothing_reaches(&[&canary], &ledger, &running).await?;
    running.progress(scaled(200)).await?;
    running.stop().await?;
    let audit = stand.audit().await?;
    audit.assert_sound();
    audit.assert_none("a request of the good version failed", |entry| {
        let version = entry
            .passed
            .first()
            .and_then(|line| line.version.as_deref());
        version == Some("stable") && !entry.is_good()
    });
    audit.assert_none("a hanging request is no 504", |entry| {
        !entry.is_good() && entry.status() != Some(504)
    });
    assert!(audit.assigned("canary") > 0);
    Ok(())
}

pub(crate) fn with_tls(backend: &backend::Backend, chain: &str, key: &str) -> Vec<Value> {
    let entries = [("tls.crt", chain), ("tls.key", key)];
    vec![
        service("web", &[]),
        with_certificate(ingress("web", &[], SHOP, "web"), SHOP, "shop"),
        secret("shop", "kubernetes.io/tls", &entries),
        pod("web", "1.0", backend.address()),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn f24_certificates_change_and_bad_ones_change_nothing() -> anyhow::Result<()> {
    let backend = backend::Backend::start("good").await?;
    let mut shown = Certificate::of(SHOP)?;
    let manifests = Manifests::of(&with_tls(&backend, &shown.pem(), &shown.key_pem()))?;
    let serve = Serve::start_with(manifests.path(), &["--https", "127.0.0.1:0"]).await?;
    let https = serve.https.expect("it was asked for");
    let (mut kept, _) = shown.client(https, &["http/1.1"]).await?;
    for _ in 0..scaled(3) {
        let next = Certificate::of(SHOP)?;
        let other = Certificate::of(SHOP)?;
        // A chain that is none, and a key of another one: the one before is shown on.
        for (chain, key) in [("no chain", next.key_pem()), (&next.pem(), other.key_pem())] {
            let mark = serve.mark_errors();
            manifests.write_objects("objects.json", &with_tls(&backend, chain, &key))?;
            serve.error_line(mark, "the table in force stays").await?;
            for _ in 0..10 {
                shown.connect(https, &["h2"]).await?;
            }
        }
        let mark = serve.mark();
        let good = with_tls(&backend, &next.pem(), &next.key_pem());
        manifests.write_objects("objects.json", &good)?;
        serve.generation_after(mark).await?;
        for _ in 0..10 {
            next.connect(https, &["h2"]).await?;
        }
        assert!(
            shown.connect(https, &["h2"]).await.is_err(),
            "it is replaced"
        );
        shown = next;
        // Who was connected stays connected.
        let answer = within("an answer", kept.ask(get(SHOP, "/"))).await??;
        assert_eq!(answer.text(), "good");
    }
    Ok(())
}

//! What people say, by annotations: each order is heeded, and seen in status, Events and metrics.

use crate::release::{Release, deploy, ingress, service, until_phase, until_standing};
use anyhow::Context as _;
use haldane_rollout::Phase;
use haldane_tests::cluster::Manifest;
use haldane_tests::plane::{Controller, until};
use k8s_openapi::api::networking::v1::Ingress;
use serde_json::{Value, json};

/// Steps on which nothing happens by itself for an hour.
fn slow() -> Value {
    json!({ "haldane.dev/rollout": "auto", "haldane.dev/steps": "10,100", "haldane.dev/step-interval": "1h" })
}

/// Waits until the controller has counted so many of these.
async fn counted(controller: &Controller, what: &str, count: u64) -> anyhow::Result<()> {
    let label = format!("what=\"{what}\"");
    until(what, || async {
        let metrics = controller.metrics().await?;
        let lines = metrics
            .lines()
            .filter(|line| line.starts_with("haldane_controller_rollout_decisions_total"));
        let line = lines
            .filter(|line| line.contains(&label))
            .find(|line| line.ends_with(&format!(" {count}")));
        Ok(line.map(drop))
    })
    .await
}

pub(crate) async fn every_order_is_heeded_and_told() -> anyhow::Result<()> {
    let (release, controller) = Release::begin("rollout-orders", slow()).await?;
    hold(&release, &controller).await?;
    abort_and_retry(&release, &controller).await?;
    promote_and_roll_back(&release, &controller).await?;
    // What cannot be understood changes nothing, and is told with its field.
    release
        .annotate(json!({ "haldane.dev/steps": "10,5,100" }))
        .await?;
    release
        .told(
            "InvalidAnnotation",
            "metadata.annotations[haldane.dev/steps]",
        )
        .await?;
    served_by(&release, "1").await
}

async fn hold(release: &Release, controller: &Controller) -> anyhow::Result<()> {
    // A freeze and a pause hold what goes up, from the first request on.
    release.annotate(json!({ "haldane.dev/pause": "true", "haldane.dev/freeze": "00:00 - 23:59 UTC; 23:58 - 00:01 UTC" })).await?;
    release.deploy("2", &[]).await?;
    let held = until_standing(controller, "held", "2", |standing| {
        standing.paused && standing.frozen.is_some()
    });
    let held = held.await?;
    anyhow::ensure!(
        held.phase == Phase::Waiting && held.weight == 0.0 && held.frozen_until.is_some(),
        "{held:?}"
    );
    release.told("Paused", "2").await?;
    release.told("Frozen", "nothing goes up").await?;
    release
        .until_status("paused", |status| {
            status["waits"][0] == "paused" && status["weight"] == "0%"
        })
        .await?;
    let only_stable = release.asking(1).times(50).await;
    anyhow::ensure!(
        only_stable.versions().into_keys().eq(["1"]),
        "{only_stable:?}"
    );
    release
        .annotate(json!({ "haldane.dev/pause": null, "haldane.dev/freeze": null }))
        .await?;
    release.told("Resumed", "2").await?;
    release.told("Thawed", "over").await?;
    until_standing(controller, "10 %", "2", |standing| standing.weight == 10.0).await?;
    Ok(())
}

async fn abort_and_retry(release: &Release, controller: &Controller) -> anyhow::Result<()> {
    // Abort, and again.
    release
        .annotate(json!({ "haldane.dev/abort": "2" }))
        .await?;
    until_phase(controller, "2", Phase::Aborted).await?;
    release.told("Aborted", "a person asked for it").await?;
    counted(controller, "Aborted", 1).await?;
    release
        .annotate(json!({ "haldane.dev/abort": null, "haldane.dev/retry": "2" }))
        .await?;
    until_standing(controller, "10 % again", "2", |standing| {
        standing.weight == 10.0
    })
    .await?;
    counted(controller, "RolloutStarted", 2).await?;
    Ok(())
}

async fn promote_and_roll_back(release: &Release, controller: &Controller) -> anyhow::Result<()> {
    // Promote: everything at once, and stable after the soak.
    release.annotate(json!({ "haldane.dev/promote": "2", "haldane.dev/step-interval": "1s", "haldane.dev/retry": null })).await?;
    until_phase(controller, "2", Phase::Promoted).await?;
    release
        .until_status("promoted", |status| status["phase"] == "promoted")
        .await?;
    // And back.
    release
        .annotate(json!({ "haldane.dev/rollback": "2", "haldane.dev/promote": null }))
        .await?;
    until_phase(controller, "2", Phase::Aborted).await?;
    release.told("RolledBack", "1 everything").await?;
    counted(controller, "RolledBack", 1).await?;
    served_by(release, "1").await?;
    Ok(())
}

async fn served_by(release: &Release, version: &str) -> anyhow::Result<()> {
    until(version, || async {
        let asked = release.asking(1).times(20).await;
        Ok(asked.versions().into_keys().eq([version]).then_some(()))
    })
    .await
}

pub(crate) async fn a_canary_ingress_is_released() -> anyhow::Result<()> {
    let (release, controller) = Release::begin("rollout-ingress", json!({})).await?;
    let class = release.cluster().name().to_owned();
    let mut says = slow();
    says["nginx.ingress.kubernetes.io/canary"] = json!("true");
    says["nginx.ingress.kubernetes.io/canary-weight"] = json!("70");
    let mut canary = ingress(&class, "next", &says);
    canary["metadata"]["name"] = json!("web-canary");
    let objects = [service("next", &json!({})), canary];
    let objects: anyhow::Result<Vec<_>> = objects.into_iter().map(Manifest::new).collect();
    release.cluster().apply(&objects?).await?;
    deploy(release.cluster(), "next", "2", &[]).await?;
    let standing =
        until_standing(&controller, "10 %", "2", |standing| standing.weight == 10.0).await?;
    anyhow::ensure!(standing.stable == "1", "{standing:?}");
    let tenth = release.asking(1).times(100).await;
    until("a tenth", || async {
        let asked = release.asking(1).times(40).await;
        Ok((asked.versions().get("2") == Some(&4)).then_some(()))
    })
    .await
    .with_context(|| format!("{tenth:?}"))?;
    let abort = json!({ "haldane.dev/abort": "true" });
    release
        .cluster()
        .annotate::<Ingress>("web-canary", abort)
        .await?;
    until_phase(&controller, "2", Phase::Aborted).await?;
    served_by(&release, "1").await
}

//! What becomes of an aborted version's pods where `on-abort` asks for more than no requests.

use crate::release::{Release, deploy_as, until_phase};
use haldane_rollout::Phase;
use haldane_tests::plane::until;
use k8s_openapi::api::apps::v1::Deployment;
use serde_json::{Value, json};

fn says(on_abort: &str) -> Value {
    json!({
        "haldane.dev/rollout": "auto", "haldane.dev/steps": "10,100", "haldane.dev/step-interval": "1h",
        "haldane.dev/on-abort": on_abort,
    })
}

pub(crate) async fn an_aborted_version_is_scaled_down_or_undone() -> anyhow::Result<()> {
    let begun = Release::begin_with(
        "rollout-cleanup",
        says("scale-down"),
        &["--on-abort-writes"],
    );
    let (release, controller) = begun.await?;
    let load = release.load(50);
    release.deploy("2", &["--fail-every", "1"]).await?;
    until_phase(&controller, "2", Phase::Aborted).await?;
    release
        .told("CleanedUp", "Deployment web-2 is scaled to 0")
        .await?;
    let replicas = of(&release, "web-2", |spec| spec.replicas).await?;
    anyhow::ensure!(replicas == Some(0), "{replicas:?}");

    // A Deployment whose next revision is another version: its first is known and gets nothing.
    release
        .annotate(json!({ "haldane.dev/on-abort": "undo", "haldane.dev/pause": "true" }))
        .await?;
    deploy_as(release.cluster(), "web-next", "web", "3", &[]).await?;
    release.told("RolloutStarted", "3 is released").await?;
    deploy_as(
        release.cluster(),
        "web-next",
        "web",
        "4",
        &["--fail-every", "1"],
    )
    .await?;
    release.told("RolloutStarted", "4 is released").await?;
    release
        .annotate(json!({ "haldane.dev/pause": null }))
        .await?;
    until_phase(&controller, "4", Phase::Aborted).await?;
    release
        .told("CleanedUp", "Deployment web-next has the template")
        .await?;
    until("version 3 alone", || async {
        let template = of(&release, "web-next", |spec| {
            spec.template.metadata?.labels?.remove("version")
        });
        Ok((template.await?.as_deref() == Some("3")).then_some(()))
    })
    .await?;
    until_phase(&controller, "4", Phase::Aborted).await?;
    load.stop().await?;
    let after = release.asking(1).times(50).await;
    anyhow::ensure!(after.versions().into_keys().eq(["1"]), "{after:?}");
    Ok(())
}

/// Something of a Deployment.
async fn of<T>(
    release: &Release,
    name: &str,
    what: impl FnOnce(k8s_openapi::api::apps::v1::DeploymentSpec) -> Option<T>,
) -> anyhow::Result<Option<T>> {
    let found = release.cluster().api::<Deployment>().get(name).await?;
    Ok(found.spec.and_then(what))
}

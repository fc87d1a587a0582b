//! A controller that is killed at every step in turn: another goes on where it was, and nothing is skipped.

use crate::release::{Release, report, until_standing};
use haldane_rollout::Phase;
use haldane_tests::plane::until;
use serde_json::json;

pub(crate) async fn a_controller_that_is_killed_changes_nothing() -> anyhow::Result<()> {
    let annotations = json!({
        "haldane.dev/rollout": "auto",
        "haldane.dev/steps": "20,50,100",
        "haldane.dev/step-interval": "2s",
        "haldane.dev/min-requests": "20",
        "haldane.dev/tolerance": "errors<5%",
        "haldane.dev/margin": "errors<10%",
    });
    let (release, mut controller) = Release::begin("rollout-crash", annotations).await?;
    let load = release.load(200);
    release.deploy("2", &[]).await?;
    let mut seen = Vec::new();
    // Each state that is written: killed as soon as it is seen.
    while seen.last() != Some(&(Phase::Promoted, 2)) {
        let next = until_standing(&controller, "the next state", "2", |standing| {
            seen.last() < Some(&(standing.phase, standing.step))
        });
        let next = next.await?;
        seen.push((next.phase, next.step));
        controller.kill().await?;
        controller = release.plane.controller(0).await?;
        let again = until("what was written", || async {
            Ok(report(&controller).await?.and_then(|report| report.rollout))
        });
        let again = again.await?;
        anyhow::ensure!(
            (again.phase, again.step) >= (next.phase, next.step),
            "{again:?} after {next:?}"
        );
        let (before, after) = (next.canary_figures.requests, again.canary_figures.requests);
        anyhow::ensure!(
            again.step > next.step || after >= before || again.phase > next.phase,
            "{before} became {after}"
        );
    }
    let last = until_standing(&controller, "the end", "2", |standing| {
        standing.phase == Phase::Promoted
    })
    .await?;
    let shares: Vec<_> = last
        .history
        .iter()
        .map(|step| step.share.to_string())
        .collect();
    anyhow::ensure!(shares == ["0%", "20%", "50%", "100%", "100%"], "{shares:?}");
    let all = load.stop().await?;
    let failed = all
        .all()
        .iter()
        .filter(|asked| asked.version().is_none())
        .count();
    anyhow::ensure!(failed == 0, "{failed} requests failed");
    println!("killed at {seen:?}");
    Ok(())
}

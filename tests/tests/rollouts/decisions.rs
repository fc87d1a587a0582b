//! What is decided when nobody says anything: from `kubectl apply` of a new Deployment to the end.

use crate::release::{Release, until_phase, until_standing};
use haldane_rollout::{Phase, Reason};
use haldane_tests::plane::until;
use haldane_tests::scale::scaled;
use serde_json::json;
use std::time::Duration;

/// Steps of 10 % and 50 %, a second or so each. Slack enough that forty canary requests of each decide beyond doubt.
fn quick() -> serde_json::Value {
    json!({
        "haldane.dev/rollout": "auto",
        "haldane.dev/steps": "10,50,100",
        "haldane.dev/step-interval": "1s",
        "haldane.dev/min-requests": "20",
        "haldane.dev/tolerance": "errors<1%",
        "haldane.dev/margin": "errors<2%",
    })
}

pub(crate) async fn a_good_release_is_promoted_and_a_bad_one_aborted() -> anyhow::Result<()> {
    let (release, controller) = Release::begin("rollout-auto", quick()).await?;
    let load = release.load(300);
    release.deploy("2", &[]).await?;
    let good = until_phase(&controller, "2", Phase::Promoted).await?;
    anyhow::ensure!(good.canary_figures.errors == 0, "{good:?}");
    let weights: Vec<_> = good
        .history
        .iter()
        .map(|step| step.share.to_string())
        .collect();
    anyhow::ensure!(
        weights == ["0%", "10%", "50%", "100%", "100%"],
        "{weights:?}"
    );
    release
        .told("Promoted", "2 is the stable version now")
        .await?;
    release.deploy("3", &["--fail-every", "33"]).await?;
    let bad = until_phase(&controller, "3", Phase::Aborted).await?;
    anyhow::ensure!(bad.stable == "2" && bad.weight == 0.0, "{bad:?}");
    let note = release.told("Aborted", "errors: canary").await?;
    anyhow::ensure!(
        note.contains("3 gets nothing any more, 2 everything"),
        "{note}"
    );
    release
        .until_status("aborted", |status| status["phase"] == "aborted")
        .await?;
    // Whatever was asked before it was off was answered by somebody; from now on only by the good one.
    let all = load.stop().await?;
    let after = release.asking(1).times(100).await;
    anyhow::ensure!(after.versions().into_keys().eq(["2"]), "{after:?}");
    println!(
        "{} answers, of each version {:?}",
        all.all().len(),
        all.versions()
    );
    Ok(())
}

pub(crate) async fn a_total_outage_is_off_within_seconds() -> anyhow::Result<()> {
    let steps = json!({ "haldane.dev/rollout": "auto", "haldane.dev/steps": "5,100", "haldane.dev/step-interval": "1h" });
    let (release, controller) = Release::begin("rollout-outage", steps).await?;
    let mut took = Vec::new();
    for run in 0..scaled(1) {
        let version = format!("{}", run + 2);
        let load = release.load(20);
        release.deploy(&version, &["--fail-every", "1"]).await?;
        let aborted = until_phase(&controller, &version, Phase::Aborted).await?;
        let last = aborted.history.last();
        anyhow::ensure!(
            last.is_some_and(|last| last.why.contains("the canary is worse")),
            "{aborted:?}"
        );
        load.more(40).await?;
        let all = load.stop().await?;
        let bad: Vec<_> = all
            .all()
            .iter()
            .filter(|asked| asked.version().is_none())
            .collect();
        let (Some(first), Some(last)) = (bad.first(), bad.last()) else {
            anyhow::bail!("nobody saw the outage");
        };
        took.push(last.known - first.known);
    }
    took.sort_unstable();
    let median: Duration = took[took.len() / 2];
    println!("off after {took:.1?}, median {median:.1?}");
    Ok(())
}

pub(crate) async fn what_fails_fast_beside_what_fails_slowly_is_not_blamed() -> anyhow::Result<()> {
    let steps = json!({ "haldane.dev/rollout": "auto", "haldane.dev/steps": "10,100", "haldane.dev/step-interval": "1h" });
    let (release, controller) = Release::begin("rollout-order", steps).await?;
    // Both fail for the same reason, stable after its timeout.
    let slow = [
        "--fail-every",
        "1",
        "--slow-every",
        "1",
        "--slow-ms",
        "4000",
    ];
    release.deploy("1", &slow).await?;
    until("the outage", || async {
        let asked = release.asking(1).times(2).await;
        Ok((asked.all().iter().all(|asked| asked.version().is_none())).then_some(()))
    })
    .await?;
    let load = release.load(50);
    release.deploy("2", &["--fail-every", "1"]).await?;
    let known = until_standing(&controller, "both outages", "2", |standing| {
        standing.phase == Phase::Aborted
            || standing.canary_figures.errors >= 20 && standing.stable_figures.errors >= 20
    });
    let known = known.await?;
    anyhow::ensure!(known.phase == Phase::Climbing, "{known:?}");
    load.stop().await?;
    Ok(())
}

pub(crate) async fn a_slow_release_is_caught_and_the_threshold_named() -> anyhow::Result<()> {
    let mut annotations = quick();
    annotations["haldane.dev/latency"] = json!("p99<100ms");
    annotations["haldane.dev/step-interval"] = json!("1h");
    let (release, controller) = Release::begin("rollout-slow", annotations).await?;
    let load = release.load(300);
    release
        .deploy("2", &["--slow-every", "10", "--slow-ms", "400"])
        .await?;
    let slow = until_phase(&controller, "2", Phase::Aborted).await?;
    anyhow::ensure!(slow.canary_figures.errors == 0, "{slow:?}");
    release.told("Aborted", "p99<100ms: canary").await?;
    load.stop().await?;
    Ok(())
}

pub(crate) async fn without_traffic_it_waits_and_says_for_what() -> anyhow::Result<()> {
    let (release, controller) = Release::begin("rollout-idle", quick()).await?;
    release.deploy("2", &[]).await?;
    let missing = Reason::TooFewRequests {
        seen: 0,
        needed: 20,
    };
    let waits = until_standing(&controller, "the reason", "2", |standing| {
        standing.decision.reasons == [missing.clone()]
    });
    let waits = waits.await?;
    anyhow::ensure!(
        waits.weight == 10.0 && waits.evidence.missing.is_some(),
        "{waits:?}"
    );
    let is_so = |status: &serde_json::Value| status["waits"] == json!(["too-few-requests"]);
    release.until_status("what it waits for", is_so).await
}

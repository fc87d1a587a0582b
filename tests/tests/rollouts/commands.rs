//! What people type: each command is heeded by the controller, which the command itself waits for.

use crate::release::{Release, until_standing};
use haldane_tests::program;
use haldane_tests::within;
use serde_json::{Value, json};
use std::process::Stdio;
use tokio::process::Command;

pub(crate) async fn every_command_is_heeded() -> anyhow::Result<()> {
    let says = json!({
        "haldane.dev/rollout": "auto", "haldane.dev/steps": "10,100", "haldane.dev/step-interval": "1h",
    });
    let (release, controller) = Release::begin("rollout-commands", says).await?;
    release.deploy("2", &[]).await?;
    until_standing(&controller, "10 %", "2", |standing| standing.weight == 10.0).await?;
    // What is typed, and the Event that tells that it was heeded.
    let lines = [
        ("pause", "Paused"),
        ("resume", "Resumed"),
        ("abort", "Aborted"),
        ("retry", "RolloutStarted"),
    ];
    for (typed, event) in lines {
        heeded(&release, typed).await?;
        release.told(event, "2").await?;
    }
    // A second time, in the other form of the order.
    until_standing(&controller, "10 %", "2", |standing| standing.weight == 10.0).await?;
    heeded(&release, "abort").await?;
    heeded(&release, "retry").await?;
    heeded(&release, "promote").await?;
    let short = json!({ "haldane.dev/step-interval": "1s" });
    release.annotate(short).await?;
    release.told("Promoted", "2").await?;
    let promoted = |status: &Value| status["phase"] == "promoted";
    release.until_status("promoted", promoted).await?;
    heeded(&release, "rollback").await?;
    release.told("RolledBack", "1").await?;
    Ok(())
}

/// Types `haldane ORDER NAMESPACE/web --wait`.
async fn heeded(release: &Release, order: &str) -> anyhow::Result<()> {
    let object = format!("{}/web", release.cluster().name());
    let mut command = Command::new(program::beside_bed("haldane"));
    command.args([
        order,
        &object,
        "--wait",
        "--timeout",
        "25s",
        "--output",
        "json",
    ]);
    command.stdin(Stdio::null()).kill_on_drop(true);
    let output = within(order, command.output()).await??;
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(output.status.success(), "{order}: {said}{errors}");
    let document: Value = serde_json::from_slice(&output.stdout)?;
    anyhow::ensure!(document["heeded"] == true, "{order}: {said}");
    Ok(())
}

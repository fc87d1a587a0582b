//! h2spec, which has a case for each requirement of RFC 7540 and RFC 7541 that a client can try out.

use super::front::{Front, HOST};
use super::{Case, junit, output, waived};
use anyhow::Context as _;
use haldane_bed::programs::built;
use std::net::SocketAddr;
use std::path::Path;
use tokio::process::Command;

/// In clear. Over TLS nothing is waived.
const WAIVED: &str = include_str!("h2spec.waived");

/// Fewer, and it did not do what it is there for.
const CASES_MIN: usize = 140;

/// Seconds for an answer to come. It waits so long only for what does not come.
const PATIENCE: &str = "10";

async fn run(program: &Path, address: SocketAddr, over_tls: bool) -> anyhow::Result<Vec<Case>> {
    let folder = tempfile::tempdir()?;
    let report = folder.path().join("report.xml");
    let mut command = Command::new(program);
    command
        .args(["--strict", "--host", HOST, "--timeout", PATIENCE])
        .args(["--port", &address.port().to_string()])
        .arg("--junit-report")
        .arg(&report);
    if over_tls {
        command.args(["--tls", "--insecure"]);
    }
    let output = output(&mut command).await?;
    let printed = || String::from_utf8_lossy(&output.stdout).into_owned();
    let report = std::fs::read_to_string(report).with_context(printed)?;
    Ok(junit::cases(&report))
}

async fn check(over_tls: bool) -> anyhow::Result<()> {
    let Some(program) = built("h2spec") else {
        println!("no h2spec, so it is not asked: run `tests/bed/build h2spec` (needs Go 1.26)");
        return Ok(());
    };
    let front = Front::set().await?;
    let (address, may_fail) = if over_tls {
        (front.https(), "")
    } else {
        (front.http(), WAIVED)
    };
    let cases = run(&program, address, over_tls).await?;
    assert!(cases.len() >= CASES_MIN, "only {} cases", cases.len());
    let faults = waived::faults(may_fail, &cases);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    println!("h2spec: {} cases", cases.len());
    front.assert_sound();
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn h2spec_finds_no_fault_in_clear() -> anyhow::Result<()> {
    check(false).await
}

#[tokio::test(flavor = "multi_thread")]
async fn h2spec_finds_no_fault_over_tls() -> anyhow::Result<()> {
    check(true).await
}

//! httpwg, which has a case for each requirement of RFC 9113 that a client can try out.

use super::front::Front;
use super::{Case, on_path, output, waived};
use std::net::SocketAddr;
use std::path::Path;
use tokio::process::Command;

const WAIVED: &str = include_str!("httpwg.waived");

/// Fewer, and it did not do what it is there for.
const CASES_MIN: usize = 100;

/// Its frame lacks END_HEADERS and none follows, so a server may wait for the rest (RFC 9113, section 6.6). Whether that
/// passes differs from run to run.
const UNSTEADY: &str = "client sends push promise frame";

/// Milliseconds for a frame to come. It waits so long only for what does not come. Less than a head may take, so that the
/// end of a connection whose head never ends is not taken for an answer.
const PATIENCE: &str = "5000";

/// How much of a failure's explanation is enough.
const WHY_BYTES: usize = 300;

async fn run(program: &Path, address: SocketAddr) -> anyhow::Result<Vec<Case>> {
    let mut command = Command::new(program);
    command
        .args(["--address", &address.to_string()])
        .args(["--connect-timeout", PATIENCE, "--frame-timeout", PATIENCE])
        .env("RUST_LOG", "off");
    let output = output(&mut command).await?;
    Ok(cases(&String::from_utf8_lossy(&output.stderr)))
}

/// What it prints has a line for each case, and behind that of a failed one why.
fn cases(printed: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for line in printed.lines() {
        if let Some((_, name)) = line.split_once("Test passed: ") {
            let (name, failure) = (name.to_owned(), None);
            cases.push(Case { name, failure });
        } else if let Some((_, name)) = line.split_once("Test failed: ") {
            let (name, failure) = (name.to_owned(), Some(String::new()));
            cases.push(Case { name, failure });
        } else if let Some(Case {
            failure: Some(why), ..
        }) = cases.last_mut()
            && why.len() < WHY_BYTES
        {
            why.push_str(line.trim());
            why.push(' ');
        }
    }
    cases
}

#[tokio::test(flavor = "multi_thread")]
async fn httpwg_finds_no_fault_in_clear() -> anyhow::Result<()> {
    let Some(program) = on_path("httpwg") else {
        println!("no httpwg, so it is not asked: run `cargo install --locked httpwg-cli`");
        return Ok(());
    };
    let front = Front::set().await?;
    let mut cases = run(&program, front.http()).await?;
    cases.retain(|case| !case.name.ends_with(UNSTEADY));
    assert!(cases.len() >= CASES_MIN, "only {} cases", cases.len());
    let faults = waived::faults(WAIVED, &cases);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    println!("httpwg: {} cases", cases.len());
    front.assert_sound();
    Ok(())
}

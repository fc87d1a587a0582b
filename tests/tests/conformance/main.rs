//! Suites of others that judge servers of HTTP/2, run against `haldane serve`: second opinions by people who read the
//! standard without knowing our code.
//!
//! A suite runs where its program is; elsewhere the test says how to get it and passes. What may fail is written down
//! beside this file, case by case with the reason (`*.waived`), and such a list can only shrink: a case on it that passes
//! fails the test.

mod front;
mod h2spec;
mod httpwg;
mod junit;
mod waived;

use std::path::PathBuf;
use std::process::Output;
use std::time::Duration;
use tokio::process::Command;

/// Many times as long as any of the suites takes.
const SUITE_MAX: Duration = Duration::from_secs(300);

/// What a suite says of one of its cases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Case {
    /// The suite's own name for it.
    pub(crate) name: String,
    /// Why it failed, where it did.
    pub(crate) failure: Option<String>,
}

/// Runs a suite to its end.
async fn output(command: &mut Command) -> anyhow::Result<Output> {
    let ran = tokio::time::timeout(SUITE_MAX, command.kill_on_drop(true).output());
    Ok(ran.await??)
}

/// The program of this name in one of the folders that programs are in.
fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&path).map(|folder| folder.join(name));
    places.into_iter().find(|program| program.is_file())
}

//! Haldane's executables, built once for each test binary with the profile that the tests were built with.

use anyhow::Context as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// Where the executable is. `HALDANE_BIN` names one that is built already, with the others beside it.
///
/// # Panics
/// When it cannot be built.
pub fn haldane() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| match std::env::var_os("HALDANE_BIN") {
        Some(given) => given.into(),
        None => build(&["haldane"], "haldane").expect("haldane builds"),
    })
}

/// Where `haldane-proxy` is.
///
/// # Panics
/// When it cannot be built.
pub fn proxy() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let build = || build(&["haldane-proxy"], "haldane-proxy").expect("haldane-proxy builds");
    BUILT.get_or_init(build)
}

/// Where `haldane-bed` is, with all programs that its pods run beside it.
///
/// # Panics
/// When one cannot be built.
pub fn bed() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let packages = [
        "haldane-bed",
        "haldane",
        "haldane-proxy",
        "haldane-controller",
    ];
    BUILT.get_or_init(|| match std::env::var_os("HALDANE_BIN") {
        Some(given) => Path::new(&given).with_file_name("haldane-bed"),
        None => build(&packages, "haldane-bed").expect("the programs build"),
    })
}

/// Where the program of this name is, one of those that a bed's pods run.
///
/// # Panics
/// When one cannot be built.
pub fn beside_bed(name: &str) -> PathBuf {
    bed().with_file_name(name)
}

/// Builds the programs of `packages`; where the one called `wanted` is.
fn build(packages: &[&str], wanted: &str) -> anyhow::Result<PathBuf> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["build", "--quiet", "--bins"])
        .args(packages.iter().flat_map(|package| ["--package", package]))
        .args(["--message-format", "json-render-diagnostics"])
        .stderr(Stdio::inherit());
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    let output = command.output().context("running cargo")?;
    anyhow::ensure!(output.status.success(), "cargo build: {}", output.status);
    let messages = String::from_utf8(output.stdout)?;
    let mut executables = messages.lines().filter_map(executable);
    executables
        .find(|path| path.file_stem().is_some_and(|name| name == wanted))
        .context("cargo named no executable")
}

fn executable(message: &str) -> Option<PathBuf> {
    let message: serde_json::Value = serde_json::from_str(message).ok()?;
    Some(message["executable"].as_str()?.into())
}

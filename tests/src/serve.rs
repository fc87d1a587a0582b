//! `haldane serve`, running.

use crate::client::Client;
use crate::metrics::Metrics;
use crate::process::{Mark, Process};
use crate::program::haldane;
use anyhow::Context as _;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::ops::{Deref, DerefMut};
use std::path::Path;

/// A served directory of manifests.
pub struct Serve {
    process: Process,
    /// Where HTTP is served.
    pub http: SocketAddr,
    /// Where HTTPS is served, if asked for.
    pub https: Option<SocketAddr>,
    /// Where metrics are served.
    pub admin: SocketAddr,
}

impl Serve {
    /// Serves `manifests` on free ports and waits until the first table is in force.
    ///
    /// # Errors
    /// When nothing is served in time.
    pub async fn start(manifests: &Path) -> anyhow::Result<Self> {
        Self::start_with(manifests, &[]).await
    }

    /// As [`Serve::start`], with further arguments; `--https` gets a free port from `127.0.0.1:0`.
    ///
    /// # Errors
    /// As [`Serve::start`].
    pub async fn start_with(manifests: &Path, more: &[&str]) -> anyhow::Result<Self> {
        Self::start_at("127.0.0.1:0", manifests, more).await
    }

    /// As [`Serve::start_with`], with HTTP at an address of the caller's: one that another one still has, or had.
    ///
    /// # Errors
    /// As [`Serve::start`].
    pub async fn start_at(http: &str, manifests: &Path, more: &[&str]) -> anyhow::Result<Self> {
        let args = arguments(http, manifests, more);
        Self::announced_by(Process::start(args)?).await
    }

    /// As [`Serve::start_with`], with so many descriptors that the process may have.
    ///
    /// # Errors
    /// As [`Serve::start`].
    pub async fn with_descriptors(
        manifests: &Path,
        more: &[&str],
        descriptors: usize,
    ) -> anyhow::Result<Self> {
        let script = format!("ulimit -n {descriptors} && exec \"$0\" \"$@\"");
        let shell: [OsString; 3] = ["-c".into(), script.into(), haldane().into()];
        let args = shell
            .into_iter()
            .chain(arguments("127.0.0.1:0", manifests, more));
        Self::announced_by(Process::start_program(Path::new("sh"), args)?).await
    }

    async fn announced_by(process: Process) -> anyhow::Result<Self> {
        process.line(Mark::default(), "generation ").await?;
        let lines = process.stdout();
        Ok(Self {
            http: address(&lines, "http on ").context("no http address")?,
            https: address(&lines, "https on "),
            admin: address(&lines, "admin on ").context("no admin address")?,
            process,
        })
    }

    /// Waits until a table newer than `mark` is in force; its generation.
    ///
    /// # Errors
    /// When none is in time.
    pub async fn generation_after(&self, mark: Mark) -> anyhow::Result<u64> {
        let line = self.line(mark, "generation ").await?;
        let number = line.split([' ', ':']).nth(1).context("a number")?;
        Ok(number.parse()?)
    }

    /// Its metrics now.
    ///
    /// # Errors
    /// When they are not served.
    pub async fn metrics(&self) -> anyhow::Result<Metrics> {
        let answer = Client::h1(self.admin)
            .await?
            .get("localhost", "/metrics")
            .await?;
        Metrics::parse(&answer.text())
    }
}

impl Deref for Serve {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.process
    }
}

impl DerefMut for Serve {
    fn deref_mut(&mut self) -> &mut Process {
        &mut self.process
    }
}

fn arguments(http: &str, manifests: &Path, more: &[&str]) -> Vec<OsString> {
    let mut args: Vec<OsString> = vec!["serve".into(), "--manifests".into(), manifests.into()];
    args.extend(["--http", http, "--admin", "127.0.0.1:0"].map(OsString::from));
    args.extend(more.iter().map(OsString::from));
    args
}

fn address(lines: &[String], prefix: &str) -> Option<SocketAddr> {
    let found = lines.iter().find_map(|line| line.strip_prefix(prefix))?;
    found.trim().parse().ok()
}

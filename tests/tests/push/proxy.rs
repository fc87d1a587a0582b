//! `haldane-proxy` processes that follow a controller.

use crate::controller::Place;
use haldane_tests::authority::{Files, PROXY};
use haldane_tests::client::{Answer, Client};
use haldane_tests::manifests::SHOP;
use haldane_tests::metrics::Metrics;
use haldane_tests::process::{Mark, Process};
use haldane_tests::{program, within};
use std::ffi::OsString;
use std::net::SocketAddr;
use std::ops::{Deref, DerefMut};
use std::path::Path;

/// A proxy that follows.
pub(crate) struct Follower {
    process: Process,
    pub(crate) files: Files,
    pub(crate) http: SocketAddr,
    pub(crate) admin: SocketAddr,
}

impl Follower {
    /// One with good credentials that may reach the backends of the test.
    pub(crate) async fn start(place: &Place, more: &[&str]) -> anyhow::Result<Self> {
        let credentials = place.authority.credentials(PROXY, &place.authority)?;
        let more = [&["--allow-loopback-endpoints"], more].concat();
        Self::start_as(place, Files::of(&credentials)?, &more).await
    }

    /// The same, with a directory for its tables.
    pub(crate) async fn start_with_state(place: &Place, state: &Path) -> anyhow::Result<Self> {
        let state = format!("--state={}", state.display());
        Self::start(place, &[&state]).await
    }

    pub(crate) async fn start_as(
        place: &Place,
        files: Files,
        more: &[&str],
    ) -> anyhow::Result<Self> {
        Self::start_at("127.0.0.1:0", place, files, more).await
    }

    /// One that serves clients at an address of the caller's.
    pub(crate) async fn start_at(
        http: &str,
        place: &Place,
        files: Files,
        more: &[&str],
    ) -> anyhow::Result<Self> {
        let path = |flag: &str, name| {
            let mut argument = OsString::from(flag);
            argument.push(files.path(name));
            argument
        };
        let mut args: Vec<OsString> = vec![
            path("--push-cert=", "tls.crt"),
            path("--push-key=", "tls.key"),
            path("--push-ca=", "ca.crt"),
            format!("--controller=https://{}", place.address).into(),
            format!("--http={http}").into(),
        ];
        args.extend(
            [
                "--controller-name=haldane-controller.haldane.svc",
                "--name=haldane/proxy-0",
                "--admin=127.0.0.1:0",
                "--workers=2",
            ]
            .map(OsString::from),
        );
        args.extend(more.iter().map(OsString::from));
        let process = Process::start_program(program::proxy(), args)?;
        Ok(Self {
            http: address(&process, "http on ").await?,
            admin: address(&process, "admin on ").await?,
            process,
            files,
        })
    }

    pub(crate) async fn get(&self) -> anyhow::Result<Answer> {
        Client::h1(self.http).await?.get(SHOP, "/").await
    }

    pub(crate) async fn metrics(&self) -> anyhow::Result<Metrics> {
        let mut client = Client::h1(self.admin).await?;
        Metrics::parse(&client.get("localhost", "/metrics").await?.text())
    }

    pub(crate) async fn is_ready(&self) -> anyhow::Result<bool> {
        let mut client = Client::h1(self.admin).await?;
        let answer = client.get("localhost", "/readyz").await?;
        Ok(answer.status.is_success())
    }

    /// Waits until this is so of its metrics.
    pub(crate) async fn wait_metrics(
        &self,
        what: &str,
        is_so: impl Fn(&Metrics) -> bool,
    ) -> anyhow::Result<()> {
        let waited = async {
            while !is_so(&self.metrics().await?) {}
            Ok(())
        };
        within(what, waited).await?
    }

    /// Waits until the table in force is on disk.
    pub(crate) async fn saved(&self, number: u64) -> anyhow::Result<()> {
        self.wait_metrics("the table to be on disk", |metrics| {
            metrics.sum("haldane_push_number", &[]) as u64 == number
                && metrics.sum("haldane_push_snapshot_stale", &[]) == 0.0
        })
        .await
    }
}

impl Deref for Follower {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.process
    }
}

impl DerefMut for Follower {
    fn deref_mut(&mut self) -> &mut Process {
        &mut self.process
    }
}

async fn address(process: &Process, prefix: &str) -> anyhow::Result<SocketAddr> {
    let line = process.line(Mark::default(), prefix).await?;
    Ok(line.trim_start_matches(prefix).trim().parse()?)
}

//! A controller as a process.

use super::{HELD, PUSH_PORT, Plane, until, until_long};
use crate::client::Client;
use crate::process::{Mark, Process, Signal};
use crate::program;
use anyhow::Context as _;
use haldane_rollout::report::Rollouts;
use serde_json::Value;
use std::ffi::OsString;
use std::net::SocketAddr;

/// How many waits a controller may take to have listed the largest cluster that is tested.
const LISTING_WAITS: u32 = 4;

/// A running controller. It is killed with this value.
pub struct Controller {
    process: Process,
    admin: SocketAddr,
}

impl Plane {
    /// Starts the controller of a number (from 0) and waits until it has listed everything.
    ///
    /// # Errors
    /// When it is not ready in time.
    pub async fn controller(&self, number: u8) -> anyhow::Result<Controller> {
        let program = program::beside_bed("haldane-controller");
        let process = Process::start_program(&program, self.controller_args(number)?)?;
        let admin = process.line(Mark::default(), "admin on ").await?;
        let admin = admin.trim_start_matches("admin on ").parse()?;
        let controller = Controller { process, admin };
        until_long("the lists", LISTING_WAITS, || controller.ready()).await?;
        Ok(controller)
    }

    fn controller_args(&self, number: u8) -> anyhow::Result<Vec<OsString>> {
        let push = SocketAddr::new(self.controller_address(number), PUSH_PORT);
        let name = self.cluster.name();
        let kubeconfig = std::env::var_os("KUBECONFIG").context("a cluster")?;
        let mut args: Vec<OsString> = vec!["--push".into(), push.to_string().into()];
        let identity = format!("controller-{number}");
        let texts = [
            ("--class", name),
            ("--lease-namespace", name),
            ("--identity", &identity),
            ("--admin", "127.0.0.1:0"),
            ("--webhook-allow", "127.0.0.0/8"),
            ("--held-config-map", HELD),
        ];
        args.extend(
            texts
                .iter()
                .flat_map(|(flag, text)| [(*flag).into(), (*text).into()]),
        );
        let files = [
            ("--push-cert", "controller.crt"),
            ("--push-key", "controller.key"),
            ("--push-client-ca", "ca.crt"),
        ];
        args.extend(
            files
                .iter()
                .flat_map(|(flag, file)| [(*flag).into(), self.file(file).into()]),
        );
        args.extend(
            self.namespaces
                .iter()
                .flat_map(|name| ["--namespace".into(), name.into()]),
        );
        args.extend(self.flags.iter().map(OsString::from));
        args.extend(["--kubeconfig".into(), kubeconfig]);
        Ok(args)
    }
}

impl Controller {
    /// What it says of itself.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn status(&self) -> anyhow::Result<Value> {
        let answer = Client::h1(self.admin)
            .await?
            .get("localhost", "/status")
            .await?;
        Ok(serde_json::from_slice(&answer.body)?)
    }

    /// Where all rollouts stand.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn rollouts(&self) -> anyhow::Result<Rollouts> {
        let answer = Client::h1(self.admin)
            .await?
            .get("localhost", "/rollouts")
            .await?;
        Ok(serde_json::from_slice(&answer.body)?)
    }

    /// What it counts, as Prometheus reads it.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn metrics(&self) -> anyhow::Result<String> {
        let answer = Client::h1(self.admin)
            .await?
            .get("localhost", "/metrics")
            .await?;
        Ok(answer.text())
    }

    /// Waits until it leads, or does not.
    ///
    /// # Errors
    /// When the time is up.
    pub async fn until_leads(&self, leads: bool) -> anyhow::Result<()> {
        until("leadership", || async {
            Ok((self.status().await?["leader"] == leads).then_some(()))
        })
        .await
    }

    /// Waits until it leads and every connected proxy has its newest table.
    ///
    /// # Errors
    /// When the time is up.
    pub async fn until_live(&self) -> anyhow::Result<()> {
        until("its table to be live", || async {
            let status = self.status().await?;
            let generation = &status["generation"];
            Ok((generation.is_string() && *generation == status["live"]).then_some(()))
        })
        .await
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// When it has ended.
    pub fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        self.process.signal(signal)
    }

    /// Kills it and waits until it is gone.
    ///
    /// # Errors
    /// When it has ended before.
    pub async fn kill(mut self) -> anyhow::Result<()> {
        self.process.kill().await
    }

    /// The memory that it has now, and the most it ever had, in bytes.
    ///
    /// # Errors
    /// When it has ended.
    pub fn memory(&self) -> anyhow::Result<(u64, u64)> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id()?))?;
        Ok((memory(&status, "VmRSS:")?, memory(&status, "VmHWM:")?))
    }

    async fn ready(&self) -> anyhow::Result<Option<()>> {
        let answer = Client::h1(self.admin)
            .await?
            .get("localhost", "/readyz")
            .await;
        let answer = answer.with_context(|| self.process.printed())?;
        Ok((answer.status == 200).then_some(()))
    }
}

/// A line of `/proc/PID/status`, which are in KiB.
fn memory(status: &str, name: &str) -> anyhow::Result<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.trim().strip_suffix(" kB"));
    Ok(number
        .context("the kernel says so")?
        .trim()
        .parse::<u64>()?
        * 1024)
}

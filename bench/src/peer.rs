//! The proxies that are compared: how each is found, configured and started. All get the same
//! task: one core, the same hosts and paths, keep-alive to the backends, the forwarding headers
//! `X-Forwarded-For`, `X-Forwarded-Proto` and `X-Real-IP`, and no access log.

mod envoy;
mod haldane;
mod haproxy;
mod kind;
mod nginx;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tempfile::TempDir;

use crate::case::{CASES, Case, Stage};
use crate::load::Load;
use crate::pace::Pace;
use crate::process::{Process, free_address};
use crate::user::{Certificate, Plan, Target};
pub(crate) use kind::Kind;

/// How long a peer may take to give its first right answer: long tables take long to read.
const READY_WAIT_MAX: Duration = Duration::from_secs(120);

/// How often a starting peer is asked.
const READY_LOOK_EVERY: Duration = Duration::from_millis(20);

/// Connections that a peer must be able to hold: those of the largest case, and some to spare.
const CLIENTS_MAX: u32 = 12_000;

/// New tables in a second, of [`Stage::Swaps`].
const SWAPS_PER_SECOND: u32 = 100;

/// What every peer is told to do.
pub(crate) struct Task {
    /// The core that peers run on.
    pub(crate) core: usize,
    /// The versions behind every peer; those that cannot split use the first.
    pub(crate) versions: Vec<Version>,
    /// What peers show over TLS.
    pub(crate) certificate: Arc<Certificate>,
    /// The Haldane to measure.
    pub(crate) haldane: PathBuf,
}

/// A backend and its share.
pub(crate) struct Version {
    /// What it is called in bodies and configurations.
    pub(crate) name: &'static str,
    /// Where it answers in HTTP/1.1.
    pub(crate) http: SocketAddr,
    /// Where it answers gRPC calls, in HTTP/2 in clear.
    pub(crate) grpc: SocketAddr,
    /// Its part of all weights.
    pub(crate) weight: u32,
}

/// Where one peer listens and what it may write.
struct Site {
    target: Target,
    admin: SocketAddr,
    scratch: PathBuf,
    /// Certificate and key in one file.
    certificate: PathBuf,
}

/// A running proxy; dropping it ends it.
pub(crate) struct Peer {
    /// Which proxy.
    pub(crate) kind: Kind,
    /// What it is set up with.
    pub(crate) stage: Stage,
    /// Where it takes requests.
    pub(crate) target: Target,
    /// Where Haldane serves its metrics; nothing listens there for the others.
    pub(crate) admin: SocketAddr,
    /// Its process.
    pub(crate) process: Process,
    // After the process, so that it goes when nobody writes to it any more.
    _scratch: TempDir,
}

impl Peer {
    /// Starts a peer and waits for its first right answer.
    ///
    /// # Errors
    /// If it cannot be started or does not answer rightly in time; its log is in the message.
    pub(crate) async fn start(kind: Kind, stage: Stage, task: &Task) -> anyhow::Result<Peer> {
        let scratch = TempDir::with_prefix("haldane-bench-")?;
        let site = Site {
            target: Target {
                http: free_address()?,
                https: free_address()?,
            },
            admin: free_address()?,
            scratch: scratch.path().to_owned(),
            certificate: scratch.path().join("shop.pem"),
        };
        let certificate = &task.certificate;
        std::fs::write(
            &site.certificate,
            [&certificate.pem[..], &certificate.key_pem].concat(),
        )?;
        let command = command(kind, stage, task, &site)?;
        let process = Process::start(task.core, &command, &scratch.path().join("log"))?;
        let mut peer = Peer {
            kind,
            stage,
            target: site.target,
            admin: site.admin,
            process,
            _scratch: scratch,
        };
        peer.wait_until_ready(task).await?;
        Ok(peer)
    }

    async fn wait_until_ready(&mut self, task: &Task) -> anyhow::Result<()> {
        let deadline = Instant::now() + READY_WAIT_MAX;
        let case = CASES.iter().find(|case| case.stage == self.stage);
        let plan = task.plan(case.context("a stage without a case")?, self.target);
        while let Err(error) = answers_once(&plan).await {
            if Instant::now() > deadline || self.process.has_ended() {
                let log = self.process.log_tail();
                return Err(error.context(format!(
                    "{} does not work, it printed [{log}]",
                    self.kind.name()
                )));
            }
            tokio::time::sleep(READY_LOOK_EVERY).await;
        }
        Ok(())
    }
}

/// Writes the configuration and says what to run.
fn command(kind: Kind, stage: Stage, task: &Task, site: &Site) -> anyhow::Result<Vec<OsString>> {
    let program = match stage {
        Stage::Still | Stage::Swaps => std::env::current_exe().ok(),
        Stage::Shop | Stage::Crowd | Stage::Table | Stage::Paths => kind.program(&task.haldane),
    };
    let arguments = match (kind, stage) {
        (_, Stage::Still) => swapping(task, site, None),
        (_, Stage::Swaps) => swapping(task, site, Some(SWAPS_PER_SECOND)),
        (Kind::Haldane, _) => haldane::configure(task, stage, site)?,
        (Kind::Nginx, _) => nginx::configure(task, stage, site)?,
        (Kind::Haproxy, _) => haproxy::configure(task, stage, site)?,
        (Kind::Envoy, _) => envoy::configure(task, stage, site)?,
        (Kind::Pingora | Kind::Relay | Kind::BareHyper, _) => own(kind, task, site),
    };
    let program = program.context("not installed")?.into_os_string();
    Ok([program].into_iter().chain(arguments).collect())
}

fn own(kind: Kind, task: &Task, site: &Site) -> Vec<OsString> {
    let (listen, to) = (
        site.target.http.to_string(),
        task.versions[0].http.to_string(),
    );
    let way = ["--listen", &listen, "--to", &to];
    let name = match kind {
        Kind::Pingora => None,
        _ => Some(kind.name()),
    };
    name.into_iter().chain(way).map(OsString::from).collect()
}

fn swapping(task: &Task, site: &Site, per_second: Option<u32>) -> Vec<OsString> {
    let (listen, to) = (
        site.target.http.to_string(),
        task.versions[0].http.to_string(),
    );
    let admin = site.admin.to_string();
    let fixed = [
        "swapping", "--listen", &listen, "--admin", &admin, "--to", &to,
    ];
    let mut arguments: Vec<OsString> = fixed.map(OsString::from).into();
    if let Some(per_second) = per_second {
        arguments.extend(["--per-second".into(), per_second.to_string().into()]);
    }
    arguments
}

impl Task {
    /// The versions and their weights.
    pub(crate) fn weights(&self) -> Vec<(&'static str, u32)> {
        let versions = self.versions.iter();
        versions
            .map(|version| (version.name, version.weight))
            .collect()
    }

    /// What clients of `case` do at `target`.
    pub(crate) fn plan(&self, case: &'static Case, target: Target) -> Arc<Plan> {
        let names: Vec<&str> = self.versions.iter().map(|version| version.name).collect();
        Plan::new(case, target, self.certificate.clone(), &names)
    }
}

/// Asks once, over a connection of its own.
///
/// # Errors
/// If there is no right answer.
pub(crate) async fn answers_once(plan: &Arc<Plan>) -> anyhow::Result<()> {
    Load::connect(plan, 1).await?.send(1, Pace::Closed).await?;
    Ok(())
}

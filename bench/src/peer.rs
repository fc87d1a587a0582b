//! The proxies that are compared: how each is found, configured and started. All get the same
//! task: one core, one host and path, keep-alive to the backends, the forwarding headers
//! `X-Forwarded-For`, `X-Forwarded-Proto` and `X-Real-IP`, and no access log.

mod haldane;
mod haproxy;
mod nginx;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::ValueEnum;
use serde::Serialize;
use tempfile::TempDir;

use crate::load::Load;
use crate::process::{Process, find_program, free_address};

/// How long a peer may take to give its first right answer.
const READY_WAIT_MAX: Duration = Duration::from_secs(15);

/// How often a starting peer is asked.
const READY_LOOK_EVERY: Duration = Duration::from_millis(20);

/// A proxy that can be measured.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// Ours.
    Haldane,
    /// The yardstick.
    Nginx,
    /// HAProxy.
    Haproxy,
    /// A relay that parses nothing: the floor.
    Relay,
    /// A bare hyper server and client pool.
    BareHyper,
}

/// What every peer is told to do.
pub(crate) struct Task {
    /// The core that peers run on.
    pub(crate) core: usize,
    /// The versions behind every peer; those that cannot split use the first.
    pub(crate) versions: Vec<Version>,
    /// The Haldane to measure.
    pub(crate) haldane: PathBuf,
}

/// A backend and its share.
pub(crate) struct Version {
    /// What it is called in bodies and configurations.
    pub(crate) name: &'static str,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// Its part of all weights.
    pub(crate) weight: u32,
}

/// Where one peer listens and what it may write.
struct Site {
    http: SocketAddr,
    admin: SocketAddr,
    scratch: PathBuf,
}

/// A running proxy; dropping it ends it.
pub(crate) struct Peer {
    /// Which proxy.
    pub(crate) kind: Kind,
    /// Where it takes requests.
    pub(crate) address: SocketAddr,
    /// Where Haldane serves its metrics; nothing listens there for the others.
    pub(crate) admin: SocketAddr,
    /// Its process.
    pub(crate) process: Process,
    // After the process, so that it goes when nobody writes to it any more.
    _scratch: TempDir,
}

impl Kind {
    /// The name to print and to type.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Haldane => "haldane",
            Kind::Nginx => "nginx",
            Kind::Haproxy => "haproxy",
            Kind::Relay => "relay",
            Kind::BareHyper => "bare-hyper",
        }
    }

    /// The program to run, or none if it is not installed.
    pub(crate) fn program(self, task: &Task) -> Option<PathBuf> {
        match self {
            Kind::Haldane => task.haldane.is_file().then(|| task.haldane.clone()),
            Kind::Nginx => find_program("nginx"),
            Kind::Haproxy => find_program("haproxy"),
            Kind::Relay | Kind::BareHyper => std::env::current_exe().ok(),
        }
    }

    /// How to get the program where it is missing.
    pub(crate) fn remedy(self) -> &'static str {
        match self {
            Kind::Haldane => "cargo build --release --package haldane, or --haldane PATH",
            Kind::Nginx | Kind::Haproxy => "apt-get install nginx-light haproxy",
            Kind::Relay | Kind::BareHyper => "it is part of haldane-bench",
        }
    }

    /// The option that makes the program print its version.
    pub(crate) fn version_option(self) -> &'static str {
        match self {
            Kind::Nginx | Kind::Haproxy => "-v",
            Kind::Haldane | Kind::Relay | Kind::BareHyper => "--version",
        }
    }

    /// Writes the configuration and says what to run.
    fn command(self, task: &Task, site: &Site) -> anyhow::Result<Vec<OsString>> {
        let mut command = vec![
            self.program(task)
                .context("not installed")?
                .into_os_string(),
        ];
        command.extend(match self {
            Kind::Haldane => haldane::configure(task, site)?,
            Kind::Nginx => nginx::configure(task, site)?,
            Kind::Haproxy => haproxy::configure(task, site)?,
            Kind::Relay | Kind::BareHyper => self.own_arguments(task, site),
        });
        Ok(command)
    }

    fn own_arguments(self, task: &Task, site: &Site) -> Vec<OsString> {
        let (listen, to) = (site.http.to_string(), task.versions[0].address.to_string());
        [self.name(), "--listen", &listen, "--to", &to]
            .map(OsString::from)
            .into()
    }
}

impl Peer {
    /// Starts a peer and waits for its first right answer.
    ///
    /// # Errors
    /// If it cannot be started or does not answer rightly in time; its log is in the message.
    pub(crate) async fn start(kind: Kind, task: &Task) -> anyhow::Result<Peer> {
        let scratch = TempDir::with_prefix("haldane-bench-")?;
        let site = Site {
            http: free_address()?,
            admin: free_address()?,
            scratch: scratch.path().to_owned(),
        };
        let command = kind.command(task, &site)?;
        let process = Process::start(task.core, &command, &scratch.path().join("log"))?;
        let (address, admin) = (site.http, site.admin);
        let mut peer = Peer {
            kind,
            address,
            admin,
            process,
            _scratch: scratch,
        };
        peer.wait_until_ready(&task.version_names()).await?;
        Ok(peer)
    }

    async fn wait_until_ready(&mut self, versions: &[String]) -> anyhow::Result<()> {
        let deadline = Instant::now() + READY_WAIT_MAX;
        while let Err(error) = answers_once(self.address, versions).await {
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

impl Task {
    /// The names of the versions, in order.
    pub(crate) fn version_names(&self) -> Vec<String> {
        self.versions
            .iter()
            .map(|version| version.name.to_owned())
            .collect()
    }
}

/// Asks once, over a connection of its own.
///
/// # Errors
/// If there is no right answer.
pub(crate) async fn answers_once(to: SocketAddr, versions: &[String]) -> anyhow::Result<()> {
    Load::connect(to, 1).await?.send(1, versions).await?;
    Ok(())
}

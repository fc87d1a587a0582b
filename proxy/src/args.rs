//! What `haldane-proxy` is told on its command line.

use anyhow::Context as _;
use clap::Parser;
use haldane_proxy::follow::{Follow, Target};
use haldane_proxy::{Config, Flags};
use std::path::PathBuf;

/// Haldane's data plane: routes by the tables of a controller, or by one in a file.
#[derive(Debug, Parser)]
#[command(version, about)]
pub(crate) struct Args {
    /// A table as JSON, instead of a controller's.
    #[arg(
        long,
        conflicts_with = "controller",
        required_unless_present = "controller"
    )]
    pub(crate) table: Option<PathBuf>,
    #[command(flatten)]
    push: PushArgs,
    #[command(flatten)]
    pub(crate) flags: Flags,
    /// Endpoints of a controller's tables may be on loopback: for tests on one machine.
    #[arg(long)]
    allow_loopback_endpoints: bool,
}

/// Where tables come from, and how both sides prove who they are.
#[derive(Debug, clap::Args)]
struct PushArgs {
    /// The controller to follow, as https://HOST:PORT; every address of the host is tried.
    #[arg(long, requires_all = ["push_cert", "push_key", "push_ca", "name"])]
    controller: Option<Target>,
    /// The name that the controller's certificate must have; the host's where not given.
    #[arg(long, requires = "controller")]
    controller_name: Option<String>,
    /// Our certificate for the controller, as PEM; read anew at each connection.
    #[arg(long, requires = "controller")]
    push_cert: Option<PathBuf>,
    /// Its key, as PEM.
    #[arg(long, requires = "controller")]
    push_key: Option<PathBuf>,
    /// The authorities that the controller's certificate comes from, as PEM.
    #[arg(long, requires = "controller")]
    push_ca: Option<PathBuf>,
    /// A directory for the last table, to start from when no controller is there.
    #[arg(long, requires = "controller")]
    state: Option<PathBuf>,
    /// Our name in the controller's status, such as NAMESPACE/POD.
    #[arg(long, requires = "controller")]
    name: Option<String>,
}

impl Args {
    /// What the proxy is started with.
    pub(crate) fn config(&self) -> anyhow::Result<Config> {
        Ok(Config {
            // A table of one's own may name one's own machine; nobody in a cluster has a backend there.
            allow_loopback_endpoints: self.table.is_some() || self.allow_loopback_endpoints,
            ..self.flags.config()?
        })
    }

    /// The controller to follow, if there is one.
    pub(crate) fn follow(&self) -> anyhow::Result<Option<Follow>> {
        let push = &self.push;
        let Some(target) = push.controller.clone() else {
            return Ok(None);
        };
        let target = match &push.controller_name {
            Some(name) => target.named(name)?,
            None => target,
        };
        Ok(Some(Follow {
            target,
            certificate: given(&push.push_cert, "--push-cert")?,
            key: given(&push.push_key, "--push-key")?,
            authorities: given(&push.push_ca, "--push-ca")?,
            state: push.state.clone(),
            name: given(&push.name, "--name")?,
        }))
    }
}

fn given<T: Clone>(argument: &Option<T>, name: &str) -> anyhow::Result<T> {
    let given = argument.clone();
    given.with_context(|| format!("--controller needs {name}"))
}

//! `haldane echo`: backends that answer with their own name and version, for trying manifests out without a cluster.
//! It plays the pods; it never routes anything.

mod answer;
mod find;
mod grpc;
mod server;
mod websocket;

pub(crate) use server::{Backend, Faults, Identity};

use crate::load::{self, Source};
use crate::signals::Signals;
use anyhow::Context as _;
use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Arguments of `haldane echo`.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("where").required(true).args(["manifests", "listen"]))]
pub(crate) struct Args {
    /// Files and directories of manifests: a backend listens at every loopback endpoint in them.
    #[arg(long, num_args = 1..)]
    manifests: Vec<PathBuf>,
    #[command(flatten)]
    source: Source,
    /// One backend, at this address.
    #[arg(long)]
    listen: Option<SocketAddr>,
    /// The name that the backend at `--listen` answers with.
    #[arg(long, default_value = "echo", requires = "listen")]
    name: String,
    /// The version that the backend at `--listen` answers with.
    #[arg(long, default_value = "1.0", requires = "listen")]
    version: String,
    /// The backend at `--listen` answers every so many requests with 500.
    #[arg(long, requires = "listen")]
    fail_every: Option<NonZeroU64>,
    /// The backend at `--listen` takes its time over every so many requests.
    #[arg(long, requires = "listen")]
    slow_every: Option<NonZeroU64>,
    /// How much time, in milliseconds.
    #[arg(long, default_value = "250", requires = "slow_every", value_parser = clap::value_parser!(u64).range(..=60_000))]
    slow_ms: u64,
}

/// Answers until a signal, then tells what each backend served.
pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let wanted = wanted(args)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(serve(wanted))
}

fn wanted(args: &Args) -> anyhow::Result<Vec<(SocketAddr, Identity)>> {
    if let Some(address) = args.listen {
        let mut identity = Identity::new(&args.name, &args.version);
        identity.faults = Faults {
            fail_every: args.fail_every,
            slow_every: args.slow_every,
            slow_by: Duration::from_millis(args.slow_ms),
        };
        return Ok(vec![(address, identity)]);
    }
    let loaded = load::load(&args.manifests, &args.source);
    loaded
        .problems
        .iter()
        .for_each(|problem| eprintln!("{problem}"));
    let found = find::loopback_endpoints(&loaded.table, &find::pod_names(&args.manifests));
    anyhow::ensure!(
        !found.is_empty(),
        "the manifests have no endpoint on a loopback address"
    );
    Ok(found)
}

async fn serve(wanted: Vec<(SocketAddr, Identity)>) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::listen()?;
    let mut backends = Vec::new();
    for (address, identity) in wanted {
        let backend = Backend::start(address, identity).await;
        backends.push(backend.with_context(|| format!("listening on {address}"))?);
    }
    for backend in &backends {
        let Identity { name, version, .. } = backend.identity();
        println!("{name} version={version} on {}", backend.address());
    }
    signals.next().await;
    // All at once: each waits for requests in flight.
    let stopping: Vec<_> = backends
        .into_iter()
        .map(|backend| tokio::spawn(stop(backend)))
        .collect();
    for told in stopping {
        println!("{}", told.await?);
    }
    Ok(ExitCode::SUCCESS)
}

async fn stop(backend: Backend) -> String {
    let Identity { name, version, .. } = backend.identity().clone();
    format!("{name} version={version} requests={}", backend.stop().await)
}

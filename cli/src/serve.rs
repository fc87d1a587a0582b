//! `haldane serve`: controller and proxy in one process, from manifests in a directory.

use crate::load::{self, Source};
use crate::output::counted;
use crate::reload::Reload;
use crate::signals::Signals;
use haldane_proxy::{Flags, Proxy, obey_hang_ups};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// Arguments of `haldane serve`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Files and directories of manifests; watched.
    #[arg(long, required = true, num_args = 1..)]
    manifests: Vec<PathBuf>,
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    proxy: Flags,
}

/// Serves until a signal, then finishes what is in flight.
pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(serve(args))
}

async fn serve(args: Args) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::listen()?;
    let seed = rand::random();
    let loaded = load::load(&args.manifests, &args.source);
    for problem in &loaded.problems {
        eprintln!("{problem}");
    }
    anyhow::ensure!(
        !loaded.has_errors(),
        "the manifests have errors; nothing is served"
    );
    let table = load::build(&loaded.table, None, seed)?;
    let proxy = Arc::new(Proxy::start(args.proxy.config()?)?);
    obey_hang_ups(&proxy)?;
    let rules = table.rules().len();
    let generation = proxy.install(Arc::new(table)).await?;
    announce(&proxy, rules, generation.0);
    let reload = Reload::watch(args.manifests.clone(), args.source.clone(), seed, loaded)?;
    tokio::select! {
        ended = reload.run(&proxy) => ended?,
        () = signals.next() => {}
        part = proxy.lost() => anyhow::bail!("{part} ended by a fault"),
    }
    stop(&proxy, &mut signals, args.proxy.grace()).await;
    Ok(ExitCode::SUCCESS)
}

fn announce(proxy: &Proxy, rules: usize, generation: u64) {
    let listeners = [
        ("http", proxy.http_address()),
        ("https", proxy.https_address()),
        ("admin", proxy.admin_address()),
    ];
    for (name, address) in listeners {
        if let Some(address) = address {
            println!("{name} on {address}");
        }
    }
    let rules = counted(rules, "rule");
    println!("generation {generation}: {rules} in force");
}

/// A second signal cuts what the first lets finish.
async fn stop(proxy: &Proxy, signals: &mut Signals, grace: Duration) {
    println!("draining for at most {} s", grace.as_secs());
    tokio::select! {
        () = proxy.drain(grace) => println!("drained"),
        () = signals.next() => println!("cut"),
    }
}

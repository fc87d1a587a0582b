//! `haldane-proxy`: the data plane alone, routing by a table in a file.

use anyhow::Context as _;
use clap::Parser;
use haldane_proxy::{Flags, Proxy};
use haldane_routing::Table;
use haldane_routing::spec::TableSpec;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::signal::unix::{SignalKind, signal};

/// Every request allocates a dozen small things and frees them on the thread that made them, which this allocator is made for.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Haldane's data plane, routing by a table in a file.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Args {
    /// The table, as JSON.
    #[arg(long)]
    table: PathBuf,
    #[command(flatten)]
    flags: Flags,
}

fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .init();
    let args = Args::parse();
    let table = read(&args.table)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(serve(args, table))
}

fn read(path: &PathBuf) -> anyhow::Result<Table> {
    let text = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    let spec: TableSpec =
        serde_json::from_slice(&text).with_context(|| format!("parsing {}", path.display()))?;
    Table::build(&spec, None, rand::random()).map_err(|faults| {
        let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
        anyhow::anyhow!("{}:\n{}", path.display(), lines.join("\n"))
    })
}

async fn serve(args: Args, table: Table) -> anyhow::Result<()> {
    let (mut terminate, mut interrupt) = (
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
    );
    let proxy = Proxy::start(args.flags.config()?)?;
    proxy.install(Arc::new(table)).await?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tokio::select! {
        () = proxy.drain(args.flags.grace()) => {}
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

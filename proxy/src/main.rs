//! `haldane-proxy`: the data plane alone, routing by a controller's tables or by one in a file.

mod args;

use anyhow::Context as _;
use args::Args;
use clap::Parser as _;
use haldane_proxy::follow::Following;
use haldane_proxy::{Proxy, obey_hang_ups};
use haldane_routing::Table;
use haldane_routing::spec::TableSpec;
use std::path::Path;
use std::sync::Arc;
use tokio::signal::unix::{SignalKind, signal};

/// Fast for a dozen small things that each request allocates and frees on one thread, and it gives back what a flood took within
/// seconds: a proxy that holds on to it would go on refusing requests (`haldane_proxy::limits`).
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .init();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(serve(Args::parse()))
}

async fn serve(args: Args) -> anyhow::Result<()> {
    let (mut terminate, mut interrupt) = (
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
    );
    let table = args.table.as_deref().map(read).transpose()?;
    let proxy = Arc::new(Proxy::start(args.config()?)?);
    obey_hang_ups(&proxy)?;
    announce(&proxy);
    // Followed to the end: backends move while requests are finished, too.
    let _following = route(&args, &proxy, table).await?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        part = proxy.lost() => anyhow::bail!("{part} ended by a fault"),
    }
    tokio::select! {
        () = proxy.drain(args.flags.grace()) => {}
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

/// Puts the table in force, or follows whoever has one.
async fn route(
    args: &Args,
    proxy: &Arc<Proxy>,
    table: Option<Table>,
) -> anyhow::Result<Option<Following>> {
    if let Some(table) = table {
        proxy.install(Arc::new(table)).await?;
    }
    let follow = args.follow()?;
    let following = follow.map(|follow| follow.start(proxy.clone()));
    Ok(following.transpose()?)
}

fn read(path: &Path) -> anyhow::Result<Table> {
    let text = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    let spec: TableSpec =
        serde_json::from_slice(&text).with_context(|| format!("parsing {}", path.display()))?;
    Table::build(&spec, None, rand::random()).map_err(|faults| {
        let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
        anyhow::anyhow!("{}:\n{}", path.display(), lines.join("\n"))
    })
}

fn announce(proxy: &Proxy) {
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
}

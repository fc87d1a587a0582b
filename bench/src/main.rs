//! `haldane-bench`: what one request costs through Haldane and through its peers, measured side by
//! side on one core each. It never measures Haldane by any door that the peers do not have.

mod answer;
mod backend;
mod bare_hyper;
mod case;
mod compare;
mod contest;
mod counted;
mod cpu;
mod load;
mod pace;
mod peer;
mod plot;
mod process;
mod relay;
mod report;
mod rounds;
mod summary;
mod swapping;
mod user;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// That of Haldane's own programs, so that [`swapping`] costs what they cost.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[derive(Parser)]
#[command(
    version,
    about = "Measures what a request costs through Haldane and through its peers"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run all peers in alternating rounds and print them side by side.
    Compare(compare::Options),
    /// The server behind every peer.
    Backend {
        /// Where it answers HTTP/1.1.
        #[arg(long)]
        listen: SocketAddr,
        /// Where it answers gRPC.
        #[arg(long)]
        grpc: SocketAddr,
        /// The version it answers as.
        #[arg(long)]
        version: String,
    },
    /// The floor: a proxy that parses nothing.
    Relay(Way),
    /// A reference: a bare hyper server in front of a pool of hyper connections.
    BareHyper(Way),
    /// Haldane's data plane with one route, and new tables as often as asked for.
    Swapping(swapping::Options),
    /// Draw what a comparison has measured.
    Plot {
        /// The JSON file of a comparison.
        report: PathBuf,
        /// Where the SVG goes.
        svg: PathBuf,
    },
    /// Run a program on one core and end it when this process's parent ends.
    Pinned {
        /// The core to stay on.
        #[arg(long)]
        core: usize,
        /// The program and its arguments.
        #[arg(last = true, required = true)]
        command: Vec<OsString>,
    },
}

/// From where to where a proxy of our own carries requests.
#[derive(clap::Args)]
struct Way {
    /// Where to listen.
    #[arg(long)]
    listen: SocketAddr,
    /// The backend.
    #[arg(long)]
    to: SocketAddr,
}

fn main() -> ExitCode {
    match start(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("haldane-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn start(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Pinned { core, command } => Err(process::become_pinned(core, &command)),
        command => tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?
            .block_on(run(command)),
    }
}

async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Compare(options) => compare::compare(options).await,
        Command::Backend {
            listen,
            grpc,
            version,
        } => backend::serve(listen, grpc, &version).await,
        Command::Relay(way) => relay::serve(way.listen, way.to).await,
        Command::BareHyper(way) => bare_hyper::serve(way.listen, way.to).await,
        Command::Swapping(options) => swapping::serve(options).await,
        Command::Plot { report, svg } => plot::draw(&report, &svg),
        Command::Pinned { .. } => unreachable!("start has taken it before any runtime exists"),
    }
}

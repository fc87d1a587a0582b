//! `haldane`: what a person types. It reads arguments, calls the crates that do the work, prints, and says by its exit
//! code how it went: 0 done, 1 what was asked about is not so, 2 usage.

mod check;
mod decide;
mod demo;
mod echo;
mod explain;
mod fetch;
mod load;
mod output;
mod reload;
mod serve;
mod signals;
mod simulate;
mod status;

use clap::{Parser, Subcommand};
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

/// Every request allocates a dozen small things and frees them on the thread that made them, which this allocator is made for.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// An ingress that releases new versions safely.
#[derive(Debug, Parser)]
#[command(version, about, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Everything in one process, no cluster: two versions, live traffic, and what came of it.
    Demo(demo::Args),
    /// Controller and proxy in one process, from Kubernetes manifests, reloaded as they change.
    Serve(serve::Args),
    /// Every fault of the manifests, with file, object and field; exit 1 if there is any.
    Check(check::Args),
    /// Which rule a request falls under, which version gets it, and why.
    Explain(explain::Args),
    /// Which generation each proxy runs, and whether it is live; exit 1 if it is not.
    Status(status::Args),
    /// What follows from counts that are typed or piped in: promote, hold or abort, and why.
    Decide(decide::Args),
    /// How often and how fast releases are aborted or promoted, over thousands of simulated ones.
    Simulate(simulate::Args),
    /// A backend for every loopback endpoint of the manifests, answering with its name and version.
    Echo(echo::Args),
}

fn main() -> ExitCode {
    let command = Cli::parse().command;
    log_to_stderr(if matches!(command, Command::Demo(_)) {
        "off"
    } else {
        "warn"
    });
    let done = match command {
        Command::Demo(args) => demo::run(&args),
        Command::Serve(args) => serve::run(args),
        Command::Check(args) => check::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Status(args) => status::run(&args),
        Command::Decide(args) => decide::run(&args),
        Command::Simulate(args) => simulate::run(&args),
        Command::Echo(args) => echo::run(&args),
    };
    done.unwrap_or_else(|error| {
        eprintln!("haldane: {error:#}");
        ExitCode::FAILURE
    })
}

/// So much, or what `RUST_LOG` asks for. The demo draws where a line would be in the way, and counts what goes wrong.
fn log_to_stderr(level: &str) {
    let asked = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    tracing_subscriber::fmt()
        .with_env_filter(asked)
        .with_writer(std::io::stderr)
        .init();
}

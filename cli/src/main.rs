//! `haldane`: what a person types. It reads arguments, calls the crates that do the work, prints, and says by its exit
//! code how it went: 0 done, 1 what was asked about is not so, 2 usage.

mod check;
mod cluster;
mod decide;
mod demo;
mod echo;
mod explain;
mod fetch;
mod load;
mod orders;
mod output;
mod reload;
mod rollouts;
mod serve;
mod signals;
mod simulate;
mod status;
mod weights;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use orders::Ask;
use std::path::Path;
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

/// Fast for a dozen small things that each request allocates and frees on one thread, and it gives back what a flood took within
/// seconds: a proxy that holds on to it would go on refusing requests (`haldane_proxy::limits`).
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// What the program is called where it is a plugin of `kubectl`.
const PLUGIN: &str = "kubectl-haldane";

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
    Serve(Box<serve::Args>),
    /// Every fault of the manifests, with file, object and field; exit 1 if there is any.
    Check(check::Args),
    /// Which rule a request falls under, which version gets it, and why.
    Explain(explain::Args),
    /// How rollouts stand, which generation each proxy runs, and whether it is live; exit 1 if it is not.
    Status(status::Args),
    /// All requests to the version that is being released; after its time there it is the stable one.
    Promote(orders::Args),
    /// No more requests to the version that is being released.
    Abort(orders::Args),
    /// Nothing goes up until `resume`; what gets worse is aborted all the same.
    Pause(orders::Args),
    /// Go on after `pause`.
    Resume(orders::Args),
    /// Release an aborted version once more, from the first step.
    Retry(orders::Args),
    /// All requests back to the version before, after a promotion.
    Rollback(orders::Args),
    /// The shares of the versions: printed, or set.
    Weights(weights::Args),
    /// What follows from counts that are typed or piped in: promote, hold or abort, and why.
    Decide(decide::Args),
    /// How often and how fast releases are aborted or promoted, over thousands of simulated ones.
    Simulate(simulate::Args),
    /// A backend for every loopback endpoint of the manifests, answering with its name and version.
    Echo(echo::Args),
}

fn main() -> ExitCode {
    let command = parse().command;
    log_to_stderr(if matches!(command, Command::Demo(_)) {
        "off"
    } else {
        "warn"
    });
    let done = match command {
        Command::Demo(args) => demo::run(&args),
        Command::Serve(args) => serve::run(*args),
        Command::Check(args) => check::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Status(args) => status::run(&args),
        Command::Promote(args) => orders::run(Ask::Promote, &args),
        Command::Abort(args) => orders::run(Ask::Abort, &args),
        Command::Pause(args) => orders::run(Ask::Pause, &args),
        Command::Resume(args) => orders::run(Ask::Resume, &args),
        Command::Retry(args) => orders::run(Ask::Retry, &args),
        Command::Rollback(args) => orders::run(Ask::Rollback, &args),
        Command::Weights(args) => weights::run(&args),
        Command::Decide(args) => decide::run(&args),
        Command::Simulate(args) => simulate::run(&args),
        Command::Echo(args) => echo::run(&args),
    };
    done.unwrap_or_else(|error| {
        eprintln!("haldane: {error:#}");
        ExitCode::FAILURE
    })
}

/// The arguments, or a message and the end. `kubectl` runs plugins by their file's name, so the help has the name that a
/// person typed.
fn parse() -> Cli {
    let mut command = Cli::command();
    let own = std::env::args_os().next();
    if own.is_some_and(|own| Path::new(&own).file_stem() == Some(PLUGIN.as_ref())) {
        command = command.bin_name("kubectl haldane");
    }
    Cli::from_arg_matches(&command.get_matches()).unwrap_or_else(|error| error.exit())
}

/// So much, or what `RUST_LOG` asks for. The demo draws where a line would be in the way, and counts what goes wrong.
fn log_to_stderr(level: &str) {
    let asked = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    tracing_subscriber::fmt()
        .with_env_filter(asked)
        .with_writer(std::io::stderr)
        .init();
}

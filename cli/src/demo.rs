//! `haldane demo`: pods, proxy, translation and clients in one process, with live traffic through real sockets. Every
//! act says what it sent, what was to be expected and what was counted; one difference fails the demo.

mod acts;
mod client;
mod counts;
mod finding;
mod live;
mod load;
mod manifests;
mod plain;
mod pulse;
mod release;
mod report;
mod scale;
mod tui;
mod weighing;
mod world;

use crate::output::Output;
use crate::signals::Signals;
use live::Live;
use report::Report;
use scale::Scale;
use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;

/// What shells report for a program that was interrupted: 128 and the number of SIGINT.
const INTERRUPTED: u8 = 130;

/// Arguments of `haldane demo`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Fewer requests and no waiting: a few seconds in all.
    #[arg(long)]
    quick: bool,
    /// Plain lines, also on a terminal.
    #[arg(long)]
    plain: bool,
    /// Requests of the 90/10 act (the others follow), rounded down to whole hundreds.
    #[arg(long, value_parser = clap::value_parser!(u64).range(100..=1_000_000))]
    requests: Option<u64>,
    /// How to print the report.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

type Stage = thread::JoinHandle<anyhow::Result<()>>;

/// Plays all acts before whichever view suits, then prints the report; fails if anything differs.
pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let live = Arc::new(Live::new(acts::names()));
    let stage = raise(Scale::new(args.quick, args.requests), &live)?;
    let watched = watch(args, &live, &stage).inspect_err(|_| live.interrupt());
    stage
        .join()
        .map_err(|_| anyhow::anyhow!("the demo panicked"))??;
    watched?;
    if live.is_interrupted() {
        eprintln!("haldane: interrupted");
        return Ok(ExitCode::from(INTERRUPTED));
    }
    conclude(&live.report(), args)
}

fn conclude(report: &Report, args: &Args) -> anyhow::Result<ExitCode> {
    let text = match args.output {
        Output::Text => report.text(is_coloured(args)),
        Output::Json => serde_json::to_string_pretty(report)? + "\n",
    };
    io::stdout().write_all(text.as_bytes())?;
    Ok(if report.is_as_expected() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Plays the acts on a thread of their own, so that drawing never delays traffic. When it ends, nothing is left of them.
fn raise(scale: Scale, live: &Arc<Live>) -> io::Result<Stage> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let live = live.clone();
    thread::Builder::new()
        .name("demo".to_owned())
        .spawn(move || runtime.block_on(play(scale, live)))
}

async fn play(scale: Scale, live: Arc<Live>) -> anyhow::Result<()> {
    let mut signals = Signals::listen()?;
    tokio::select! {
        played = acts::play(scale, live.clone()) => played,
        () = live.interrupted() => Ok(()),
        () = signals.next() => {
            live.interrupt();
            Ok(())
        }
    }
}

fn watch(args: &Args, live: &Live, stage: &Stage) -> io::Result<()> {
    if args.output == Output::Json {
        return plain::watch(live, stage, &mut io::sink());
    }
    if !args.plain
        && io::stdout().is_terminal()
        && let Some(screen) = tui::Screen::open()
    {
        return screen.watch(live, stage);
    }
    plain::watch(live, stage, &mut io::stdout())
}

/// See <https://no-color.org>.
fn is_coloured(args: &Args) -> bool {
    !args.plain
        && io::stdout().is_terminal()
        && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

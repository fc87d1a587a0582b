//! `haldane check`: every fault of the manifests, before anybody applies them.

use crate::load::{self, Loaded, Source};
use crate::output::{Output, counted};
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `haldane check`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Files and directories of manifests.
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    source: Source,
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// Prints every problem; fails if one of them is an error.
pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let loaded = load::load(&args.paths, &args.source);
    let built = load::build(&loaded.table, None, 0);
    match args.output {
        Output::Text => print_text(&loaded),
        Output::Json => println!("{}", serde_json::to_string_pretty(&loaded.problems)?),
    }
    let sound = !loaded.has_errors() && built.inspect_err(|error| eprintln!("{error}")).is_ok();
    Ok(if sound {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn print_text(loaded: &Loaded) {
    for problem in &loaded.problems {
        println!("{problem}");
    }
    println!(
        "{} over {}, {}",
        counted(loaded.table.rules.len(), "rule"),
        counted(loaded.table.backends.len(), "backend"),
        counted(loaded.problems.len(), "problem")
    );
}

//! `haldane simulate`: thousands of releases under simulated traffic, through the real splitter and the real decision, to
//! see how often and how fast they are aborted or promoted; and beside it, rules with thresholds on the same traffic.
//!
//! Equal arguments and seed give equal numbers in one build, whatever the number of cores.

mod draw;
mod haldane;
mod plot;
mod run;
mod scenario;
mod summary;
mod table;
mod thresholds;
mod traffic;

use crate::decide::Bounds;
use crate::output::Output;
use anyhow::{Context as _, ensure};
use haldane_rollout::{Stratum, number};
use run::{Rule, Simulation};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use traffic::Traffic;

/// The most requests a second: with more, everything is seen within seconds.
const RPS_MAX: f64 = 10_000.0;

/// The longest release simulated.
const DURATION_MAX: Duration = Duration::from_secs(24 * 3600);

/// Arguments of `haldane simulate`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Requests a second, of both versions together; they come at random.
    #[arg(long, default_value_t = 20.0)]
    rps: f64,
    /// The canary's share in percent.
    #[arg(long, default_value = "5")]
    weight: String,
    /// The share of stable's requests that fail.
    #[arg(long, default_value = "0.5%", value_parser = number::probability)]
    stable_errors: f64,
    /// The share of the canary's requests that fail.
    #[arg(long, default_value = "0.5%", value_parser = number::probability)]
    canary_errors: f64,
    /// How long a release may take.
    #[arg(long, default_value = "30m", value_parser = humantime::parse_duration)]
    duration: Duration,
    /// How many releases.
    #[arg(long, default_value_t = 10_000)]
    runs: u32,
    /// What chance begins with.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    bounds: Bounds,
    #[command(flatten)]
    trouble: Trouble,
    /// Who decides.
    #[arg(long, value_enum, default_value_t)]
    rule: Rule,
    /// Runs the whole comparison instead, with `--runs` releases for each number, and prints it as Markdown.
    #[arg(long)]
    table: bool,
    /// With `--table`, draws it too, as SVG.
    #[arg(long, requires = "table")]
    plot: Option<PathBuf>,
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// What else can happen.
#[derive(Clone, Debug, clap::Args)]
struct Trouble {
    /// Until then the canary is as good as stable; times to an abort count from there.
    #[arg(long, default_value = "0s", value_parser = humantime::parse_duration)]
    onset: Duration,
    /// For how long both versions fail every request.
    #[arg(long, default_value = "0s", value_parser = humantime::parse_duration)]
    outage: Duration,
    /// When that begins.
    #[arg(long, default_value = "5m", value_parser = humantime::parse_duration)]
    outage_at: Duration,
    /// How long it takes until a failure of the canary is known.
    #[arg(long, default_value = "0s", value_parser = humantime::parse_duration)]
    canary_fails_after: Duration,
    /// How long it takes until a failure of stable is known.
    #[arg(long, default_value = "0s", value_parser = humantime::parse_duration)]
    stable_fails_after: Duration,
    /// Users stick to their version and make so many requests each, all of which go the same way. The first one counts.
    #[arg(long, default_value_t = 1)]
    requests_per_user: u32,
    /// Count every request of such a user, as one must not.
    #[arg(long)]
    count_every_request: bool,
}

/// Simulates, and prints what came of it.
pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    ensure!(args.runs > 0, "--runs: at least one release is needed");
    if args.table {
        return table(args);
    }
    let simulation = simulation(args)?;
    let summary = simulation.run(args.rule, args.runs, args.seed);
    match args.output {
        Output::Text => print!("{summary}"),
        Output::Json => println!("{}", serde_json::to_string_pretty(&summary)?),
    }
    Ok(ExitCode::SUCCESS)
}

fn simulation(args: &Args) -> anyhow::Result<Simulation> {
    ensure!(
        args.rps > 0.0 && args.rps <= RPS_MAX,
        "--rps: from above 0 to {RPS_MAX}"
    );
    ensure!(args.duration <= DURATION_MAX, "--duration: at most a day");
    let share = Stratum::percent(&args.weight).context("--weight")?;
    ensure!(
        share.tells(),
        "--weight: above 0 and below 100, or there is nothing to compare"
    );
    let Trouble {
        onset,
        outage,
        outage_at,
        ..
    } = args.trouble;
    let traffic = Traffic {
        rps: args.rps,
        stable_errors: args.stable_errors,
        canary_errors: args.canary_errors,
        onset: onset.as_secs(),
        outage: outage_at.as_secs()..(outage_at + outage).as_secs(),
        canary_fails_after: args.trouble.canary_fails_after.as_secs(),
        stable_fails_after: args.trouble.stable_fails_after.as_secs(),
        requests_per_user: args.trouble.requests_per_user.max(1),
        count_every_request: args.trouble.count_every_request,
    };
    Simulation::new(traffic, share, args.duration.as_secs(), &args.bounds)
}

fn table(args: &Args) -> anyhow::Result<ExitCode> {
    let table = table::run(&args.bounds, args.runs, args.seed)?;
    match args.output {
        Output::Text => print!("{}", table.markdown()),
        Output::Json => println!("{}", serde_json::to_string_pretty(&table)?),
    }
    if let Some(file) = &args.plot {
        std::fs::write(file, plot::svg(&table))
            .with_context(|| format!("writing {}", file.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;
    use summary::Summary;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn simulated(line: &str) -> Summary {
        let words = std::iter::once("simulate").chain(line.split(' '));
        let Line { args } = Line::try_parse_from(words).unwrap();
        simulation(&args)
            .unwrap()
            .run(args.rule, args.runs, args.seed)
    }

    /// Few releases, and a fixed seed: nothing here fails by chance. The real numbers are in `docs/decisions.md`.
    #[test]
    fn releases_end_as_they_should() {
        // Arguments; how many may be promoted, and how many aborted.
        let cases = [
            ("--runs 20 --duration 10m", 0..=20, 0..=0),
            (
                "--runs 20 --duration 10m --canary-errors 10%",
                0..=0,
                20..=20,
            ),
            ("--runs 20 --canary-errors 100%", 0..=0, 20..=20),
            (
                "--runs 20 --duration 10m --outage 1m --outage-at 3m",
                0..=20,
                0..=0,
            ),
            (
                "--runs 10 --duration 5m --weight 50 --rps 100",
                10..=10,
                0..=0,
            ),
            (
                "--runs 20 --duration 10m --canary-errors 5% --canary-fails-after 10s",
                0..=0,
                15..=20,
            ),
            ("--runs 20 --rule argo", 1..=19, 1..=19),
            ("--runs 20 --rule argo-default", 0..=10, 10..=20),
            ("--runs 20 --rule flagger", 15..=20, 0..=5),
        ];
        for (line, may_promote, may_abort) in cases {
            let Summary {
                promoted, aborted, ..
            } = simulated(line);
            assert!(
                may_promote.contains(&promoted),
                "{line}: {promoted} promoted"
            );
            assert!(may_abort.contains(&aborted), "{line}: {aborted} aborted");
        }
    }

    #[test]
    fn an_outage_takes_three_requests_and_so_three_seconds() {
        let times = simulated("--runs 101 --canary-errors 100%")
            .seconds_to_abort
            .unwrap();
        assert_eq!(times.median, 3);
    }

    #[test]
    fn the_same_seed_is_the_same_chance() {
        let line = "--runs 30 --duration 5m --canary-errors 3% --seed";
        let [one, again, other] = ["7", "7", "8"].map(|seed| {
            let summary = simulated(&format!("{line} {seed}"));
            (summary.aborted, summary.seconds_to_abort)
        });
        assert_eq!(one, again);
        assert_ne!(one, other);
    }
}

//! `haldane decide`: the decision on counts that a person types or pipes in, without a cluster, so that any decision can
//! be checked by anybody.

mod counts;

use crate::output::Output;
use anyhow::Context as _;
use counts::Stratified;
use haldane_rollout::{Explanation, Finding, Plan, Stratum, Terms, Totals, explain};
use serde_json::json;
use std::io::Read as _;
use std::process::ExitCode;

/// The longest input taken from a pipe: thousands of strata, of which there are a few.
const INPUT_BYTES_MAX: u64 = 1 << 20;

/// Arguments of `haldane decide`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Counts at one share of the traffic: `weight=5,canary-bad=3,stable-bad=2,good=600`, the weight in percent; may be
    /// given again. `-` reads such lines from standard input.
    #[arg(long = "stratum", required = true)]
    strata: Vec<String>,
    #[command(flatten)]
    bounds: Bounds,
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// What is decided by.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Bounds {
    /// What is not worse.
    #[arg(long, default_value = "errors<1.25x+0.1%")]
    tolerance: String,
    /// What is too bad to promote; by default `errors<1.5x+0.5%`, or as much wider as the tolerance asks for.
    #[arg(long)]
    margin: Option<String>,
    /// How often, at most, a canary within the tolerance is ever aborted.
    #[arg(long, default_value = "0.01")]
    alpha: String,
    /// How often, at most, a canary beyond the margin is ever promoted.
    #[arg(long, default_value = "0.05")]
    beta: String,
}

impl Bounds {
    /// As a plan, with annotations besides.
    pub(crate) fn plan<'a>(
        &'a self,
        annotations: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> anyhow::Result<Plan> {
        let own = [
            ("rollout", "auto"),
            ("tolerance", &*self.tolerance),
            ("alpha", &*self.alpha),
            ("beta", &*self.beta),
        ];
        let margin = self.margin.as_deref().map(|margin| ("margin", margin));
        let plan = Plan::read(own.into_iter().chain(margin).chain(annotations));
        let plan = plan.map_err(|faults| {
            let faults: Vec<_> = faults
                .iter()
                .map(|fault| format!("{}: {}", fault.annotation, fault.reason))
                .collect();
            anyhow::anyhow!("{}", faults.join("\n"))
        })?;
        plan.context("a plan has a rollout")
    }
}

/// Prints the decision.
pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    // Counts have no order in time, so there is one bet, from the start; no ladder that starts others.
    let plan = args.bounds.plan([("steps", "100")])?;
    let terms = Terms::new(&plan, Vec::new());
    let totals = totals(&args.strata)?;
    let share = totals.keys().next_back().copied().unwrap_or(Stratum::NONE);
    let explanation = explain(&terms, &totals, share);
    match args.output {
        Output::Text => print!(
            "{}: {}\n{explanation}",
            decision(&explanation),
            explanation.verdict()
        ),
        Output::Json => println!("{}", serde_json::to_string_pretty(&document(&explanation))?),
    }
    Ok(ExitCode::SUCCESS)
}

fn decision(explanation: &Explanation) -> &'static str {
    match explanation.judgement.finding {
        Finding::Worse => "abort",
        Finding::GoodEnough => "promote",
        Finding::Undecided => "hold",
    }
}

fn document(explanation: &Explanation) -> serde_json::Value {
    json!({
        "ln_e_abort": explanation.judgement.ln_e_abort,
        "ln_e_promote": explanation.judgement.ln_e_promote,
        "ln_abort": explanation.ln_abort,
        "ln_promote": explanation.ln_promote,
        "decision": decision(explanation),
        "reason": explanation.verdict(),
        "figures": explanation.figures,
        "ratio": explanation.ratio,
        "missing": explanation.missing,
    })
}

fn totals(strata: &[String]) -> anyhow::Result<Totals> {
    let mut totals = Totals::new();
    for text in strata {
        let lines = match text.as_str() {
            "-" => piped()?,
            _ => text.clone(),
        };
        for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let Stratified { share, arms } =
                line.parse().with_context(|| format!("stratum {line:?}"))?;
            totals.entry(share).or_default().add(&arms);
        }
    }
    Ok(totals)
}

fn piped() -> anyhow::Result<String> {
    let mut text = String::new();
    let mut input = std::io::stdin().take(INPUT_BYTES_MAX);
    input
        .read_to_string(&mut text)
        .context("reading standard input")?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    /// The document for a command line after `haldane decide`, or why there is none.
    fn decided(line: &str) -> anyhow::Result<serde_json::Value> {
        let Line { args } = Line::try_parse_from(std::iter::once("decide").chain(line.split(' ')))?;
        let plan = args.bounds.plan([("steps", "100")])?;
        let totals = totals(&args.strata)?;
        Ok(document(&explain(
            &Terms::new(&plan, Vec::new()),
            &totals,
            Stratum::NONE,
        )))
    }

    #[test]
    fn known_counts_are_decided_as_worked_out_elsewhere() {
        let cases = [
            (
                "--stratum weight=5,canary-bad=3",
                "ln_e_abort",
                6.283_835_211_946_863_5,
                "abort",
            ),
            (
                "--stratum weight=5,canary-bad=3,stable-bad=2,good=600",
                "ln_e_abort",
                4.060_971_340_913_09,
                "hold",
            ),
            (
                "--stratum weight=25,canary-bad=2,stable-bad=8,good=4000",
                "ln_e_promote",
                2.510_724_646_180_834_4,
                "hold",
            ),
            (
                "--stratum weight=25,canary-bad=2,stable-bad=8,good=4000 --beta 0.1",
                "ln_e_promote",
                2.510_724_646_180_834_4,
                "promote",
            ),
            (
                "--stratum weight=5,canary-bad=3 --alpha 0.1%",
                "ln_e_abort",
                6.283_835_211_946_863_5,
                "hold",
            ),
            (
                "--stratum weight=5,canary-bad=1 --stratum weight=5,canary-bad=2",
                "ln_e_abort",
                6.283_835_211_946_863_5,
                "abort",
            ),
        ];
        for (line, name, expected, decision) in cases {
            let document = decided(line).unwrap();
            let seen = document[name].as_f64().unwrap();
            assert!(
                (seen - expected).abs() < 1e-12,
                "{line}: {seen}, expected {expected}"
            );
            assert_eq!(document["decision"], decision, "{line}");
        }
    }

    #[test]
    fn what_cannot_be_decided_by_is_refused() {
        for (line, expected) in [
            ("--stratum weight=5 --tolerance errors", "tolerance: "),
            ("--stratum weight=5 --alpha 1", "alpha: "),
            ("--stratum weight=5 --margin errors<1x", "margin: "),
            ("--stratum weight=5,bad=1", "stratum \"weight=5,bad=1\""),
        ] {
            let error = decided(line).unwrap_err().to_string();
            assert!(error.contains(expected), "{line}: {error}");
        }
    }
}

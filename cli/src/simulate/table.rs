//! The whole comparison: every kind of release, at every rate of requests, by every rule.

use super::run::{Rule, Simulation};
use super::scenario::{PERCENT, Question, RATES, SCENARIOS, SECONDS, Scenario};
use super::summary::Summary;
use crate::decide::Bounds;
use haldane_rollout::Stratum;
use serde::Serialize;

/// The rules that are compared, with what they are called.
const RULES: [(Rule, &str); 4] = [
    (Rule::Haldane, "Haldane"),
    (Rule::Argo, "Argo's kind"),
    (Rule::ArgoDefault, "same, default limit"),
    (Rule::Flagger, "Flagger's kind"),
];

/// Every number.
#[derive(Debug, Serialize)]
pub(super) struct Table {
    pub(super) runs: u32,
    pub(super) seed: u64,
    pub(super) rows: Vec<Row>,
}

/// One kind of release, by one rule.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    pub(super) scenario: String,
    pub(super) rule: &'static str,
    #[serde(skip)]
    question: Question,
    /// For each of the rates.
    pub(super) cells: Vec<Cell>,
}

/// One number with what belongs to it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Cell {
    pub(super) rps: f64,
    pub(super) summary: Summary,
}

/// Runs all of it. Says on standard error how far it is.
pub(super) fn run(bounds: &Bounds, runs: u32, seed: u64) -> anyhow::Result<Table> {
    let mut rows = Vec::new();
    for scenario in SCENARIOS {
        let mut answers = Vec::new();
        for (rule, name) in RULES {
            eprintln!("{} ({name})", scenario.title(scenario.questions[0]));
            answers.push((name, cells(scenario, rule, bounds, runs, seed)?));
        }
        rows.extend(scenario.questions.iter().flat_map(|question| {
            let row = |(rule, cells): &(&'static str, Vec<Cell>)| Row {
                scenario: scenario.title(*question),
                rule,
                question: *question,
                cells: cells.clone(),
            };
            answers.iter().map(row).collect::<Vec<_>>()
        }));
    }
    Ok(Table { runs, seed, rows })
}

fn cells(
    scenario: &Scenario,
    rule: Rule,
    bounds: &Bounds,
    runs: u32,
    seed: u64,
) -> anyhow::Result<Vec<Cell>> {
    let cell = |rps| {
        let share = Stratum::new(PERCENT, 100)?;
        let simulation = Simulation::new(scenario.traffic(rps), share, SECONDS, bounds)?;
        Ok(Cell {
            rps,
            summary: simulation.run(rule, runs, seed),
        })
    };
    RATES.into_iter().map(cell).collect()
}

impl Table {
    /// A table for people.
    pub(super) fn markdown(&self) -> String {
        let rates = RATES.map(|rps| format!(" {rps} rps |")).concat();
        let rules = RATES.map(|_| "---:|").concat();
        let mut text = format!("| release | rule |{rates}\n|---|---|{rules}\n");
        let mut last = "";
        for row in &self.rows {
            let name = if row.scenario == last {
                ""
            } else {
                row.scenario.as_str()
            };
            last = &row.scenario;
            let cells: String = row
                .cells
                .iter()
                .map(|cell| format!(" {} |", row.shown(&cell.summary)))
                .collect();
            text += &format!("| {name} | {} |{cells}\n", row.rule);
        }
        text
    }
}

impl Row {
    pub(super) fn rate(&self, summary: &Summary) -> super::summary::Rate {
        match self.question {
            Question::Promoted => summary.promoted_rate,
            Question::Aborted | Question::Caught => summary.aborted_rate,
        }
    }

    /// The rate with its interval; where speed is asked about, the median and the time within which nine of ten were caught.
    fn shown(&self, summary: &Summary) -> String {
        let rate = self.rate(summary);
        let [share, low, high] = [rate.rate, rate.low, rate.high].map(|rate| round(rate * 100.0));
        match (self.question, summary.seconds_to_abort) {
            (Question::Caught, Some(times)) => {
                format!("{share} %, {} s ({} s)", times.median, times.p90)
            }
            (Question::Caught, None) => format!("{share} %"),
            _ => format!("{share} % ({low}–{high})"),
        }
    }
}

/// Two places below ten, one below a hundred.
fn round(percent: f64) -> String {
    match percent {
        _ if percent == 0.0 || percent == 100.0 => format!("{percent:.0}"),
        _ if percent < 10.0 => format!("{percent:.2}"),
        _ => format!("{percent:.1}"),
    }
}

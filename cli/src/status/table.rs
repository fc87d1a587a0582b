//! Rollouts as a table: one line each, and what is said about the one that was asked for.

use crate::orders::percent;
use haldane_rollout::report::{ArmFigures, RolloutReport, Standing};
use haldane_rollout::{Phase, Reason};
use jiff::Timestamp;
use std::fmt::{self, Write as _};
use std::time::Duration;

/// The columns. Of two figures the canary's comes first.
const TITLES: [&str; 10] = [
    "OBJECT", "STABLE", "CANARY", "PHASE", "WEIGHT", "STEP", "ERRORS", "P99", "WORSE", "GOOD",
];

/// The rollouts of a report.
pub(super) struct Table<'t> {
    pub(super) rollouts: &'t [RolloutReport],
    /// Whether everything that is known is said.
    pub(super) detailed: bool,
    pub(super) now: Timestamp,
}

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.rollouts.is_empty() {
            return Ok(());
        }
        let rows: Vec<_> = self.rollouts.iter().map(row).collect();
        let titles = TITLES.map(str::to_owned);
        let width = |column: usize| {
            let cells = rows.iter().chain([&titles]).map(|row| &row[column]);
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<_> = (0..TITLES.len()).map(width).collect();
        line(f, &titles, &widths)?;
        for (row, report) in rows.iter().zip(self.rollouts) {
            line(f, row, &widths)?;
            if let Some(standing) = &report.rollout {
                writeln!(f, "  {}", note(standing, self.now))?;
                if self.detailed {
                    details(f, standing)?;
                }
            }
        }
        Ok(())
    }
}

fn line(f: &mut fmt::Formatter<'_>, cells: &[String], widths: &[usize]) -> fmt::Result {
    let mut line = String::new();
    for (cell, width) in cells.iter().zip(widths) {
        write!(line, "{cell:<width$}  ")?;
    }
    writeln!(f, "{}", line.trim_end())
}

fn row(report: &RolloutReport) -> [String; 10] {
    let object = format!("{} {}/{}", report.kind, report.namespace, report.name);
    let Some(standing) = &report.rollout else {
        let rest = [(); 7].map(|()| "-".to_owned());
        let [a, b, c, d, e, g, h] = rest;
        return [
            object,
            report.stable.clone(),
            a,
            "idle".to_owned(),
            b,
            c,
            d,
            e,
            g,
            h,
        ];
    };
    let evidence = &standing.evidence;
    let pair = |of: fn(&ArmFigures) -> String| {
        format!(
            "{} / {}",
            of(&standing.canary_figures),
            of(&standing.stable_figures)
        )
    };
    [
        object,
        standing.stable.clone(),
        standing.canary.clone(),
        phase(standing.phase).to_owned(),
        percent(standing.weight),
        format!("{}/{}", standing.step + 1, standing.steps.len()),
        pair(|arm| {
            arm.error_rate
                .map_or("-".to_owned(), |rate| percent(round(rate * 100.0)))
        }),
        pair(|arm| arm.p99.map_or("-".to_owned(), milliseconds)),
        far(evidence.judgement.ln_e_abort, evidence.ln_abort),
        far(evidence.judgement.ln_e_promote, evidence.ln_promote),
    ]
}

pub(super) fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Waiting => "waiting",
        Phase::WarmingUp => "warming up",
        Phase::Climbing => "climbing",
        Phase::Promoted => "promoted",
        Phase::Aborted => "aborted",
    }
}

/// Two decimals of a percentage.
fn round(share: f64) -> f64 {
    (share * 100.0).round() / 100.0
}

fn milliseconds(seconds: f64) -> String {
    format!("{:.0} ms", seconds * 1000.0)
}

/// Evidence, and how far it is on its way to the bound, on the scale on which it adds up.
fn far(ln_e: f64, needed: f64) -> String {
    let way = if needed > 0.0 {
        (ln_e / needed).clamp(0.0, 1.0)
    } else {
        0.0
    };
    let e = ln_e.exp();
    let e = match e {
        _ if e >= 1e4 => format!("{e:.0e}"),
        _ if e >= 10.0 => format!("{e:.0}"),
        _ => format!("{e:.2}"),
    };
    format!("E={e} of {:.0} ({:.0}%)", needed.exp(), way * 100.0)
}

/// What holds it, or what was decided, and when that is over.
fn note(standing: &Standing, now: Timestamp) -> String {
    let mut parts = vec![standing.decision.why.clone()];
    if standing.paused && !standing.decision.reasons.contains(&Reason::Paused) {
        parts.push(Reason::Paused.to_string());
    }
    if let Some(until) = standing.frozen_until {
        let left = Duration::try_from(until.duration_since(now)).unwrap_or_default();
        parts.push(format!("frozen until {until}, for another {}", whole(left)));
    }
    parts.retain(|part| !part.is_empty());
    parts.join("; ")
}

fn whole(duration: Duration) -> humantime::FormattedDuration {
    humantime::format_duration(Duration::from_secs(duration.as_secs()))
}

fn details(f: &mut fmt::Formatter<'_>, standing: &Standing) -> fmt::Result {
    for (name, arm) in [
        ("canary", &standing.canary_figures),
        ("stable", &standing.stable_figures),
    ] {
        let ArmFigures {
            requests, errors, ..
        } = arm;
        write!(f, "  {name}: {requests} requests, {errors} errors")?;
        for (name, quantile) in [("p50", arm.p50), ("p99", arm.p99)] {
            if let Some(seconds) = quantile {
                write!(f, ", {name} {}", milliseconds(seconds))?;
            }
        }
        writeln!(f)?;
    }
    for line in standing.evidence.to_string().lines() {
        writeln!(f, "  {line}")?;
    }
    for moved in &standing.history {
        writeln!(f, "  {} {}: {}", moved.at, moved.share, moved.why)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;

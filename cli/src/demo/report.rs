//! The demo's last word: what was sent, expected and counted, line by line.

use super::finding::{Finding, Found, grouped};
use ratatui::crossterm::style::Stylize as _;
use serde::Serialize;
use std::fmt::Write as _;
use std::time::Duration;

/// What all acts found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Report {
    as_expected: bool,
    seconds: f64,
    acts: Vec<Found>,
}

impl Report {
    /// Of acts that took so long together.
    pub(crate) fn new(acts: Vec<Found>, took: Duration) -> Self {
        let as_expected = !acts.is_empty() && acts.iter().all(Found::is_as_expected);
        Self {
            as_expected,
            seconds: (took.as_secs_f64() * 10.0).round() / 10.0,
            acts,
        }
    }

    /// Whether every line is as expected.
    pub(crate) fn is_as_expected(&self) -> bool {
        self.as_expected
    }

    /// For people, at 80 columns; with colours or without.
    pub(crate) fn text(&self, coloured: bool) -> String {
        let mut text = row(["act", "sent", "expected", "counted"], "");
        text += &"-".repeat(80);
        text.push('\n');
        for (number, found) in (1..).zip(&self.acts) {
            let mut act = format!("{number} {}", found.act);
            for finding in &found.findings {
                text += &line(&act, finding, coloured);
                act.clear();
            }
        }
        text + "\n" + &self.summary(coloured)
    }

    fn summary(&self, coloured: bool) -> String {
        let findings = self.acts.iter().flat_map(|found| &found.findings);
        let (lines, differing) = findings.fold((0, 0), |(lines, differing), finding| {
            (lines + 1, differing + u64::from(!finding.ok))
        });
        let mut text = String::from(
            "Pairs are counted three times, by the clients, the pods and the proxy's metrics;\n",
        );
        text += "a line is ok only if all three agree.\n";
        let last = if self.as_expected {
            format!("All {lines} lines as expected, in {:.1} s.", self.seconds)
        } else {
            format!("{differing} of {lines} lines differ.")
        };
        let last = if coloured {
            verdict_style(&last, self.as_expected)
        } else {
            last
        };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{last}");
        text
    }
}

fn line(act: &str, finding: &Finding, coloured: bool) -> String {
    let verdict = if finding.ok { "ok" } else { "DIFFERS" };
    let verdict = if coloured {
        verdict_style(verdict, finding.ok)
    } else {
        verdict.to_owned()
    };
    row(
        [
            act,
            &grouped(finding.sent),
            &finding.expected,
            &finding.counted,
        ],
        &verdict,
    )
}

fn row([act, sent, expected, counted]: [&str; 4], verdict: &str) -> String {
    format!("{act:<20}{sent:>8}  {expected:<31}{counted:<16} {verdict}")
        .trim_end()
        .to_owned()
        + "\n"
}

fn verdict_style(text: &str, ok: bool) -> String {
    if ok {
        text.green().bold().to_string()
    } else {
        text.red().bold().to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::times;
    use super::*;

    fn report(failed: u64) -> Report {
        let findings = vec![
            times(10_000, "failed", 0, failed),
            times(10_000, "late", 0, 0),
        ];
        let found = Found {
            act: "blue/green flips",
            headline: String::new(),
            findings,
        };
        Report::new(vec![found], Duration::from_millis(1_234))
    }

    #[test]
    fn one_difference_is_enough() {
        assert!(report(0).is_as_expected());
        assert!(!report(1).is_as_expected());
        assert!(!Report::new(Vec::new(), Duration::ZERO).is_as_expected());
    }

    #[test]
    fn lines_fit_eighty_columns_and_say_what_differs() {
        let text = report(1).text(false);
        assert!(
            text.lines().all(|line| line.chars().count() <= 85),
            "{text}"
        );
        let lines: Vec<_> = text
            .lines()
            .filter(|line| line.contains("DIFFERS"))
            .collect();
        assert_eq!(
            lines,
            [
                "1 blue/green flips    10 000  0 failed                       1                DIFFERS"
            ]
        );
        assert!(text.ends_with("1 of 2 lines differ.\n"), "{text}");
        assert!(
            report(0)
                .text(false)
                .ends_with("All 2 lines as expected, in 1.2 s.\n")
        );
    }

    #[test]
    fn programs_read_the_same() {
        let json = serde_json::to_value(report(1)).unwrap();
        assert_eq!(json["as_expected"], false);
        assert_eq!(json["acts"][0]["findings"][0]["counted"], "1");
        assert_eq!(json["acts"][0]["findings"][1]["ok"], true);
    }
}

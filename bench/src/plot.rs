//! `haldane-bench plot`: a comparison as a picture. Each row is a case, each dot a peer: to the left
//! of the line, it needs less than nginx.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::Context as _;
use serde::Deserialize;

use crate::peer::Kind;
use crate::report::Machine;
use crate::summary::{Line, Spread};

/// What is drawn of a report.
#[derive(Deserialize)]
struct Report {
    command: String,
    machine: Machine,
    lines: Vec<Line>,
}

/// One of the pictures side by side.
struct Panel {
    title: &'static str,
    left: f64,
    value: fn(&Line) -> Option<Spread>,
}

const PANELS: [Panel; 2] = [
    Panel {
        title: "CPU per request, x nginx",
        left: 110.0,
        value: |line| line.ratio.filter(|_| line.rate.is_none()),
    },
    Panel {
        title: "p99 latency at half load, x nginx",
        left: 505.0,
        value: |line| line.p99_ratio.filter(|_| line.rate.is_some()),
    },
];

const WIDTH: f64 = 880.0;
const PANEL_WIDTH: f64 = 360.0;
const TOP: f64 = 78.0;
const ROW: f64 = 24.0;
const BOTTOM: f64 = 48.0;

/// Where a panel ends on either side; what lies beyond is drawn at the end.
const LEAST: f64 = 0.4;
const MOST: f64 = 4.0;

/// Marked on the axis.
const TICKS: [f64; 5] = [0.5, 0.7, 1.0, 2.0, 4.0];

/// Colours that the colour-blind tell apart (those of Okabe and Ito).
const PEERS: [(Kind, &str); 6] = [
    (Kind::Haldane, "#d55e00"),
    (Kind::Nginx, "#009e73"),
    (Kind::Haproxy, "#0072b2"),
    (Kind::Envoy, "#cc79a7"),
    (Kind::Pingora, "#e69f00"),
    (Kind::Relay, "#999999"),
];

/// Draws the report in the file `report` into the file `svg`.
///
/// # Errors
/// If the one cannot be read or the other not be written.
pub(crate) fn draw(report: &Path, svg: &Path) -> anyhow::Result<()> {
    let text = fs::read(report).with_context(|| format!("reading {}", report.display()))?;
    let report: Report = serde_json::from_slice(&text).context("reading a report")?;
    fs::write(svg, picture(&report)?).with_context(|| format!("writing {}", svg.display()))
}

fn picture(report: &Report) -> Result<String, std::fmt::Error> {
    let cases = cases(&report.lines);
    let height = TOP + cases.len() as f64 * ROW + BOTTOM;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"sans-serif\" font-size=\"12\" fill=\"#333\">\n\
         <rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#fff\"/>\n"
    );
    legend(&mut svg, &report.lines)?;
    for (row, case) in cases.iter().enumerate() {
        let y = middle_of(row) + 4.0;
        writeln!(svg, "<text x=\"10\" y=\"{y}\">{case}</text>")?;
    }
    for panel in &PANELS {
        axis(&mut svg, panel, cases.len())?;
        for line in &report.lines {
            let row = cases.iter().position(|case| *case == line.case);
            if let (Some(row), Some(value)) = (row, (panel.value)(line)) {
                dot(&mut svg, panel, row, line.peer, value)?;
            }
        }
    }
    let machine = &report.machine;
    // What a distribution calls its own build says nothing to others.
    let kernel = machine.kernel.split('-').next().unwrap_or_default();
    let about = format!(
        "haldane-bench {}; {}, {} cores, Linux {kernel}",
        report.command, machine.processor, machine.cores
    );
    let y = height - 12.0;
    writeln!(
        svg,
        "<text x=\"10\" y=\"{y}\" font-size=\"10\">{}</text>\n</svg>",
        escaped(&about)
    )?;
    Ok(svg)
}

/// The cases that have something to show, in the order of the report.
fn cases(lines: &[Line]) -> Vec<&str> {
    let mut cases: Vec<&str> = Vec::new();
    for line in lines.iter().filter(|line| line.ratio.is_some()) {
        if !cases.contains(&line.case.as_str()) {
            cases.push(&line.case);
        }
    }
    cases
}

fn legend(svg: &mut String, lines: &[Line]) -> std::fmt::Result {
    let there = |kind: Kind| lines.iter().any(|line| line.peer == kind);
    for (place, (kind, colour)) in PEERS.iter().filter(|(kind, _)| there(*kind)).enumerate() {
        let x = PANELS[0].left + place as f64 * 110.0;
        writeln!(
            svg,
            "<circle cx=\"{x}\" cy=\"20\" r=\"5\" fill=\"{colour}\"/>\
             <text x=\"{}\" y=\"24\">{}</text>",
            x + 10.0,
            kind.name()
        )?;
    }
    Ok(())
}

fn axis(svg: &mut String, panel: &Panel, rows: usize) -> std::fmt::Result {
    let bottom = TOP + rows as f64 * ROW;
    writeln!(
        svg,
        "<text x=\"{}\" y=\"48\" font-weight=\"bold\">{}</text>",
        panel.left, panel.title
    )?;
    for tick in TICKS {
        let x = place_of(panel, tick);
        let (colour, label) = (if tick == 1.0 { "#333" } else { "#ddd" }, TOP - 8.0);
        writeln!(
            svg,
            "<line x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{TOP}\" y2=\"{bottom}\" stroke=\"{colour}\"/>\
             <text x=\"{x:.1}\" y=\"{label}\" text-anchor=\"middle\" font-size=\"10\">{tick}</text>"
        )?;
    }
    Ok(())
}

/// A dot at the median; for Haldane, also a line from the least to the greatest round.
fn dot(svg: &mut String, panel: &Panel, row: usize, peer: Kind, value: Spread) -> std::fmt::Result {
    let colour = PEERS.iter().find(|(kind, _)| *kind == peer);
    let Some((_, colour)) = colour else {
        return Ok(());
    };
    let y = middle_of(row);
    if peer == Kind::Haldane {
        let (from, to) = (place_of(panel, value.min), place_of(panel, value.max));
        writeln!(
            svg,
            "<line x1=\"{from:.1}\" x2=\"{to:.1}\" y1=\"{y}\" y2=\"{y}\" stroke=\"{colour}\"/>"
        )?;
    }
    writeln!(
        svg,
        "<circle cx=\"{:.1}\" cy=\"{y}\" r=\"5\" fill=\"{colour}\" fill-opacity=\"0.85\">\
         <title>{} {:.2}</title></circle>",
        place_of(panel, value.median),
        peer.name(),
        value.median
    )
}

fn middle_of(row: usize) -> f64 {
    TOP + (row as f64 + 0.5) * ROW
}

/// Twice as much is as far to the right everywhere.
fn place_of(panel: &Panel, value: f64) -> f64 {
    let share = (value.clamp(LEAST, MOST) / LEAST).ln() / (MOST / LEAST).ln();
    panel.left + share * PANEL_WIDTH
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_and_peer_that_was_measured_is_drawn() {
        let ratio = |value| {
            Some(Spread {
                min: value,
                median: value,
                max: value,
            })
        };
        let line = |case: &str, peer, value| Line {
            case: case.to_owned(),
            peer,
            ratio: ratio(value),
            ..Line::default()
        };
        let report = Report {
            command: "compare --case a<b".to_owned(),
            machine: Machine::here().unwrap(),
            lines: vec![
                line("small", Kind::Haldane, 0.9),
                line("small", Kind::Nginx, 1.0),
                line("h2", Kind::Haldane, 9.0),
            ],
        };
        let svg = picture(&report).unwrap();
        // Two dots in the legend beside the three.
        assert_eq!(svg.matches("<circle").count(), 5);
        assert!(svg.contains(">h2</text>") && svg.contains("a&lt;b"));
        assert_eq!(place_of(&PANELS[0], 9.0), PANELS[0].left + PANEL_WIDTH);
    }
}

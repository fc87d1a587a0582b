//! The comparison drawn: for each kind of release a panel, for each rule a line over the rate of requests.

use super::table::{Row, Table};
use std::fmt::Write as _;

/// Sizes, in pixels.
const PANEL: (usize, usize) = (300, 170);
const PLOT: (f64, f64) = (190.0, 100.0);
const MARGIN: (f64, f64) = (40.0, 40.0);
const COLUMNS: usize = 3;

/// One for each rule, told apart by people who see few colours as well.
const COLOURS: [&str; 4] = ["#0072b2", "#e69f00", "#d55e00", "#009e73"];

/// The whole drawing.
pub(super) fn svg(table: &Table) -> String {
    let panels: Vec<_> = table
        .rows
        .chunk_by(|a, b| a.scenario == b.scenario)
        .collect();
    let (width, height) = (
        COLUMNS * PANEL.0,
        (panels.len().div_ceil(COLUMNS)) * PANEL.1 + 30,
    );
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"9\">\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"white\"/>\n"
    );
    for (place, rows) in panels.iter().enumerate() {
        let (x, y) = (place % COLUMNS * PANEL.0, place / COLUMNS * PANEL.1);
        text += &format!(
            "<g transform=\"translate({x} {y})\">\n{}</g>\n",
            panel(rows)
        );
    }
    text += &legend(table, height - 12);
    text + "</svg>\n"
}

fn panel(rows: &[Row]) -> String {
    let title = rows.first().map_or("", |row| &*row.scenario);
    let mut text = format!("<text x=\"8\" y=\"24\">{title}</text>\n");
    for percent in [0.0, 50.0, 100.0] {
        let y = height_of(percent / 100.0);
        let (left, right) = (MARGIN.0, MARGIN.0 + PLOT.0);
        text += &format!(
            "<path d=\"M{left} {y}H{right}\" stroke=\"#ccc\"/><text x=\"{}\" y=\"{}\" text-anchor=\"end\">{percent} %</text>\n",
            left - 4.0,
            y + 3.0
        );
    }
    let cells = rows.first().map_or(&[][..], |row| &row.cells[..]);
    for (place, cell) in cells.iter().enumerate() {
        let (x, y) = (place_of(place, cells.len()), MARGIN.1 + PLOT.1 + 14.0);
        text += &format!(
            "<text x=\"{x}\" y=\"{y}\" text-anchor=\"middle\">{}</text>\n",
            cell.rps
        );
    }
    let lines = rows
        .iter()
        .zip(COLOURS)
        .map(|(row, colour)| line(row, colour));
    text + &lines.collect::<String>()
}

fn line(row: &Row, colour: &str) -> String {
    let mut points = String::new();
    for (place, cell) in row.cells.iter().enumerate() {
        let (x, y) = (
            place_of(place, row.cells.len()),
            height_of(row.rate(&cell.summary).rate),
        );
        let _ = write!(points, "{x:.1},{y:.1} ");
    }
    format!(
        "<polyline points=\"{points}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" opacity=\"0.8\"/>\n"
    )
}

fn height_of(rate: f64) -> f64 {
    MARGIN.1 + PLOT.1 * (1.0 - rate)
}

fn place_of(place: usize, of: usize) -> f64 {
    MARGIN.0 + PLOT.0 * place as f64 / (of.max(2) - 1) as f64
}

fn legend(table: &Table, y: usize) -> String {
    let rules = table.rows.iter().zip(COLOURS).enumerate();
    let entry = |(place, (row, colour)): (usize, (&Row, &str))| {
        let x = 40 + place * 150;
        format!(
            "<path d=\"M{x} {}h20\" stroke=\"{colour}\" stroke-width=\"2\"/><text x=\"{}\" y=\"{y}\">{}</text>\n",
            y - 3,
            x + 26,
            row.rule
        )
    };
    let axis = format!("<text x=\"640\" y=\"{y}\">over requests a second</text>\n");
    rules.map(entry).collect::<String>() + &axis
}

//! One frame: the acts, the split against its ideal, progress, latency. It shows a moment and remembers nothing.

use super::bar::Bar;
use crate::demo::finding::grouped;
use crate::demo::live::{Lane, Now};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Style, Stylize as _};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Sparkline};
use std::time::Duration;

/// The lines of a frame: a heading, eight acts, what happens, two versions, evidence both ways, progress, latency, and air
/// between.
pub(super) const ROWS: u16 = 22;

/// The column where bars begin, and how wide they are.
const LABEL: u16 = 12;
const BAR: u16 = 44;

/// The turning sign of the act that is on.
const TURNS: [&str; 10] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
const TURN: Duration = Duration::from_millis(80);

/// Draws a moment.
pub(super) fn draw(frame: &mut Frame<'_>, now: &Now) {
    let area = frame.area();
    let area = Rect {
        width: area.width.min(80),
        ..area
    };
    let acts = u16::try_from(now.acts.len()).unwrap_or(u16::MAX);
    let weighed = u16::from(now.scales.is_some());
    let heights = [1, 1, acts, 1, 2, 1, 2, 1, 2 * weighed, weighed, 2].map(Constraint::Length);
    let [heading, _, list, _, happening, _, lanes, _, scales, _, foot] =
        Layout::vertical(heights).areas(area);
    frame.render_widget(heading_line(now, area.width), heading);
    frame.render_widget(Paragraph::new(act_lines(now)), list);
    frame.render_widget(Paragraph::new(happening_lines(now)), happening);
    for (row, lane) in (0..).zip(&now.lanes) {
        draw_lane(frame, line_of(lanes, row), lane);
    }
    if let Some(weighed) = now.scales {
        draw_scale(
            frame,
            line_of(scales, 0),
            ("worse", Color::Red),
            [weighed.worse, weighed.worse_at],
        );
        draw_scale(
            frame,
            line_of(scales, 1),
            ("proven", Color::Green),
            [weighed.good, weighed.good_at],
        );
    }
    draw_progress(frame, line_of(foot, 0), now);
    draw_latency(frame, line_of(foot, 1), now);
}

fn line_of(area: Rect, row: u16) -> Rect {
    Rect {
        y: area.y + row,
        height: 1,
        ..area
    }
    .intersection(area)
}

fn heading_line(now: &Now, width: u16) -> Line<'static> {
    let clock = format!("{:.1} s", now.elapsed.as_secs_f64());
    let title = "  haldane demo";
    let what = "   pods, proxy and clients in one process";
    let used = title.chars().count() + what.chars().count() + clock.chars().count() + 1;
    let space = " ".repeat(usize::from(width).saturating_sub(used));
    Line::from(vec![
        title.bold().cyan(),
        what.dim(),
        Span::raw(space),
        clock.dim(),
    ])
}

fn act_lines(now: &Now) -> Vec<Line<'static>> {
    (0..now.acts.len()).map(|act| act_line(now, act)).collect()
}

fn act_line(now: &Now, act: usize) -> Line<'static> {
    let name = format!("{:<19}", now.acts[act]);
    match now.found.get(act) {
        Some(found) if found.is_as_expected() => Line::from(vec![
            "  ✓ ".green().bold(),
            name.into(),
            found.headline.clone().dim(),
        ]),
        Some(found) => Line::from(vec![
            "  ✗ ".red().bold(),
            name.red(),
            found.headline.clone().red(),
        ]),
        None if act == now.found.len() => {
            let turn = now.elapsed.as_millis() / TURN.as_millis() % TURNS.len() as u128;
            let sign = format!("  {} ", TURNS[turn as usize]);
            Line::from(vec![
                sign.cyan().bold(),
                name.bold(),
                format!("{:.0} %", now.progress * 100.0).cyan(),
            ])
        }
        None => Line::from(vec!["  · ".dark_gray(), name.dark_gray()]),
    }
}

fn happening_lines(now: &Now) -> Vec<Line<'static>> {
    let annotation = Line::from(vec!["  ".into(), now.annotation.clone().yellow()]);
    vec![
        annotation,
        Line::from(vec!["  ".into(), now.step.clone().into()]),
    ]
}

fn draw_lane(frame: &mut Frame<'_>, area: Rect, lane: &Lane) {
    let columns = [LABEL, BAR, 8, 10].map(Constraint::Length);
    let [label, bar, share, answers] = Layout::horizontal(columns).areas(area);
    let color = color(lane.version);
    frame.render_widget(
        Span::styled(format!("  {}", lane.version), Style::new().fg(color).bold()),
        label,
    );
    if lane.version.is_empty() {
        return;
    }
    frame.render_widget(
        Bar {
            part: lane.share,
            mark: Some(lane.ideal),
            color,
        },
        bar,
    );
    frame.render_widget(
        Line::from(format!("{:.1} %", lane.share * 100.0))
            .right_aligned()
            .bold(),
        share,
    );
    frame.render_widget(Line::from(grouped(lane.answers)).right_aligned(), answers);
}

/// Colours for versions that are named after one, and for the rest.
fn color(version: &str) -> Color {
    match version {
        "blue" => Color::Blue,
        "green" => Color::Green,
        "canary" => Color::Yellow,
        _ => Color::Cyan,
    }
}

/// How far evidence has come to what it needs to be, both as logarithms.
fn draw_scale(
    frame: &mut Frame<'_>,
    area: Rect,
    (name, color): (&str, Color),
    [ln_e, needed]: [f64; 2],
) {
    let [label, bar, rest] =
        Layout::horizontal([LABEL, BAR, 24].map(Constraint::Length)).areas(area);
    frame.render_widget(format!("  {name}").dim(), label);
    let part = (ln_e / needed).clamp(0.0, 1.0);
    let mark = Some(1.0);
    frame.render_widget(Bar { part, mark, color }, bar);
    frame.render_widget(format!("  ln E {ln_e:.1} of {needed:.1}"), rest);
}

fn draw_progress(frame: &mut Frame<'_>, area: Rect, now: &Now) {
    let [label, bar, rest] =
        Layout::horizontal([LABEL, BAR, 24].map(Constraint::Length)).areas(area);
    frame.render_widget("  progress".dim(), label);
    frame.render_widget(
        Bar {
            part: now.progress,
            mark: None,
            color: Color::Gray,
        },
        bar,
    );
    let failed = format!(" {} failed", now.failed);
    let failed = if now.failed == 0 {
        failed.green()
    } else {
        failed.red().bold()
    };
    let rate = format!("  {}/s", grouped(now.pulse.rate()));
    frame.render_widget(Line::from(vec![rate.into(), failed]), rest);
}

fn draw_latency(frame: &mut Frame<'_>, area: Rect, now: &Now) {
    let [label, line, rest] =
        Layout::horizontal([LABEL, BAR, 24].map(Constraint::Length)).areas(area);
    frame.render_widget("  latency".dim(), label);
    let beats = now.pulse.line(usize::from(line.width));
    // A fixed least height keeps a quiet line low instead of blowing its noise up.
    let highest = beats.iter().copied().max().unwrap_or(0).max(LATENCY_LOW);
    frame.render_widget(
        Sparkline::default()
            .data(&beats)
            .max(highest)
            .style(Color::Magenta),
        line,
    );
    let [half, most] = now.pulse.percentiles([0.5, 0.99]).map(millis);
    frame.render_widget(format!("  p50 {half}  p99 {most} ms").dim(), rest);
}

/// A latency in microseconds that is good on any machine.
const LATENCY_LOW: u64 = 500;

fn millis(latency: Duration) -> String {
    let ms = latency.as_secs_f64() * 1_000.0;
    if ms < 10.0 {
        format!("{ms:.2}")
    } else {
        format!("{ms:.0}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::finding::{Found, times};
    use crate::demo::live::Live;
    use crate::demo::weighing::Scales;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    fn shown(columns: u16, now: &Now) -> String {
        let mut terminal = Terminal::new(TestBackend::new(columns, ROWS)).unwrap();
        terminal.draw(|frame| draw(frame, now)).unwrap();
        terminal.backend().to_string()
    }

    fn moment() -> Now {
        let live = Live::new(vec!["90/10 split", "change to 50/50", "blue/green flips"]);
        live.begin(["stable", "canary"]);
        let findings = vec![times(9, "failed", 0, 0)];
        live.end(Found {
            act: "90/10 split",
            headline: "exactly 9 000 and 1 000".to_owned(),
            findings,
        });
        live.begin(["stable", "canary"]);
        live.expect(0.5);
        live.weigh(Scales {
            worse: -0.3,
            worse_at: 4.6,
            good: 1.25,
            good_at: 3.0,
        });
        live.say_annotation("haldane.dev/weights: 'stable=50, canary=50'".to_owned());
        (0..100).for_each(|_| live.answer(Some("stable"), Duration::from_micros(300)));
        (0..100).for_each(|_| live.answer(Some("canary"), Duration::from_micros(300)));
        live.now()
    }

    #[test]
    fn a_frame_shows_acts_split_progress_and_latency() {
        let shown = shown(80, &moment());
        let parts = [
            "✓ 90/10 split",
            "exactly 9 000 and 1 000",
            "· blue/green",
            "canary=50'",
            "50.0 %",
            "0 failed",
            "p50 0.30",
            "ln E -0.3 of 4.6",
            "ln E 1.2 of 3.0",
        ];
        for part in parts {
            assert!(shown.contains(part), "{part} is missing:\n{shown}");
        }
    }

    #[test]
    fn any_size_is_drawn_without_a_panic() {
        for columns in [1, 10, 40, 80, 200] {
            shown(columns, &moment());
            shown(columns, &Live::new(Vec::new()).now());
        }
    }
}

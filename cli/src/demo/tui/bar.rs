//! A bar with a mark where it ought to end.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Style};
use ratatui::widgets::Widget;

/// Eighths of a cell, from none to seven.
const EIGHTHS: [&str; 8] = [" ", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
const FULL: &str = "█";
const REST: &str = "·";
const MARK: &str = "┃";

/// A part of the width in colour, and a mark at another part.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bar {
    /// 0 to 1.
    pub(super) part: f64,
    /// 0 to 1, where there is one.
    pub(super) mark: Option<f64>,
    pub(super) color: Color,
}

impl Widget for Bar {
    fn render(self, area: Rect, buffer: &mut Buffer) {
        let area = area.intersection(buffer.area);
        if area.is_empty() {
            return;
        }
        let eighths = eighths(self.part, area.width);
        for column in 0..area.width {
            let filled = eighths.saturating_sub(u32::from(column) * 8).min(8);
            let cell = &mut buffer[(area.x + column, area.y)];
            match filled {
                8 => cell.set_symbol(FULL).set_fg(self.color),
                0 => cell.set_symbol(REST).set_fg(Color::DarkGray),
                part => cell.set_symbol(EIGHTHS[part as usize]).set_fg(self.color),
            };
        }
        if let Some(mark) = self.mark {
            let column = column(mark, area.width);
            let cell = &mut buffer[(area.x + column, area.y)];
            let behind = if eighths > u32::from(column) * 8 {
                self.color
            } else {
                Color::Reset
            };
            cell.set_symbol(MARK)
                .set_style(Style::new().fg(Color::White).bg(behind));
        }
    }
}

fn eighths(part: f64, width: u16) -> u32 {
    (part.clamp(0.0, 1.0) * f64::from(width) * 8.0).round() as u32
}

/// The cell that a bar of this part ends in.
fn column(part: f64, width: u16) -> u16 {
    let ends = (part.clamp(0.0, 1.0) * f64::from(width)).ceil() as u16;
    ends.clamp(1, width) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(part: f64, mark: Option<f64>, expected: &str) {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 4, 1));
        Bar {
            part,
            mark,
            color: Color::Cyan,
        }
        .render(buffer.area, &mut buffer);
        let shown: String = buffer
            .content()
            .iter()
            .map(ratatui::buffer::Cell::symbol)
            .collect();
        assert_eq!(shown, expected, "{part} {mark:?}");
    }

    #[test]
    fn a_bar_ends_at_its_part_and_the_mark_stands_where_it_ought_to() {
        let cases = [
            (0.0, None, "····"),
            (1.0, None, "████"),
            (0.5, None, "██··"),
            (0.625, None, "██▌·"),
            (0.5, Some(0.5), "█┃··"),
            (0.5, Some(1.0), "██·┃"),
            (0.5, Some(0.0), "┃█··"),
            (7.0, Some(-1.0), "┃███"),
        ];
        for (part, mark, expected) in cases {
            check(part, mark, expected);
        }
    }
}

//! The view on a terminal: a few lines that move, below what was there before. When it ends, they are gone and the
//! terminal is as it was.

mod bar;
mod draw;

use super::Stage;
use super::live::Live;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::Show;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyModifiers};
use ratatui::crossterm::{execute, terminal};
use ratatui::{Terminal, TerminalOptions, Viewport};
use std::io::{self, Stdout, stdout};
use std::panic;
use std::time::Duration;

/// Between two frames: fast enough to look alive, slow enough to leave the processor to the traffic.
const FRAME: Duration = Duration::from_millis(60);
/// How long the last frame stays, for eyes to catch up.
const LAST_FRAME: Duration = Duration::from_millis(700);
/// The smallest terminal that the view fits.
const COLUMNS_MIN: u16 = 70;

/// A terminal that the view draws on. Restored when dropped, and before a panic is told.
pub(super) struct Screen {
    terminal: Terminal<CrosstermBackend<Stdout>>,
}

impl Screen {
    /// Takes the terminal, if it is large enough and answers.
    pub(super) fn open() -> Option<Self> {
        let (columns, rows) = terminal::size().ok()?;
        if columns < COLUMNS_MIN || rows <= draw::ROWS {
            return None;
        }
        terminal::enable_raw_mode().ok()?;
        let options = TerminalOptions {
            viewport: Viewport::Inline(draw::ROWS),
        };
        match Terminal::with_options(CrosstermBackend::new(stdout()), options) {
            Ok(terminal) => {
                restore_before_panics();
                Some(Self { terminal })
            }
            Err(_) => {
                restore();
                None
            }
        }
    }

    /// Draws until the acts are over, and asks for that when a key says so.
    ///
    /// # Errors
    /// When the terminal goes away.
    pub(super) fn watch(mut self, live: &Live, stage: &Stage) -> io::Result<()> {
        loop {
            let is_over = stage.is_finished();
            let now = live.now();
            self.terminal.draw(|frame| draw::draw(frame, &now))?;
            let is_last = is_over && !live.is_interrupted();
            if is_asked_to_stop(if is_last { LAST_FRAME } else { FRAME })? {
                live.interrupt();
            }
            if is_over {
                return Ok(());
            }
        }
    }
}

impl Drop for Screen {
    /// A terminal that is gone needs no restoring.
    fn drop(&mut self) {
        let origin = self.terminal.get_frame().area().as_position();
        let _ = self.terminal.clear();
        // Clearing leaves the cursor where it was; what comes next belongs where the view stood.
        let _ = self.terminal.set_cursor_position(origin);
        restore();
    }
}

/// Waits as long for a key that stops the demo. In raw mode Ctrl-C is one of them, not a signal.
fn is_asked_to_stop(wait: Duration) -> io::Result<bool> {
    if !event::poll(wait)? {
        return Ok(false);
    }
    Ok(matches!(event::read()?, Event::Key(key) if stops(key)))
}

fn stops(key: KeyEvent) -> bool {
    let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
    matches!(key.code, KeyCode::Char('q') | KeyCode::Esc)
        || is_control && key.code == KeyCode::Char('c')
}

fn restore() {
    let _ = terminal::disable_raw_mode();
    let _ = execute!(stdout(), Show);
}

fn restore_before_panics() {
    let tell = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        restore();
        tell(info);
    }));
}

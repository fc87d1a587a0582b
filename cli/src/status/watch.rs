//! `haldane status --watch`: redrawn on a terminal; elsewhere, said again when it is otherwise.

use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyModifiers};
use ratatui::text::Text;
use ratatui::widgets::Paragraph;
use std::io::{self, IsTerminal as _, Write as _, stdout};
use std::thread;
use std::time::{Duration, Instant};

/// How often is looked: proxies report and the controller decides once a second.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Shows what `look` finds, again and again, until a person stops it or nobody reads it any more.
///
/// # Errors
/// When the terminal goes away, or the first look fails; later ones are told and tried again.
pub(super) fn watch(mut look: impl FnMut() -> anyhow::Result<String>) -> anyhow::Result<()> {
    let first = look()?;
    match stdout().is_terminal() {
        true => redraw(first, look),
        false => say_again(first, look),
    }
}

fn redraw(
    mut shown: String,
    mut look: impl FnMut() -> anyhow::Result<String>,
) -> anyhow::Result<()> {
    let mut terminal = ratatui::try_init()?;
    let mut draw = || -> anyhow::Result<()> {
        loop {
            let text = Text::raw(shown.as_str());
            terminal.draw(|frame| frame.render_widget(Paragraph::new(text), frame.area()))?;
            if is_stopped(LOOK_AGAIN)? {
                return Ok(());
            }
            // A controller that is away for a moment is no reason to stop looking.
            shown = look().unwrap_or_else(|error| format!("{error:#}\n"));
        }
    };
    let drawn = draw();
    ratatui::restore();
    drawn
}

/// Waits as long for a key that ends it. In raw mode Ctrl-C is one of them, not a signal.
fn is_stopped(wait: Duration) -> io::Result<bool> {
    let end = Instant::now() + wait;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if !event::poll(left)? {
            return Ok(false);
        }
        if matches!(event::read()?, Event::Key(key) if stops(key)) {
            return Ok(true);
        }
    }
}

fn stops(key: KeyEvent) -> bool {
    let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
    matches!(key.code, KeyCode::Char('q') | KeyCode::Esc)
        || is_control && key.code == KeyCode::Char('c')
}

fn say_again(
    first: String,
    mut look: impl FnMut() -> anyhow::Result<String>,
) -> anyhow::Result<()> {
    let mut said = String::new();
    let mut next = Ok(first);
    loop {
        match next {
            Ok(text) if text != said => {
                if write!(stdout(), "{text}")
                    .and_then(|()| stdout().flush())
                    .is_err()
                {
                    return Ok(());
                }
                said = text;
            }
            Ok(_) => {}
            Err(error) => eprintln!("haldane: {error:#}"),
        }
        thread::sleep(LOOK_AGAIN);
        next = look();
    }
}

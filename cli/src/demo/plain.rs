//! The view where there is no terminal: a line for everything worth one, in order, and nothing that moves.

use super::Stage;
use super::live::{Event, Live};
use std::io::{self, Write};
use std::thread;
use std::time::Duration;

/// How often the view looks: lines that come a moment late do no harm.
const LOOK: Duration = Duration::from_millis(20);

/// Writes until the acts are over.
///
/// # Errors
/// When `out` takes no more.
pub(super) fn watch(live: &Live, stage: &Stage, out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "haldane demo: pods, proxy and clients in one process, live traffic through real sockets"
    )?;
    let mut written = 0;
    loop {
        // Asked first: what is there after the end is all there will be.
        let is_over = stage.is_finished();
        for event in live.events(written) {
            write(&event, live, out)?;
            written += 1;
        }
        out.flush()?;
        if is_over {
            return writeln!(out);
        }
        thread::sleep(LOOK);
    }
}

fn write(event: &Event, live: &Live, out: &mut dyn Write) -> io::Result<()> {
    match event {
        Event::Began(act) => writeln!(out, "\n{}. {}", act + 1, live.now().acts[*act]),
        Event::Said(text) => writeln!(out, "   {text}"),
        Event::Ended(act) => {
            let found = &live.now().found[*act];
            let verdict = if found.is_as_expected() {
                "ok"
            } else {
                "DIFFERS"
            };
            writeln!(out, "   {verdict}: {}", found.headline)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::finding::{Found, times};

    #[test]
    fn every_event_becomes_a_line_and_differences_stand_out() {
        let live = Live::new(vec!["split", "change"]);
        for (act, counted) in [("split", 0), ("change", 1)] {
            live.begin(["stable", "canary"]);
            live.say_annotation("haldane.dev/weights: x".to_owned());
            live.show("in passing".to_owned());
            live.end(Found {
                act,
                headline: "told".to_owned(),
                findings: vec![times(9, "failed", 0, counted)],
            });
        }
        let stage = thread::spawn(|| Ok(()));
        let mut out = Vec::new();
        watch(&live, &stage, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<_> = text
            .lines()
            .skip(1)
            .filter(|line| !line.is_empty())
            .collect();
        let weights = "   haldane.dev/weights: x";
        assert_eq!(
            lines,
            [
                "1. split",
                weights,
                "   ok: told",
                "2. change",
                weights,
                "   DIFFERS: told"
            ]
        );
    }
}

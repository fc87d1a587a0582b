//! The access log: one line of JSON for each request, written by a thread of its own.
//!
//! Whoever logs never waits: when the writer is too slow or the disk is full, entries are lost, and counted. Headers other than the
//! ones in [`Entry`], bodies and cookies are never logged.

mod entry;
mod output;

pub use entry::{Entry, FIELD_BYTES_MAX};
pub use output::Sink;

use crate::metrics::Outcome;
use output::Output;
use prometheus::IntCounter;
use std::convert::Infallible;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender, TryRecvError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;
use thiserror::Error;

/// Entries that wait for the writer: a fifth of a second at 20 000 requests a second. Each keeps its request's head alive
/// (mostly 8 KiB), so they hold 32 MiB at most.
pub const ENTRIES_QUEUED_MAX: usize = 4_096;

/// An access log that is being written. Shared by all threads.
#[derive(Debug)]
pub struct AccessLog {
    queue: SyncSender<Message>,
    asked: Arc<Asked>,
    dropped: IntCounter,
    /// Ends when the writer does. The lock is for [`AccessLog::close`] alone.
    writer: Mutex<Receiver<Infallible>>,
}

/// The writer did not finish in time; what it still had is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the access log could not be written to its end in time")]
pub struct Stuck;

#[derive(Debug)]
enum Message {
    Write(Box<(Entry, Outcome)>),
    /// Look at [`Asked`].
    Wake,
}

/// What the writer is asked to do, beside the queue: a full queue must not hinder it.
#[derive(Debug, Default)]
struct Asked {
    to_reopen: AtomicBool,
    to_stop: AtomicBool,
}

impl AccessLog {
    /// Opens `sink` and starts the writer. Lost entries are counted in `dropped`.
    ///
    /// # Errors
    /// The file cannot be opened, or the thread cannot be started.
    pub fn open(sink: Sink, dropped: IntCounter) -> io::Result<Self> {
        Self::with_queue(sink, dropped, ENTRIES_QUEUED_MAX)
    }

    fn with_queue(sink: Sink, dropped: IntCounter, entries_max: usize) -> io::Result<Self> {
        let output = Output::open(sink, dropped.clone())?;
        let (queue, messages) = mpsc::sync_channel(entries_max);
        let (running, writer) = mpsc::channel();
        let asked = Arc::new(Asked::default());
        let of_writer = Arc::clone(&asked);
        thread::Builder::new()
            .name("access-log".to_owned())
            .spawn(move || {
                write_all(messages, output, &of_writer);
                drop::<mpsc::Sender<Infallible>>(running);
            })?;
        Ok(Self {
            queue,
            asked,
            dropped,
            writer: Mutex::new(writer),
        })
    }

    /// Queues an entry, or loses it when the queue is full. Never waits.
    pub fn write(&self, entry: Entry, outcome: &Outcome) {
        let message = Message::Write(Box::new((entry, *outcome)));
        if self.queue.try_send(message).is_err() {
            self.dropped.inc();
        }
    }

    /// Opens the file anew before anything more is written, as log rotation needs it. Does nothing for other sinks.
    pub fn reopen(&self) {
        self.asked.to_reopen.store(true, SeqCst);
        self.wake();
    }

    /// Writes what is queued and ends the writer. Blocks, for at most `patience`. Later entries are lost.
    ///
    /// # Errors
    /// [`Stuck`] where that took too long.
    pub fn close(&self, patience: Duration) -> Result<(), Stuck> {
        self.asked.to_stop.store(true, SeqCst);
        self.wake();
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        match writer.recv_timeout(patience) {
            Err(RecvTimeoutError::Disconnected) => Ok(()),
            Err(RecvTimeoutError::Timeout) => Err(Stuck),
        }
    }

    fn wake(&self) {
        // When the queue is full the writer is not asleep, and looks after its next batch.
        let _ = self.queue.try_send(Message::Wake);
    }
}

/// The writer's life: sleep until there is something, write all there is, flush when the queue is empty. It owns the queue, so
/// that nobody can enqueue any more once it has ended.
fn write_all(queue: Receiver<Message>, mut output: Output, asked: &Asked) {
    while let Some(first) = next(&queue, asked) {
        let mut message = Some(first);
        while let Some(Message::Write(logged)) = message {
            output.add(&logged.0, &logged.1);
            message = if output.is_full() {
                None
            } else {
                queue.try_recv().ok()
            };
        }
        if asked.to_reopen.swap(false, SeqCst) {
            output.reopen();
        }
        output.flush();
    }
}

fn next(queue: &Receiver<Message>, asked: &Asked) -> Option<Message> {
    match queue.try_recv() {
        Ok(message) => Some(message),
        Err(TryRecvError::Empty) if !asked.to_stop.load(SeqCst) => queue.recv().ok(),
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::sync::mpsc::Sender;

    /// Ends a test that would hang.
    const PATIENCE: Duration = Duration::from_secs(30);

    /// A sink that says when it is written to and then waits to be let on.
    struct Gate {
        reached: Sender<String>,
        let_on: Receiver<()>,
    }

    impl Write for Gate {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let text = String::from_utf8_lossy(bytes).into_owned();
            self.reached.send(text).map_err(io::Error::other)?;
            self.let_on.recv().map_err(io::Error::other)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    struct Gated {
        log: AccessLog,
        dropped: IntCounter,
        reached: Receiver<String>,
        let_on: Sender<()>,
    }

    fn gated(entries_max: usize) -> Gated {
        let (reached, at_gate) = mpsc::channel();
        let (let_on, go) = mpsc::channel();
        let dropped = IntCounter::new("dropped", "dropped").unwrap();
        let sink = Sink::Writer(Box::new(Gate {
            reached,
            let_on: go,
        }));
        let log = AccessLog::with_queue(sink, dropped.clone(), entries_max).unwrap();
        Gated {
            log,
            dropped,
            reached: at_gate,
            let_on,
        }
    }

    fn log(log: &AccessLog, rule: &str) {
        let entry = Entry {
            rule: rule.to_owned(),
            ..Entry::default()
        };
        log.write(entry, &Outcome::default());
    }

    fn rules(text: &str) -> Vec<String> {
        let rule = |line: &str| {
            serde_json::from_str::<serde_json::Value>(line).unwrap()["rule"]
                .as_str()
                .unwrap()
                .to_owned()
        };
        text.lines().map(rule).collect()
    }

    #[test]
    fn a_stuck_writer_loses_entries_and_holds_nobody_up() {
        let gated = gated(2);
        log(&gated.log, "first");
        let first = gated.reached.recv().unwrap();
        for rule in ["second", "third", "lost", "lost"] {
            log(&gated.log, rule);
        }
        assert_eq!(gated.dropped.get(), 2);
        assert_eq!(gated.log.close(Duration::ZERO), Err(Stuck));

        gated.let_on.send(()).unwrap();
        gated.let_on.send(()).unwrap();
        assert_eq!(gated.log.close(PATIENCE), Ok(()));
        assert_eq!(
            (rules(&first), rules(&gated.reached.recv().unwrap())),
            (
                vec!["first".to_owned()],
                vec!["second".to_owned(), "third".to_owned()]
            )
        );
        log(&gated.log, "late");
        assert_eq!(gated.dropped.get(), 3);
    }

    #[test]
    fn closing_writes_what_is_queued() {
        let gated = gated(100);
        (0..50).for_each(|_| gated.let_on.send(()).unwrap());
        (0..50).for_each(|n| log(&gated.log, &n.to_string()));
        assert_eq!(gated.log.close(PATIENCE), Ok(()));
        let written: Vec<_> = gated
            .reached
            .try_iter()
            .flat_map(|text| rules(&text))
            .collect();
        assert_eq!(written, (0..50).map(|n| n.to_string()).collect::<Vec<_>>());
        assert_eq!(gated.dropped.get(), 0);
    }

    #[test]
    fn a_broken_sink_loses_entries_and_the_writer_goes_on() {
        let gated = gated(100);
        drop(gated.let_on);
        log(&gated.log, "a");
        gated.reached.recv().unwrap();
        log(&gated.log, "b");
        gated.reached.recv().unwrap();
        assert_eq!(gated.log.close(PATIENCE), Ok(()));
        assert_eq!(gated.dropped.get(), 2);
    }
}

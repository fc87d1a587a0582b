//! Where lines go: gathers them into batches, writes whole batches, and survives a sink that fails.

use super::entry::Entry;
use crate::metrics::Outcome;
use prometheus::IntCounter;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A batch is written once it is this large: some hundred lines for one system call.
const BATCH_BYTES: usize = 64 * 1024;

/// What a line needs before it is a request's own: keys, numbers, braces.
const LINE_BYTES_USUAL: usize = 512;

/// Where the access log goes.
pub enum Sink {
    /// Standard output.
    Stdout,
    /// A file that is appended to, made where there is none, and opened anew on request.
    File(PathBuf),
    /// Anything else.
    Writer(Box<dyn Write + Send>),
}

impl fmt::Debug for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdout => f.write_str("Stdout"),
            Self::File(path) => write!(f, "File({path:?})"),
            Self::Writer(_) => f.write_str("Writer"),
        }
    }
}

/// A sink and the batch that is written to it next.
pub(super) struct Output {
    to: Box<dyn Write + Send>,
    path: Option<PathBuf>,
    batch: Vec<u8>,
    lines: u64,
    dropped: IntCounter,
    /// The last write failed: it may have left half a line behind.
    failing: bool,
}

impl Output {
    pub(super) fn open(sink: Sink, dropped: IntCounter) -> io::Result<Self> {
        let (to, path): (Box<dyn Write + Send>, _) = match sink {
            Sink::Stdout => (Box::new(io::stdout()), None),
            Sink::File(path) => (Box::new(append_to(&path)?), Some(path)),
            Sink::Writer(writer) => (writer, None),
        };
        Ok(Self {
            to,
            path,
            batch: Vec::with_capacity(BATCH_BYTES + LINE_BYTES_USUAL),
            lines: 0,
            dropped,
            failing: false,
        })
    }

    pub(super) fn add(&mut self, entry: &Entry, outcome: &Outcome) {
        entry.write_line(outcome, &mut self.batch);
        self.lines += 1;
    }

    /// Whether the batch should be written before more is added.
    pub(super) fn is_full(&self) -> bool {
        self.batch.len() >= BATCH_BYTES
    }

    /// Writes the batch and flushes. A batch that cannot be written is lost.
    pub(super) fn flush(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        let written = self.write_batch();
        if let Err(error) = &written {
            self.dropped.inc_by(self.lines);
            if !self.failing {
                tracing::warn!(%error, "the access log cannot be written; entries are lost");
            }
        }
        self.failing = written.is_err();
        self.lines = 0;
        self.batch.clear();
    }

    fn write_batch(&mut self) -> io::Result<()> {
        if self.failing {
            self.to.write_all(b"\n")?;
        }
        self.to.write_all(&self.batch)?;
        self.to.flush()
    }

    /// Opens the file anew; keeps the old one where that fails.
    pub(super) fn reopen(&mut self) {
        let Some(path) = &self.path else { return };
        match append_to(path) {
            Ok(file) => {
                self.to = Box::new(file);
                self.failing = false;
            }
            Err(error) => {
                tracing::warn!(%error, ?path, "the access log stays with the file it has");
            }
        }
    }
}

fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::sync::{Arc, Mutex};

    fn counter() -> IntCounter {
        IntCounter::new("dropped", "dropped").unwrap()
    }

    fn lines(path: &Path) -> usize {
        fs::read_to_string(path).unwrap().lines().count()
    }

    #[test]
    fn a_file_is_appended_to_and_opened_anew() {
        let dir = tempfile::tempdir().unwrap();
        let (path, moved) = (dir.path().join("log"), dir.path().join("log.1"));
        fs::write(&path, "before\n").unwrap();
        let mut output = Output::open(Sink::File(path.clone()), counter()).unwrap();
        let write = |output: &mut Output| {
            output.add(&Entry::default(), &Outcome::default());
            output.flush();
        };
        write(&mut output);
        fs::rename(&path, &moved).unwrap();
        write(&mut output);
        assert_eq!(lines(&moved), 3);
        output.reopen();
        write(&mut output);
        assert_eq!((lines(&moved), lines(&path)), (3, 1));
    }

    #[test]
    fn a_file_that_cannot_be_opened_is_told() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Output::open(Sink::File(dir.path().to_owned()), counter()).is_err());
    }

    /// Takes ten bytes and then fails, every second time.
    struct Torn {
        written: Arc<Mutex<Vec<u8>>>,
        broken: Arc<Mutex<bool>>,
    }

    impl Write for Torn {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut written = self.written.lock().unwrap();
            let broken = *self.broken.lock().unwrap();
            if broken && written.len() >= 10 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            let taken = if broken { 10 } else { bytes.len() };
            written.extend_from_slice(&bytes[..taken]);
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn half_a_line_does_not_spoil_the_next() {
        let (written, broken) = (Arc::default(), Arc::new(Mutex::new(true)));
        let torn = Torn {
            written: Arc::clone(&written),
            broken: Arc::clone(&broken),
        };
        let dropped = counter();
        let mut output = Output::open(Sink::Writer(Box::new(torn)), dropped.clone()).unwrap();
        output.add(&Entry::default(), &Outcome::default());
        output.add(&Entry::default(), &Outcome::default());
        output.flush();
        assert_eq!(dropped.get(), 2);

        *broken.lock().unwrap() = false;
        output.add(&Entry::default(), &Outcome::default());
        output.flush();
        output.add(&Entry::default(), &Outcome::default());
        output.flush();
        let text = String::from_utf8(written.lock().unwrap().clone()).unwrap();
        let good: Vec<_> = text
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).is_ok())
            .collect();
        assert_eq!((good, dropped.get()), (vec![false, true, true], 2));
    }
}

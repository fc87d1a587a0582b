//! The last table that was applied, in a file: written whole or not at all, and believed only if it is what was written.
//!
//! The file is one line of JSON about the table and then the table, in the form that `--table` reads. It holds private
//! keys and is for its owner alone. Nothing here ever stops a proxy: what cannot be read or written is said and counted.

use crate::metrics::PushedMetrics;
use haldane_routing::spec::TableSpec;
use haldane_wire::{Digest, Generation, TABLE_BYTES_MAX};
use serde::{Deserialize, Serialize};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::sync::watch;

/// The file's name in its directory.
const FILE: &str = "snapshot";
/// What is written before it takes the file's place; one that a crash left behind is written over.
const FILE_UNFINISHED: &str = "snapshot.new";
/// What a file that cannot be used is renamed to, for whoever wants to know why.
const FILE_BROKEN: &str = "snapshot.broken";

/// The form of the file; another number is another form.
const FORM: u32 = 1;

/// No file is longer: the largest table, commas and brackets, and the first line.
const FILE_BYTES_MAX: u64 = TABLE_BYTES_MAX as u64 + (2 << 20);

/// A table that changes a hundred times a second is written once a second, so that disks live.
const WRITE_PAUSE: Duration = Duration::from_secs(1);

/// A table that was applied.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) generation: Generation,
    pub(super) table: TableSpec,
}

/// The first line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    form: u32,
    #[serde(flatten)]
    generation: Generation,
    /// Of all that follows.
    sha256: String,
}

/// Why a file cannot be used.
#[derive(Debug, Error)]
pub(super) enum DiskFault {
    #[error("it cannot be read: {0}")]
    Read(io::Error),
    #[error("it is longer than {FILE_BYTES_MAX} bytes")]
    TooLong,
    #[error("its first line is not ours: {0}")]
    Head(serde_json::Error),
    #[error("it has form {0}, and this proxy reads {FORM}")]
    Form(u32),
    #[error("it is not what was written: its digest is another")]
    Digest,
    #[error("its table cannot be read: {0}")]
    Table(serde_json::Error),
}

/// Where tables are kept.
#[derive(Debug)]
pub(super) struct Disk {
    directory: PathBuf,
    /// Holds the newest table until the writer takes it; what it did not get to in time is never written.
    newest: Option<watch::Sender<Arc<Kept>>>,
}

impl Disk {
    pub(super) fn in_directory(directory: PathBuf) -> Self {
        Self {
            directory,
            newest: None,
        }
    }

    /// The table there is, if it can be used; a file that cannot is moved aside.
    pub(super) fn load(&self) -> Option<Kept> {
        let path = self.directory.join(FILE);
        match load(&path) {
            Ok(kept) => kept,
            Err(fault) => {
                // On a disk that cannot be written it stays, and is left out again the next time.
                let _ = fs::rename(&path, self.directory.join(FILE_BROKEN));
                tracing::warn!(path = %path.display(), %fault, "the table on disk is left out");
                None
            }
        }
    }

    /// Writes a table soon, unless a newer one comes before. Must be called on a tokio runtime.
    pub(super) fn save(&mut self, kept: Kept, metrics: &PushedMetrics) {
        metrics.snapshot_stale.set(1);
        let kept = Arc::new(kept);
        if let Some(newest) = &self.newest {
            newest.send_replace(kept);
            return;
        }
        let (sender, receiver) = watch::channel(kept);
        self.newest = Some(sender);
        tokio::spawn(write_all(self.directory.clone(), receiver, metrics.clone()));
    }
}

async fn write_all(
    directory: PathBuf,
    mut newest: watch::Receiver<Arc<Kept>>,
    metrics: PushedMetrics,
) {
    newest.mark_changed();
    while newest.changed().await.is_ok() {
        let kept = newest.borrow_and_update().clone();
        let to = directory.clone();
        let written = tokio::task::spawn_blocking(move || write(&to, &kept)).await;
        match written.unwrap_or_else(|error| Err(io::Error::other(error))) {
            Ok(()) if !newest.has_changed().unwrap_or_default() => metrics.snapshot_stale.set(0),
            Ok(()) => {}
            Err(error) => {
                metrics.snapshot_write_errors.inc();
                tracing::warn!(directory = %directory.display(), %error, "the table was not written to disk");
            }
        }
        tokio::time::sleep(WRITE_PAUSE).await;
    }
}

fn write(directory: &Path, kept: &Kept) -> io::Result<()> {
    let table = serde_json::to_vec(&kept.table)?;
    let head = Head {
        form: FORM,
        generation: kept.generation,
        sha256: Digest::of(&table).to_string(),
    };
    let unfinished = directory.join(FILE_UNFINISHED);
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&unfinished)?;
    serde_json::to_writer(&mut file, &head)?;
    file.write_all(b"\n")?;
    file.write_all(&table)?;
    file.sync_all()?;
    fs::rename(&unfinished, directory.join(FILE))?;
    File::open(directory)?.sync_all()
}

fn load(path: &Path) -> Result<Option<Kept>, DiskFault> {
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Ok(found) if found.len() > FILE_BYTES_MAX => return Err(DiskFault::TooLong),
        _ => {}
    }
    let content = fs::read(path).map_err(DiskFault::Read)?;
    parse(&content).map(Some)
}

fn parse(content: &[u8]) -> Result<Kept, DiskFault> {
    let mut parts = content.splitn(2, |byte| *byte == b'\n');
    let (head, table) = (parts.next(), parts.next());
    let head: Head = serde_json::from_slice(head.unwrap_or_default()).map_err(DiskFault::Head)?;
    if head.form != FORM {
        return Err(DiskFault::Form(head.form));
    }
    let table = table.unwrap_or_default();
    if Digest::of(table).to_string() != head.sha256 {
        return Err(DiskFault::Digest);
    }
    Ok(Kept {
        generation: head.generation,
        table: serde_json::from_slice(table).map_err(DiskFault::Table)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use haldane_routing::spec::BackendSpec;
    use std::os::unix::fs::PermissionsExt as _;

    fn kept() -> Kept {
        let backend = BackendSpec {
            name: "shop/web:80 1.14".to_owned(),
            ..BackendSpec::default()
        };
        Kept {
            generation: Generation {
                term: 3,
                number: 17,
            },
            table: TableSpec {
                backends: vec![backend],
                ..TableSpec::default()
            },
        }
    }

    fn directory() -> (tempfile::TempDir, Disk) {
        let directory = tempfile::tempdir().expect("a directory");
        let disk = Disk::in_directory(directory.path().to_owned());
        (directory, disk)
    }

    #[test]
    fn what_was_written_is_read() {
        let (directory, disk) = directory();
        assert!(disk.load().is_none());
        fs::write(directory.path().join(FILE_UNFINISHED), "a crash").expect("written");
        for number in [17, 18] {
            let mut written = kept();
            written.generation.number = number;
            write(directory.path(), &written).expect("written");
            let read = disk.load().expect("it is there");
            assert_eq!(
                (read.generation, read.table),
                (written.generation, written.table)
            );
        }
        let file = fs::metadata(directory.path().join(FILE)).expect("it is there");
        assert_eq!(file.permissions().mode() & 0o777, 0o600, "it holds keys");
    }

    #[test]
    fn the_table_is_what_a_table_file_has() {
        let (directory, _) = directory();
        write(directory.path(), &kept()).expect("written");
        let content = fs::read_to_string(directory.path().join(FILE)).expect("read");
        let (_, table) = content.split_once('\n').expect("two lines");
        let table: TableSpec = serde_json::from_str(table).expect("a table");
        assert_eq!(table, kept().table);
    }

    /// Changes the file; what is then said of it.
    #[track_caller]
    fn check(change: impl FnOnce(Vec<u8>) -> Vec<u8>, reason: &str) {
        let (directory, disk) = directory();
        let path = directory.path().join(FILE);
        write(directory.path(), &kept()).expect("written");
        let changed = change(fs::read(&path).expect("read"));
        fs::write(&path, changed).expect("written");
        let fault = load(&path).expect_err("it was broken").to_string();
        assert!(fault.starts_with(reason), "{fault:?} is not {reason:?}");
        assert!(disk.load().is_none());
        assert!(!path.exists() && directory.path().join(FILE_BROKEN).exists());
    }

    #[test]
    fn what_was_not_written_so_is_not_believed() {
        check(|_| Vec::new(), "its first line is not ours");
        check(|_| b"{}\n{}".to_vec(), "its first line is not ours");
        check(
            |file| file[..file.len() - 1].to_vec(),
            "it is not what was written",
        );
        check(
            |mut file| {
                *file.last_mut().expect("not empty") ^= 1;
                file
            },
            "it is not what was written",
        );
        check(
            |file| {
                String::from_utf8_lossy(&file)
                    .replace("\"form\":1", "\"form\":2")
                    .into()
            },
            "it has form 2",
        );
        check(
            |_| {
                let sha256 = Digest::of(b"{\"lua\":1}");
                format!(
                    "{{\"form\":1,\"term\":1,\"number\":1,\"sha256\":\"{sha256}\"}}\n{{\"lua\":1}}"
                )
                .into()
            },
            "its table cannot be read",
        );
    }

    #[test]
    fn a_file_without_end_is_not_read() {
        let (directory, _) = directory();
        let path = directory.path().join(FILE);
        let file = File::create(&path).expect("created");
        file.set_len(FILE_BYTES_MAX + 1).expect("a hole");
        assert!(matches!(load(&path), Err(DiskFault::TooLong)));
    }

    #[test]
    fn a_disk_that_cannot_be_written_is_an_error_and_no_more() {
        let missing = Path::new("/proc/no/such/directory");
        assert!(write(missing, &kept()).is_err());
        assert!(Disk::in_directory(missing.to_owned()).load().is_none());
    }
}

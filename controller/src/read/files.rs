//! Finds the files to read, and reads them within bounds.

use super::of_file;
use crate::problem::Problem;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The largest file read. The API server takes objects of at most 1.5 MiB; this leaves room for a List of a
/// whole cluster's, and keeps a device or a log file given by mistake from filling the memory.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// How deep directories are followed; deeper ones are a loop of links or not meant.
const DEPTH_MAX: usize = 8;

/// How many files are read in all; more are not meant.
const FILES_MAX: usize = 10_000;

#[derive(Debug, thiserror::Error)]
pub(super) enum FileFault {
    #[error("cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    #[error("is larger than {} MiB", FILE_BYTES_MAX >> 20)]
    TooLarge,
    #[error("is not UTF-8 text")]
    NotText,
    #[error("has directories nested more than {DEPTH_MAX} deep")]
    TooDeep,
    #[error("holds more than {FILES_MAX} files; the rest is left out")]
    TooMany,
}

pub(super) fn find(paths: &[PathBuf], problems: &mut Vec<Problem>) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in paths {
        if let Err(fault) = visit(path, 0, &mut found) {
            problems.push(of_file(path).at("").error(fault.to_string()));
        }
    }
    found
}

/// A file given by name is read whatever it is called; one found in a directory only if its name says what it is.
fn visit(path: &Path, depth: usize, found: &mut Vec<PathBuf>) -> Result<(), FileFault> {
    if fs::metadata(path)?.is_dir() {
        return visit_directory(path, depth, found);
    }
    if found.len() >= FILES_MAX {
        return Err(FileFault::TooMany);
    }
    if depth == 0 || is_manifest(path) {
        found.push(path.to_owned());
    }
    Ok(())
}

fn visit_directory(path: &Path, depth: usize, found: &mut Vec<PathBuf>) -> Result<(), FileFault> {
    if depth >= DEPTH_MAX {
        return Err(FileFault::TooDeep);
    }
    let mut entries = fs::read_dir(path)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()?;
    entries.sort();
    for entry in entries.iter().filter(|entry| !is_hidden(entry)) {
        visit(entry, depth + 1, found)?;
    }
    Ok(())
}

fn is_hidden(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default();
    name.as_encoded_bytes().starts_with(b".")
}

fn is_manifest(path: &Path) -> bool {
    let extension = path.extension().unwrap_or_default();
    ["yaml", "yml", "json"]
        .iter()
        .any(|known| extension.eq_ignore_ascii_case(known))
}

/// The bound is on what is read, not on what the file's size claims: a pipe has none.
pub(super) fn read(path: &Path) -> Result<String, FileFault> {
    let mut bytes = Vec::new();
    fs::File::open(path)?
        .take(FILE_BYTES_MAX + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(FileFault::TooLarge);
    }
    String::from_utf8(bytes).map_err(|_| FileFault::NotText)
}

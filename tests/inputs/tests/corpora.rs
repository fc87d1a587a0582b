//! Every input that is kept in `fuzz/corpus` and `fuzz/found`, given to the check that it is for: as it is, and changed a
//! little.
//!
//! The changes are the same in every run. `HALDANE_TEST_SEED` makes others, `HALDANE_TEST_SCALE` more.

use haldane_inputs::{CHECKS, check};
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use std::path::{Path, PathBuf};

/// How often each input is changed.
const CHANGED: u64 = 20;

/// What changes put in: bytes that decide something somewhere.
const TELLING: &[u8] = b"\r\n\t\0 :;,#%/\\.?=-_*\"'<>{}[]()0159afxAZ\x7f\x80\xff";

/// The number in the environment under this name.
fn given(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// A few changes: a byte put in, replaced or taken out, a piece said twice or cut off, the end of another input.
fn changed(mut data: Vec<u8>, other: &[u8], chance: &mut SmallRng) -> Vec<u8> {
    for _ in 0..chance.random_range(1..5) {
        let at = chance.random_range(0..=data.len());
        let end = chance.random_range(at..=data.len().min(at + 16));
        let telling = TELLING[chance.random_range(0..TELLING.len())];
        match chance.random_range(0..7) {
            0 => data.insert(at, telling),
            1 if at < data.len() => data[at] = telling,
            2 if at < data.len() => data[at] = chance.random(),
            3 => drop(data.drain(at..end)),
            4 => data.extend_from_within(at..end),
            5 => data.truncate(at),
            _ => {
                let from = chance.random_range(0..=other.len());
                data.splice(at..end, other[from..].iter().take(64).copied());
            }
        }
    }
    data
}

fn inputs(folder: &str, name: &str) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz");
    let files = std::fs::read_dir(root.join(folder).join(name));
    let files = files.into_iter().flatten().flatten();
    files.map(|file| file.path()).collect()
}

#[track_caller]
fn check_all(name: &str) {
    let kept = inputs("corpus", name);
    assert!(!kept.is_empty(), "{name} has no corpus");
    let files = kept.into_iter().chain(inputs("found", name));
    let mut files: Vec<PathBuf> = files.collect();
    files.sort();
    let all: Vec<Vec<u8>> = files.iter().map(|file| read(file)).collect();
    let mut chance = SmallRng::seed_from_u64(given("HALDANE_TEST_SEED").unwrap_or(0));
    let count = CHANGED * given("HALDANE_TEST_SCALE").unwrap_or(1);
    for (file, data) in files.iter().zip(&all) {
        println!("{}", file.display());
        check(name, data);
        for _ in 0..count {
            let other = &all[chance.random_range(0..all.len())];
            let data = changed(data.clone(), other, &mut chance);
            println!("{}", data.escape_ascii());
            check(name, &data);
        }
    }
}

fn read(file: &Path) -> Vec<u8> {
    std::fs::read(file).expect("the file can be read")
}

#[test]
fn annotations_make_a_table_that_can_be_built() {
    check_all("annotations");
}

#[test]
fn fields_are_clean_when_they_are_cleaned() {
    check_all("fields");
}

#[test]
fn heads_of_either_version_are_forwarded_in_one_form_or_not_at_all() {
    check_all("head");
    check_all("frames");
}

#[test]
fn paths_mean_what_they_meant() {
    check_all("path");
}

#[test]
fn backends_get_canonical_requests_only() {
    check_all("proxy");
}

#[test]
fn tables_are_built_or_refused() {
    check_all("table");
}

#[test]
fn every_check_has_a_fuzz_target() {
    for (name, _) in CHECKS {
        let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/fuzz_targets");
        assert!(target.join(format!("{name}.rs")).is_file(), "{name}");
    }
}

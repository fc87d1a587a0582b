//! Every line that the chart renders, kept for review. `HALDANE_GOLDEN=write` writes the files anew.

use crate::CASES;
use crate::helm;
use std::ffi::OsString;
use std::fs;

/// Stands for what is drawn anew each time.
const DRAWN: &str = "<generated>";

#[test]
fn every_case_renders_what_was_reviewed() -> anyhow::Result<()> {
    for (case, text) in helm::cases().unwrap_or_default() {
        compare(
            &format!("tests/tests/chart/golden/{case}.yaml"),
            &masked(text),
        )?;
    }
    Ok(())
}

#[test]
fn no_value_or_golden_file_is_left_out() -> anyhow::Result<()> {
    for folder in ["values", "golden"] {
        for entry in fs::read_dir(helm::folder().join(folder))? {
            let file = entry?.file_name();
            let known = CASES
                .iter()
                .any(|case| file == OsString::from(format!("{case}.yaml")));
            assert!(known, "{folder}/{} is not tested", file.display());
        }
    }
    Ok(())
}

/// Compares `text` with a file of the checkout, or writes it where that is asked for.
pub(crate) fn compare(file: &str, text: &str) -> anyhow::Result<()> {
    let path = helm::root().join(file);
    if std::env::var_os("HALDANE_GOLDEN").is_some_and(|wish| wish == "write") {
        return Ok(fs::write(path, text)?);
    }
    let kept = fs::read_to_string(path).unwrap_or_default();
    let differs = kept.lines().zip(text.lines()).position(|(a, b)| a != b);
    let line = differs.unwrap_or_else(|| kept.lines().count().min(text.lines().count()));
    assert!(
        kept == text,
        "{file} differs from line {} on:\n- {}\n+ {}\nread the change, then HALDANE_GOLDEN=write cargo test -p haldane-tests --test chart",
        line + 1,
        kept.lines().nth(line).unwrap_or("(end)"),
        text.lines().nth(line).unwrap_or("(end)"),
    );
    Ok(())
}

/// The text without keys and certificates: the entries of Secrets.
fn masked(text: &str) -> String {
    let documents: Vec<String> = text.split("---\n").map(mask_document).collect();
    documents.join("---\n")
}

fn mask_document(document: &str) -> String {
    if !document.contains("\nkind: Secret\n") {
        return document.to_owned();
    }
    let mut in_data = false;
    let lines = document.lines().map(|line| {
        in_data = line == "data:" || (in_data && line.starts_with("  "));
        match line.split_once(": ") {
            Some((key, _)) if in_data => format!("{key}: {DRAWN}\n"),
            _ => format!("{line}\n"),
        }
    });
    lines.collect()
}

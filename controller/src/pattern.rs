//! Checks regular expressions where they are written, with the engine that will run them.
//!
//! The engine takes time linear in the text whatever the expression, and has no look-around and no back-references.

use crate::problem::Refused;
use regex::{Regex, RegexBuilder};

/// How large a compiled expression may be, in bytes: far above any that a person writes, far below what nested
/// repetitions can ask for.
const COMPILED_BYTES_MAX: usize = 1 << 20;

/// An expression that is searched for in a value.
pub(crate) fn search(pattern: &str) -> Result<String, Refused> {
    compile(pattern, false)?;
    Ok(pattern.to_owned())
}

/// How many groups the expression of a path has.
pub(crate) fn path_groups(pattern: &str) -> Result<usize, Refused> {
    // Alone first: `a)|(b` is no expression, but becomes one inside a group.
    compile(pattern, true)?;
    let regex = compile(&format!("^(?:{pattern})"), true)?;
    Ok(regex.captures_len() - 1)
}

fn compile(pattern: &str, ignore_case: bool) -> Result<Regex, Refused> {
    let built = RegexBuilder::new(pattern)
        .case_insensitive(ignore_case)
        .size_limit(COMPILED_BYTES_MAX)
        .build();
    built.map_err(|fault| Refused(explain(pattern, &fault)))
}

fn explain(pattern: &str, fault: &regex::Error) -> String {
    let reason = match fault {
        regex::Error::CompiledTooBig(_) => "it is too large".to_owned(),
        // The last line of the engine's drawing is the sentence.
        other => other
            .to_string()
            .lines()
            .last()
            .unwrap_or_default()
            .replace("error: ", ""),
    };
    format!("{pattern:?} is not a regular expression that can be used: {reason}")
}

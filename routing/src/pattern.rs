//! Regular expressions with bounds: on what is written and on what it compiles to.
//!
//! The engine is linear in the text and never backtracks, so a bound on the program bounds the time.

use crate::fault::FaultReason;
use crate::parse;
use regex_syntax::hir::literal::Extractor;

/// The longest expression, in bytes. Lists of user agents come to a few hundred.
const PATTERN_BYTES_MAX: usize = 4096;

/// The largest compiled expression, in bytes; `\w{1000}` would need more. A table may hold thousands of them.
const COMPILED_BYTES_MAX: usize = 1 << 20;

const ANCHOR: &str = "^(?:";
const END: &str = ")";

/// An expression over a header's, cookie's or parameter's value, found anywhere in it.
pub(crate) fn value(pattern: &str) -> Result<regex::bytes::Regex, FaultReason> {
    parse::short(pattern, PATTERN_BYTES_MAX)?;
    regex::bytes::RegexBuilder::new(pattern)
        .size_limit(COMPILED_BYTES_MAX)
        .build()
        .map_err(|error| fault(&error))
}

/// An expression over a path, anchored at its start.
pub(crate) fn path(pattern: &str, ignore_case: bool) -> Result<regex::Regex, FaultReason> {
    parse::short(pattern, PATTERN_BYTES_MAX)?;
    // Alone first: `a)|(b` is no expression, but becomes one inside a group.
    regex_syntax::parse(pattern).map_err(|error| FaultReason::Regex(last_line(&error)))?;
    regex::RegexBuilder::new(&format!("{ANCHOR}{pattern}{END}"))
        .case_insensitive(ignore_case)
        .size_limit(COMPILED_BYTES_MAX)
        .build()
        .map_err(|error| fault(&error))
}

/// What was written of an expression made by [`path`].
pub(crate) fn path_pattern(regex: &regex::Regex) -> &str {
    let pattern = regex.as_str();
    let inner = pattern
        .strip_prefix(ANCHOR)
        .and_then(|p| p.strip_suffix(END));
    inner.unwrap_or(pattern)
}

/// The text that every path matched by `pattern` starts with, but for case; often all up to the first group.
///
/// Lets most expressions be passed over without running them.
pub(crate) fn literal_prefix(pattern: &str) -> Box<str> {
    let Ok(hir) = regex_syntax::parse(pattern) else {
        return Box::default();
    };
    let literals = Extractor::new().extract(&hir);
    let prefix = literals.longest_common_prefix().unwrap_or_default();
    let ascii = prefix.iter().take_while(|byte| byte.is_ascii());
    ascii
        .map(|&byte| char::from(byte))
        .collect::<String>()
        .into()
}

fn fault(error: &regex::Error) -> FaultReason {
    match error {
        regex::Error::CompiledTooBig(max) => FaultReason::RegexTooBig { max: *max },
        _ => FaultReason::Regex(last_line(error)),
    }
}

/// The engine draws the expression with a caret under the fault; its last line says what it is.
fn last_line(error: &impl ToString) -> String {
    let drawn = error.to_string();
    let line = drawn.lines().last().unwrap_or_default();
    line.trim_start_matches("error: ").to_owned()
}

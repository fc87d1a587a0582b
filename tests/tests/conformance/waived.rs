//! Cases that may fail.
//!
//! In the file a case stands at the beginning of a line and its reason in the indented lines behind it; lines that begin
//! with `#` are remarks.

use super::Case;
use std::collections::BTreeMap;

/// What is wrong with the outcome of a suite, a line each: failures that nobody waived, and waivers that are not needed.
pub(crate) fn faults(waived: &str, cases: &[Case]) -> Vec<String> {
    let mut waived = parse(waived);
    let mut faults = Vec::new();
    for Case { name, failure } in cases {
        match (failure, waived.remove(&**name)) {
            (Some(why), None) => faults.push(format!("{name}: fails: {why}")),
            (None, Some(_)) => faults.push(format!("{name}: passes, so it need not be waived")),
            (Some(_), Some("")) => faults.push(format!("{name}: is waived without a reason")),
            (None, None) | (Some(_), Some(_)) => {}
        }
    }
    let unknown = waived.keys();
    faults.extend(unknown.map(|name| format!("{name}: is waived, but no case")));
    faults
}

/// The cases of a file and the first line of each one's reason.
fn parse(text: &str) -> BTreeMap<&str, &str> {
    let mut cases = BTreeMap::new();
    let mut last = None;
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let reason = line.trim_start();
        if reason.is_empty() {
            last = None;
        } else if reason.len() == line.len() {
            cases.insert(line, "");
            last = Some(line);
        } else if let Some(first) = last.take() {
            cases.insert(first, reason);
        }
    }
    cases
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A case's outcome and what is waived, to what is wrong.
    #[track_caller]
    fn check(failure: Option<&str>, waived: &str, expected: &[&str]) {
        let case = Case {
            name: "1/1 asks".to_owned(),
            failure: failure.map(str::to_owned),
        };
        assert_eq!(faults(waived, &[case]), expected);
    }

    #[test]
    fn a_waiver_is_for_a_case_that_fails_and_says_why() {
        check(None, "", &[]);
        check(Some("late"), "", &["1/1 asks: fails: late"]);
        check(Some("late"), "# why not\n1/1 asks\n  it may\n", &[]);
        check(
            Some("late"),
            "1/1 asks\n\n  behind\n",
            &["1/1 asks: is waived without a reason"],
        );
        check(
            None,
            "1/1 asks\n  it may\n",
            &["1/1 asks: passes, so it need not be waived"],
        );
        check(
            None,
            "1/2 says\n  it may\n  or not\n",
            &["1/2 says: is waived, but no case"],
        );
    }
}

//! Which of several rules that match one request wins. The order is total, so that a table means one thing.
//!
//! The more specific wins: "exact path > longest prefix > method > number of header matches > number of query
//! matches > oldest object > name", as Gateway API has it, with the host before all and regular expressions after the
//! longest prefix. Conditions that Gateway API does not have come where a reader would expect them: cookies count as
//! the headers that they are, client networks and countries after the query.

use crate::condition::Condition;
use crate::host::HostRank;
use crate::path::PathRank;
use crate::rule::{Alternative, Rule};
use std::cmp::Reverse;

/// The precedence of one alternative of a rule; the smallest wins.
///
/// The derived order compares field by field from the top, which is the rule as it is written above.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Precedence<'a> {
    host: HostRank,
    path: PathRank,
    conditions: Specificity,
    created: i64,
    namespace: &'a str,
    name: &'a str,
    /// Unique in a table.
    rule: &'a str,
    /// Of two alternatives of one rule, the first.
    alternative: usize,
}

/// How much is asked of a request besides host and path; more is smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Specificity {
    method: Reverse<bool>,
    headers: Reverse<usize>,
    query: Reverse<usize>,
    client: Reverse<usize>,
}

impl<'a> Precedence<'a> {
    pub(crate) fn of(rule: &'a Rule, at: usize, alternative: &Alternative) -> Self {
        let origin = rule.origin();
        Self {
            host: alternative.host.rank(),
            path: alternative.path.rank(),
            conditions: Specificity::of(&alternative.conditions),
            created: origin.created,
            namespace: &origin.namespace,
            name: &origin.name,
            rule: rule.id(),
            alternative: at,
        }
    }
}

impl Specificity {
    fn of(conditions: &[Condition]) -> Self {
        let count = |kind: fn(&Condition) -> bool| conditions.iter().filter(|c| kind(c)).count();
        let methods = count(|c| matches!(c, Condition::Method(_)));
        Self {
            method: Reverse(methods > 0),
            headers: Reverse(count(|c| {
                matches!(c, Condition::Header(..) | Condition::Cookie(..))
            })),
            query: Reverse(count(|c| matches!(c, Condition::Query(..)))),
            client: Reverse(count(|c| {
                matches!(c, Condition::SourceIp(_) | Condition::Country(_))
            })),
        }
    }
}

//! Why a request goes where it goes: every rule that was in question, and what decides about the version.
//!
//! This looks at the whole table and is for people; it takes no ticket and changes nothing.

mod text;

use crate::forward::{By, Call, Forward, TicketKey, Version};
use crate::precedence::Precedence;
use crate::request::RequestView;
use crate::rule::{Action, Alternative, Rule};
use crate::schedule::VersionIndex;
use crate::spec::{Address, OnEmpty};
use crate::table::{Found, Table};
use serde::Serialize;

/// The most rules that are listed; those for other paths are left out first. More than a screen or two helps nobody.
const CONSIDERED_MAX: usize = 100;

/// Why a request goes where it goes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explanation {
    /// The rules for the request's host, in the order in which they are tried. One that has several matches for this
    /// host stands here several times.
    pub considered: Vec<Considered>,
    /// How many more there are.
    pub left_out: usize,
    /// What happens.
    pub outcome: Outcome,
}

/// One match of one rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Considered {
    /// The rule's id.
    pub rule: String,
    /// The object it came from, as `namespace/name`.
    pub origin: String,
    /// The host pattern; `*.` is one label, `**.` one or more, `*` every host.
    pub host: String,
    /// The path pattern, after `exact`, `prefix` or `regex`.
    pub path: String,
    /// The other conditions.
    pub conditions: Vec<String>,
    /// What came of it.
    pub verdict: Verdict,
}

/// What came of one match.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It decides.
    Wins,
    /// It matches too, but comes after the one that wins.
    ComesLater,
    /// The request's path is another.
    PathDiffers,
    /// A condition does not hold; others may not either.
    Fails {
        /// The first that does not hold.
        condition: String,
        /// What the request has there; absent where it has nothing.
        seen: Option<String>,
    },
}

/// What happens to the request.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// No rule: 404.
    NoRule,
    /// It is passed on.
    Forward(Decision),
    /// It is answered with a redirect of this status.
    Redirect(u16),
    /// It is answered with this status and a fixed text.
    Respond(u16),
}

/// What decides about the version.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Decision {
    /// The winning rule's id.
    pub rule: String,
    /// What decides.
    pub by: By,
    /// The conditions that force the version; empty where nothing does.
    pub forced_by: Vec<String>,
    /// The version that serves it, where that is certain before a ticket is taken.
    pub version: Option<String>,
    /// Where it is certain that no version has an endpoint to serve it with: 503.
    pub unavailable: bool,
    /// What happens to requests of a version without endpoints.
    pub on_empty: OnEmpty,
    /// All versions of the rule.
    pub versions: Vec<Share>,
}

/// A version and its part of the split.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Share {
    /// Its name.
    pub version: String,
    /// Its weight.
    pub weight: u64,
    /// Its part of the requests that are split, in per cent.
    pub percent: f64,
    /// Where it takes requests.
    pub endpoints: Vec<Address>,
}

impl Table {
    /// Says which rules were in question for a request, which wins, and what decides about the version. Takes no ticket.
    #[must_use]
    pub fn explain(&self, request: &RequestView<'_>, key: &TicketKey) -> Explanation {
        let found = self.find(request);
        let mut considered = considered(self, request, found.as_ref());
        let all = considered.len();
        shorten(&mut considered);
        Explanation {
            left_out: all - considered.len(),
            considered,
            outcome: found.map_or(Outcome::NoRule, |found| outcome(found.rule, request, key)),
        }
    }
}

fn considered(
    table: &Table,
    request: &RequestView<'_>,
    found: Option<&Found<'_>>,
) -> Vec<Considered> {
    let of_rule = |rule| {
        let alternatives = Rule::alternatives(rule).iter().enumerate();
        alternatives.map(move |(at, alternative)| (rule, at, alternative))
    };
    let all = table.rules().iter().flat_map(|rule| of_rule(rule));
    let mut on_host: Vec<_> = all
        .filter(|(_, _, a)| a.host.matches(request.host))
        .collect();
    on_host.sort_by_cached_key(|(rule, at, alternative)| Precedence::of(rule, *at, alternative));
    let consider = |(rule, _, alternative)| Considered::new(rule, alternative, request, found);
    on_host.into_iter().map(consider).collect()
}

fn shorten(considered: &mut Vec<Considered>) {
    if considered.len() > CONSIDERED_MAX {
        considered.retain(|one| one.verdict != Verdict::PathDiffers);
    }
    considered.truncate(CONSIDERED_MAX);
}

impl Considered {
    fn new(
        rule: &Rule,
        alternative: &Alternative,
        request: &RequestView<'_>,
        found: Option<&Found<'_>>,
    ) -> Self {
        let origin = rule.origin();
        let wins = found.is_some_and(|found| std::ptr::eq(found.path(), &alternative.path));
        Self {
            rule: rule.id().to_owned(),
            origin: format!("{}/{}", origin.namespace, origin.name),
            host: alternative.host.to_string(),
            path: alternative.path.to_string(),
            conditions: alternative
                .conditions
                .iter()
                .map(ToString::to_string)
                .collect(),
            verdict: if wins {
                Verdict::Wins
            } else {
                why_not(alternative, request)
            },
        }
    }
}

fn why_not(alternative: &Alternative, request: &RequestView<'_>) -> Verdict {
    if !alternative.path.matches(request.path) {
        return Verdict::PathDiffers;
    }
    let mut conditions = alternative.conditions.iter();
    match conditions.find(|condition| !condition.holds(request)) {
        None => Verdict::ComesLater,
        Some(failed) => Verdict::Fails {
            condition: failed.to_string(),
            seen: failed.seen(request),
        },
    }
}

fn outcome(rule: &Rule, request: &RequestView<'_>, key: &TicketKey) -> Outcome {
    match rule.action() {
        Action::Forward(forward) => Outcome::Forward(decision(rule, forward, request, key)),
        Action::Redirect(redirect) => Outcome::Redirect(redirect.status().as_u16()),
        Action::Respond { status, .. } => Outcome::Respond(status.as_u16()),
    }
}

fn decision(
    rule: &Rule,
    forward: &Forward,
    request: &RequestView<'_>,
    key: &TicketKey,
) -> Decision {
    let versions = forward.versions();
    let call = forward.call(request, key);
    let (by, version, unavailable) = served(forward, &call);
    Decision {
        rule: rule.id().to_owned(),
        by,
        forced_by: forced_by(&call),
        version: version.map(|version| versions[version.index()].name().to_owned()),
        unavailable,
        on_empty: forward.on_empty(),
        versions: shares(versions),
    }
}

fn forced_by(call: &Call<'_>) -> Vec<String> {
    match call {
        Call::Forced(_, conditions) => conditions.iter().map(ToString::to_string).collect(),
        Call::Sticky(_) | Call::Split => Vec::new(),
    }
}

/// What decides, the version where it is certain, and whether it is certain that there is none.
fn served(forward: &Forward, call: &Call<'_>) -> (By, Option<VersionIndex>, bool) {
    let versions = forward.versions();
    let (by, due) = match *call {
        Call::Forced(version, _) => (By::Match, Some(version)),
        Call::Sticky(version) => (By::Sticky, Some(version)),
        Call::Split => (By::Split, only(versions.iter().map(Version::weight))),
    };
    let is_replaced = |version: &VersionIndex| !forward.stands(*version);
    match (due.filter(is_replaced), forward.failover_weights()) {
        (None, _) => (by, due, false),
        (Some(_), Some(weights)) => (By::Failover, only(weights.iter().copied()), false),
        (Some(_), None) => (by, None, true),
    }
}

/// The only version with weight, if there is just one.
fn only(weights: impl Iterator<Item = u64>) -> Option<VersionIndex> {
    let mut some = weights.enumerate().filter(|(_, weight)| *weight > 0);
    match (some.next(), some.next()) {
        (Some((at, _)), None) => VersionIndex::new(at),
        _ => None,
    }
}

fn shares(versions: &[Version]) -> Vec<Share> {
    let sum: f64 = versions.iter().map(|version| version.weight() as f64).sum();
    let share = |version: &Version| Share {
        version: version.name().to_owned(),
        weight: version.weight(),
        percent: version.weight() as f64 * 100.0 / sum,
        endpoints: version.endpoints().to_vec(),
    };
    versions.iter().map(share).collect()
}

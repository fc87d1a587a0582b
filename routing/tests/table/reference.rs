//! Random tables against a slow reference that scans every match of every rule.

use crate::support::{Request, build, host_spec, path_spec, rule};
use haldane_routing::spec::{
    ConditionSpec, HostSpec, MatchSpec, PathSpec, RuleSpec, TableSpec, TestSpec,
};
use http::HeaderName;
use proptest::prelude::*;
use std::cmp::Reverse;

fn matches(spec: &MatchSpec, request: &Request) -> bool {
    host_matches(&spec.host, &request.host)
        && path_matches(&spec.path, &request.path)
        && spec
            .conditions
            .iter()
            .all(|condition| holds(condition, request))
}

fn host_matches(spec: &HostSpec, host: &str) -> bool {
    let labels: Vec<&str> = host.split('.').collect();
    let above = |suffix: &str| {
        let suffix: Vec<&str> = suffix.split('.').collect();
        let above = labels.len().saturating_sub(suffix.len());
        if labels[above..] == suffix && !host.starts_with('.') {
            above
        } else {
            0
        }
    };
    match spec {
        HostSpec::Any => true,
        HostSpec::Exact(name) => name == host,
        HostSpec::OneLabel(suffix) => above(suffix) == 1,
        HostSpec::ManyLabels(suffix) => above(suffix) >= 1,
    }
}

fn path_matches(spec: &PathSpec, path: &str) -> bool {
    match spec {
        PathSpec::Exact(exact) => exact == path,
        PathSpec::Prefix(prefix) => {
            let prefix: Vec<&str> = prefix
                .strip_suffix('/')
                .unwrap_or(prefix)
                .split('/')
                .collect();
            let path: Vec<&str> = path.split('/').collect();
            path.starts_with(&prefix)
        }
        PathSpec::Regex {
            pattern,
            ignore_case,
        } => {
            let regex = regex::RegexBuilder::new(pattern)
                .case_insensitive(*ignore_case)
                .build()
                .unwrap();
            regex.find(path).is_some_and(|found| found.start() == 0)
        }
    }
}

/// Only the kinds that are generated below.
fn holds(condition: &ConditionSpec, request: &Request) -> bool {
    match condition {
        ConditionSpec::Method(methods) => methods
            .iter()
            .any(|method| request.method == method.as_str()),
        ConditionSpec::Header(name, TestSpec::Equals(value)) => {
            let name: HeaderName = name.parse().unwrap();
            request.headers.get(name).is_some_and(|seen| seen == value)
        }
        ConditionSpec::Query(name, TestSpec::Present) => request.query.as_ref() == Some(name),
        other => panic!("{other:?} is not generated"),
    }
}

/// The documented order, written out once more.
fn rank<'s>(rule: &'s RuleSpec, at: usize, spec: &'s MatchSpec) -> impl Ord + use<'s> {
    let host = match &spec.host {
        HostSpec::Exact(_) => (0, Reverse(0), 0),
        HostSpec::OneLabel(suffix) => (1, Reverse(suffix.len()), 0),
        HostSpec::ManyLabels(suffix) => (1, Reverse(suffix.len()), 1),
        HostSpec::Any => (2, Reverse(0), 0),
    };
    let path = match &spec.path {
        PathSpec::Exact(_) => (0, Reverse(0)),
        PathSpec::Prefix(prefix) => (1, Reverse(prefix.strip_suffix('/').unwrap_or(prefix).len())),
        PathSpec::Regex { pattern, .. } => (2, Reverse(pattern.len())),
    };
    let count = |kind: fn(&ConditionSpec) -> bool| {
        Reverse(spec.conditions.iter().filter(|c| kind(c)).count())
    };
    let method = Reverse(count(|c| matches!(c, ConditionSpec::Method(_))) < Reverse(0));
    let headers = count(|c| matches!(c, ConditionSpec::Header(..)));
    let query = count(|c| matches!(c, ConditionSpec::Query(..)));
    (
        host,
        path,
        (method, headers, query),
        rule.origin.created,
        &rule.id,
        at,
    )
}

fn reference<'s>(spec: &'s TableSpec, request: &Request) -> Option<&'s str> {
    let all = spec.rules.iter().flat_map(|rule| {
        let matches = rule.matches.iter().enumerate();
        matches.map(move |(at, matched)| (rule, at, matched))
    });
    let matching = all.filter(|(_, _, matched)| matches(matched, request));
    let best = matching.min_by_key(|(rule, at, matched)| rank(rule, *at, matched));
    best.map(|(rule, _, _)| &*rule.id)
}

/// Few enough of each that they often meet.
fn hosts() -> impl Strategy<Value = HostSpec> {
    let hosts = ["*", "a.b.c", "b.c", "*.c", "*.b.c", "**.c", "**.b.c", "d"];
    prop::sample::select(hosts.to_vec()).prop_map(host_spec)
}

fn paths() -> impl Strategy<Value = PathSpec> {
    let paths = [
        "/", "/a", "/a/", "/a/b", "/b", "//", "=/", "=/a", "=/a/", "=/a/b", "=/a/b/c", "~/a",
        "~/[ab]", "~/a/.*/c", "~*/A/B", "~b", "~/a|/b", "~",
    ];
    prop::sample::select(paths.to_vec()).prop_map(path_spec)
}

fn conditions() -> impl Strategy<Value = Vec<ConditionSpec>> {
    let equals = |value: &str| TestSpec::Equals(value.to_owned());
    let conditions = [
        ConditionSpec::Method(vec!["GET".to_owned()]),
        ConditionSpec::Method(vec!["GET".to_owned(), "POST".to_owned()]),
        ConditionSpec::Header("x".to_owned(), equals("1")),
        ConditionSpec::Header("y".to_owned(), equals("1")),
        ConditionSpec::Query("q".to_owned(), TestSpec::Present),
    ];
    let some = prop::sample::subsequence(conditions.to_vec(), 0..=3);
    prop_oneof![2 => Just(Vec::new()), 1 => some]
}

fn tables() -> impl Strategy<Value = TableSpec> {
    let matched = (hosts(), paths(), conditions()).prop_map(|(host, path, conditions)| MatchSpec {
        host,
        path,
        conditions,
    });
    let matches = prop::collection::vec(matched, 1..3);
    let rules = prop::collection::vec((matches, 0..3_i64), 0..24);
    let spec = |(at, (matches, created)): (usize, (Vec<MatchSpec>, i64))| {
        let mut rule = rule(&format!("r{at:02}"), &[]);
        rule.matches = matches;
        rule.origin.created = created;
        rule
    };
    rules.prop_map(move |rules| TableSpec {
        rules: rules.into_iter().enumerate().map(spec).collect(),
        ..TableSpec::default()
    })
}

fn requests() -> impl Strategy<Value = Request> {
    let hosts = ["a.b.c", "b.c", "x.b.c", "x.y.b.c", "c", "d", "x", ".c", ""];
    let paths = [
        "/", "/a", "/a/", "/a/b", "/A/b", "/a/b/c", "/b/x", "//", "/x", "/ab", "/a//b",
    ];
    let rest = ["", "?q", "; x: 1", "?q; x: 1; y: 1", "; y: 1"];
    let select = |from: &'static [&'static str]| prop::sample::select(from);
    let parts = (
        select(&["GET", "POST", "PUT"]),
        prop::sample::select(hosts.to_vec()),
        prop::sample::select(paths.to_vec()),
        prop::sample::select(rest.to_vec()),
    );
    parts.prop_map(|(method, host, path, rest)| {
        Request::parse(&format!("{method} {host}{path}{rest}"))
    })
}

proptest! {
    #[test]
    fn find_is_a_scan_by_precedence(spec in tables(), requests in prop::collection::vec(requests(), 32)) {
        let table = build(&spec);
        for request in requests {
            let found = table.find(&request.view()).map(|found| found.rule.id());
            prop_assert_eq!(found, reference(&spec, &request), "{:?}", request);
        }
    }

    #[test]
    fn the_order_of_rules_does_not_matter(
        (spec, shuffled) in tables().prop_flat_map(|spec| {
            let rules = Just(spec.rules.clone()).prop_shuffle();
            (Just(spec), rules)
        }),
        requests in prop::collection::vec(requests(), 16),
    ) {
        let shuffled = TableSpec { rules: shuffled, ..TableSpec::default() };
        let (table, shuffled) = (build(&spec), build(&shuffled));
        for request in requests {
            let id = |table: &haldane_routing::Table| table.find(&request.view()).map(|found| found.rule.id().to_owned());
            prop_assert_eq!(id(&table), id(&shuffled));
        }
    }

    #[test]
    fn an_explanation_names_the_rule_that_is_found(spec in tables(), request in requests()) {
        use haldane_routing::Verdict;
        let table = build(&spec);
        let found = table.find(&request.view()).map(|found| found.rule.id());
        let explanation = table.explain(&request.view(), &crate::support::key());
        let verdicts = || explanation.considered.iter();
        prop_assert_eq!(verdicts().find(|one| one.verdict == Verdict::Wins).map(|one| &*one.rule), found);
        let first = verdicts().find(|one| matches!(one.verdict, Verdict::Wins | Verdict::ComesLater));
        prop_assert_eq!(first.map(|one| &*one.rule), found);
    }
}

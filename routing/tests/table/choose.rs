//! Which version a request goes to: forced, sticky, split, failover.

use crate::support::{Request, build, condition, key, rebuild, split};
use haldane_routing::spec::{ForcedSpec, ForwardSpec, OnEmpty, TableSpec};
use haldane_routing::{Action, By, Choice, Empty, Forward, Table};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// What the only rule that forwards does.
pub(crate) fn forward(table: &Table) -> &Forward {
    let mut forwards = table.rules().iter().filter_map(|rule| match rule.action() {
        Action::Forward(forward) => Some(forward),
        Action::Redirect(_) | Action::Respond { .. } => None,
    });
    forwards.next().expect("a rule forwards")
}

fn choose(table: &Table, request: &str) -> Result<Choice, Empty> {
    let request = Request::parse(request);
    forward(table).choose(&request.view(), &key(), || panic!("nothing is sticky here"))
}

/// `version by`, with the version drawn where it is another; `503` and the same where there is none.
fn outcome(table: &Table, choice: Result<Choice, Empty>) -> String {
    let name =
        |version: haldane_routing::VersionIndex| forward(table).versions()[version.index()].name();
    match choice {
        Ok(choice) if choice.by == By::Failover => {
            format!(
                "{} failover from {}",
                name(choice.version),
                name(choice.drawn)
            )
        }
        Ok(choice) => {
            assert_eq!(choice.version, choice.drawn);
            format!("{} {}", name(choice.version), choice.by.as_str())
        }
        Err(empty) => format!("503 {} {}", name(empty.drawn), empty.by.as_str()),
    }
}

fn counts(table: &Table, requests: usize) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for _ in 0..requests {
        *counts
            .entry(outcome(table, choose(table, "GET h/")))
            .or_default() += 1;
    }
    counts
}

#[track_caller]
fn check_counts(spec: &TableSpec, requests: usize, expected: &[(&str, usize)]) {
    let expected = expected
        .iter()
        .map(|(outcome, count)| ((*outcome).to_owned(), *count));
    assert_eq!(counts(&build(spec), requests), expected.collect());
}

fn forced(version: &str, any_of: &[&str]) -> ForcedSpec {
    let all = |text: &&str| text.split(" and ").map(condition).collect();
    ForcedSpec {
        version: version.to_owned(),
        any_of: any_of.iter().map(all).collect(),
    }
}

fn hold(spec: &mut ForwardSpec) {
    spec.on_empty = OnEmpty::Hold;
}

#[test]
fn a_split_is_exact() {
    let spec = split("stable=90, canary=10", |_| ());
    check_counts(&spec, 1000, &[("stable split", 900), ("canary split", 100)]);
    let spec = split("a=5, b=3, c=2, off=0", |_| ());
    check_counts(
        &spec,
        100,
        &[("a split", 50), ("b split", 30), ("c split", 20)],
    );
}

#[test]
fn the_first_forced_version_that_holds_decides() {
    let spec = split("stable=100, canary=0, other=0", |spec| {
        spec.forced = vec![
            forced("stable", &["header x-canary = never"]),
            forced(
                "canary",
                &[
                    "header x-canary = always",
                    "header user-agent ~ iPhone and cookie beta present",
                ],
            ),
            forced("other", &["cookie beta present"]),
        ];
    });
    let table = build(&spec);
    for (request, expected) in [
        ("GET h/", "stable split"),
        ("GET h/; x-canary: never; cookie: beta=1", "stable match"),
        ("GET h/; x-canary: always; cookie: beta=1", "canary match"),
        (
            "GET h/; user-agent: an iPhone; cookie: beta=1",
            "canary match",
        ),
        ("GET h/; user-agent: an iPhone", "stable split"),
        ("GET h/; cookie: beta=1", "other match"),
    ] {
        assert_eq!(
            outcome(&table, choose(&table, request)),
            expected,
            "{request}"
        );
    }
}

#[test]
fn forced_requests_take_no_ticket() {
    let spec = split("stable=9, canary=1", |spec| {
        spec.forced = vec![forced("canary", &["header x-canary present"])];
    });
    let table = build(&spec);
    for _ in 0..10 {
        assert_eq!(
            outcome(&table, choose(&table, "GET h/; x-canary: 1")),
            "canary match"
        );
        let _ = choose(&table, "GET h/");
    }
    let counts = counts(&table, 10);
    assert_eq!(counts["canary split"], 1);
}

#[test]
fn the_others_take_the_share_of_an_empty_version_in_proportion() {
    let spec = split("a=6, b=3, c=1!, preview=0", |_| ());
    let expected = [
        ("a split", 600),
        ("b split", 300),
        ("a failover from c", 67),
        ("b failover from c", 33),
    ];
    let counts = counts(&build(&spec), 1000);
    for (outcome, count) in expected {
        assert!(counts[outcome].abs_diff(count) <= 1, "{counts:?}");
    }
    assert_eq!(counts.len(), 4);
}

#[test]
fn a_version_of_weight_0_takes_nobodys_place() {
    check_counts(
        &split("blue=1!, green=0", |_| ()),
        3,
        &[("503 blue split", 3)],
    );
    check_counts(
        &split("blue=1!, green=0", hold),
        3,
        &[("503 blue split", 3)],
    );
}

#[test]
fn on_hold_nobody_takes_the_place() {
    let spec = split("stable=9, canary=1!", hold);
    check_counts(
        &spec,
        100,
        &[("stable split", 90), ("503 canary split", 10)],
    );
}

#[test]
fn a_forced_version_fails_over_too() {
    let force =
        |spec: &mut ForwardSpec| spec.forced = vec![forced("canary", &["header x present"])];
    let table = build(&split("stable=1, canary=0!", force));
    assert_eq!(
        outcome(&table, choose(&table, "GET h/; x: 1")),
        "stable failover from canary"
    );
    let table = build(&split("stable=1, canary=0!", |spec| {
        force(spec);
        hold(spec);
    }));
    assert_eq!(
        outcome(&table, choose(&table, "GET h/; x: 1")),
        "503 canary match"
    );
    let table = build(&split("stable=1!, canary=0", force));
    assert_eq!(
        outcome(&table, choose(&table, "GET h/; x: 1")),
        "canary match"
    );
}

#[test]
fn who_stands_in_for_a_forced_version_takes_no_ticket_of_the_split() {
    let spec = |preview: &str| {
        split(&format!("a=1, b=1, preview={preview}"), |spec| {
            spec.forced = vec![forced("preview", &["header x present"])];
        })
    };
    // Also where the version was there before, and everybody had the same shares.
    let table = rebuild(&spec("0!"), Some(&build(&spec("0"))));
    let (mut a, mut b) = (0_u32, 0_u32);
    for _ in 0..200 {
        let forced = outcome(&table, choose(&table, "GET h/; x: 1"));
        assert!(forced.ends_with(" failover from preview"), "{forced}");
        match &*outcome(&table, choose(&table, "GET h/")) {
            "a split" => a += 1,
            _ => b += 1,
        }
        assert!(a.abs_diff(b) <= 1, "{a} and {b}");
    }
}

/// Where a request for `version` goes once more, for a `random` at either end.
#[track_caller]
fn check_again(spec: &TableSpec, version: &str, by: By, expected: [Option<&str>; 2]) {
    let table = build(spec);
    let forward = forward(&table);
    let name = |version: haldane_routing::VersionIndex| forward.versions()[version.index()].name();
    let again = |random| forward.again(version, by, random).map(name);
    assert_eq!([again(0), again(u32::MAX)], expected, "{version} {by:?}");
}

#[test]
fn a_second_attempt_stays_with_its_version_while_that_takes_requests() {
    let all = split("a=6, b=3, c=1!, d=0", |_| ());
    check_again(&all, "b", By::Split, [Some("b"), Some("b")]);
    check_again(&all, "d", By::Match, [Some("d"), Some("d")]);
    check_again(&all, "c", By::Split, [Some("b"), Some("a")]);
    check_again(&all, "c", By::Match, [Some("b"), Some("a")]);
    check_again(&all, "gone", By::Sticky, [Some("b"), Some("a")]);
    check_again(&all, "d", By::Split, [Some("b"), Some("a")]);
    let held = split("a=6, b=3, c=1!, d=0", hold);
    check_again(&held, "c", By::Split, [None, None]);
    check_again(&held, "gone", By::Split, [None, None]);
    check_again(&held, "d", By::Failover, [Some("b"), Some("a")]);
    check_again(&split("a=1!, b=0", |_| ()), "a", By::Split, [None, None]);
}

#[test]
fn a_second_attempt_leaves_a_version_that_goes_while_another_is_ready() {
    use haldane_routing::spec::EndpointState::Terminating;
    let mut spec = split("a=1, b=1", |_| ());
    spec.backends[1].endpoints[0].state = Terminating;
    check_again(&spec, "b", By::Split, [Some("a"), Some("a")]);
    spec.backends[0].endpoints[0].state = Terminating;
    check_again(&spec, "b", By::Split, [Some("b"), Some("b")]);
}

#[test]
fn a_second_attempt_takes_no_ticket() {
    let table = build(&split("a=1, b=1, c=1!", |_| ()));
    let before = counts(&table, 300);
    for random in 0..1_000 {
        assert!(
            forward(&table)
                .again("c", By::Split, random << 22)
                .is_some()
        );
    }
    assert_eq!(counts(&table, 300), before);
}

#[test]
fn terminating_endpoints_serve_only_where_none_is_ready() {
    use haldane_routing::spec::EndpointState::Terminating;
    let mut spec = split("only=1", |_| ());
    spec.backends[0]
        .endpoints
        .push(crate::support::endpoint(9000));
    spec.backends[0].endpoints[0].state = Terminating;
    let ports = |spec: &TableSpec| {
        crate::support::lines(
            &build(spec).backends()[0]
                .endpoints()
                .iter()
                .map(|a| format!("{a:?}"))
                .collect::<Vec<_>>(),
        )
    };
    assert_eq!(ports(&spec), "Socket(127.0.0.1:9000)");
    spec.backends[0].endpoints[1].state = Terminating;
    assert_eq!(
        ports(&spec),
        "Socket(127.0.0.1:8000)\nSocket(127.0.0.1:9000)"
    );
}

/// A canary whose last pods are ending may refuse a connection at any moment, while stable is ready to answer.
#[test]
fn who_only_terminates_is_replaced_where_another_version_is_ready() {
    use haldane_routing::spec::EndpointState::Terminating;
    let mut spec = split("stable=9, canary=1", |_| ());
    spec.backends[1].endpoints[0].state = Terminating;
    let table = build(&spec);
    let outcomes: std::collections::BTreeSet<_> = (0..10)
        .map(|_| outcome(&table, choose(&table, "GET h/")))
        .collect();
    let outcomes: Vec<_> = outcomes.iter().map(String::as_str).collect();
    assert_eq!(outcomes, ["stable failover from canary", "stable split"]);
    // Where nobody is ready, those that end are better than nothing.
    spec.backends[0].endpoints[0].state = Terminating;
    assert_eq!(
        counts(&build(&spec), 10),
        counts(&build(&split("stable=9, canary=1", |_| ())), 10)
    );
}

#[test]
fn failover_goes_on_where_it_was_over_updates() {
    let spec = split("a=3, b=1, c=4!", |_| ());
    let mut table = build(&spec);
    let mut from_c = BTreeMap::new();
    for turn in 0..64 {
        let mut next = spec.clone();
        next.rules[0].filters.body_bytes_max = Some(turn);
        table = rebuild(&next, Some(&table));
        *from_c
            .entry(outcome(&table, choose(&table, "GET h/")))
            .or_insert(0) += 1;
    }
    assert_eq!(from_c["a failover from c"], 24);
    assert_eq!(from_c["b failover from c"], 8);
}

proptest! {
    #[test]
    fn every_version_is_charged_exactly_whoever_is_empty(
        weights in prop::collection::vec(0_u64..20, 1..6),
        empty in prop::collection::vec(any::<bool>(), 6),
    ) {
        prop_assume!(weights.iter().any(|weight| *weight > 0));
        let version = |(at, weight): (usize, &u64)| format!("v{at}={weight}{}", if empty[at] { "!" } else { "" });
        let versions: Vec<String> = weights.iter().enumerate().map(version).collect();
        let table = build(&split(&versions.join(", "), |_| ()));
        let sum: u64 = weights.iter().sum();
        let mut charged = vec![0; weights.len()];
        for _ in 0..sum {
            let drawn = match choose(&table, "GET h/") {
                Ok(choice) => {
                    prop_assert!(weights[choice.version.index()] > 0 && !empty[choice.version.index()]);
                    choice.drawn
                }
                Err(nobody) => {
                    prop_assert!(weights.iter().zip(&empty).all(|(weight, empty)| *weight == 0 || *empty));
                    nobody.drawn
                }
            };
            charged[drawn.index()] += 1;
        }
        prop_assert_eq!(charged, weights);
    }
}

//! What a table keeps of the one before.

use crate::choose::forward;
use crate::support::{Request, build, endpoint, key, rebuild, rule, split};
use haldane_routing::spec::{ActionSpec, BackendSpec, RewriteSpec, RuleSpec, TableSpec};
use haldane_routing::{Action, Table};
use std::sync::Arc;

fn versions(table: &Table, count: usize) -> Vec<usize> {
    let request = Request::parse("GET h/");
    let choose = |_| {
        forward(table)
            .choose(&request.view(), &key(), || 0)
            .unwrap()
    };
    (0..count)
        .map(choose)
        .map(|choice| choice.version.index())
        .collect()
}

/// Half a period by one table, the other half by the next: exact over both only if the split went on.
#[track_caller]
fn check(change: impl FnOnce(&mut TableSpec), goes_on: bool) {
    let mut spec = split("stable=50, canary=47, other=3", |_| ());
    let table = build(&spec);
    let undisturbed = build(&spec);
    let mut seen = versions(&table, 137);
    change(&mut spec);
    let next = rebuild(&spec, Some(&table));
    seen.extend(versions(&next, 163));
    let exact = seen == versions(&undisturbed, 300);
    assert_eq!(exact, goes_on);
}

fn forward_of(spec: &mut TableSpec) -> &mut haldane_routing::spec::ForwardSpec {
    match &mut spec.rules[0].action {
        ActionSpec::Forward(forward) => forward,
        other => panic!("{other:?} is no forward"),
    }
}

#[test]
fn a_split_goes_on_whatever_else_changes() {
    check(|_| (), true);
    check(|spec| spec.rules.push(rule("new", &["new /"])), true);
    check(|spec| spec.rules.insert(0, rule("a", &["new /"])), true);
}

#[test]
fn a_split_goes_on_over_endpoints_backends_and_settings() {
    check(|spec| spec.backends[1].endpoints.push(endpoint(9000)), true);
    check(|spec| spec.backends.reverse(), true);
    check(
        |spec| {
            spec.backends.insert(
                0,
                BackendSpec {
                    name: "new".to_owned(),
                    ..BackendSpec::default()
                },
            );
        },
        true,
    );
    check(|spec| spec.rules[0].origin.created = 7, true);
    check(|spec| forward_of(spec).retry.attempts_max = 1, true);
}

#[test]
fn new_weights_or_names_start_a_new_split() {
    check(|spec| forward_of(spec).versions[0].weight = 49, false);
    check(
        |spec| forward_of(spec).versions[2].name = "renamed".to_owned(),
        false,
    );
    check(|spec| spec.rules[0].id = "renamed".to_owned(), false);
}

#[test]
fn rules_and_backends_that_do_not_change_stay_the_same() {
    let mut spec = split("stable=1, canary=1", |_| ());
    spec.rules.push(rule("fixed", &["fixed /"]));
    let table = build(&spec);
    let same = rebuild(&spec, Some(&table));
    assert!(
        table
            .rules()
            .iter()
            .zip(same.rules())
            .all(|(a, b)| Arc::ptr_eq(a, b))
    );
    assert!(
        table
            .backends()
            .iter()
            .zip(same.backends())
            .all(|(a, b)| Arc::ptr_eq(a, b))
    );
}

#[test]
fn a_backend_that_comes_or_goes_leaves_the_others_and_their_rules() {
    let mut spec = split("stable=1, canary=1", |_| ());
    let before = build(&spec);
    let new = |name: &str| BackendSpec {
        name: name.to_owned(),
        ..BackendSpec::default()
    };
    spec.backends.insert(0, new("first"));
    spec.backends.insert(2, new("middle"));
    let more = rebuild(&spec, Some(&before));
    assert!(Arc::ptr_eq(&before.rules()[0], &more.rules()[0]));
    spec.backends.remove(2);
    let less = rebuild(&spec, Some(&more));
    for table in [&before, &more, &less] {
        for (version, name) in forward(table).versions().iter().zip(["stable", "canary"]) {
            let backend = &table.backends()[version.backend().index()];
            assert_eq!(backend.name(), format!("shop/web:80 {name}"));
            assert!(
                before
                    .backends()
                    .iter()
                    .any(|old| Arc::ptr_eq(old, backend))
            );
        }
    }
}

#[test]
fn a_rule_follows_a_backend_that_has_to_move() {
    let mut spec = split("stable=1, canary=1", |_| ());
    spec.backends.insert(0, spec.backends[0].clone());
    spec.backends[0].name = "first".to_owned();
    let before = build(&spec);
    spec.backends.remove(0);
    let after = rebuild(&spec, Some(&before));
    let names = forward(&after).versions().iter().map(|version| {
        let backend = &after.backends()[version.backend().index()];
        backend.name()
    });
    assert!(names.eq(["shop/web:80 stable", "shop/web:80 canary"]));
}

#[test]
fn a_rule_whose_endpoints_change_is_another_and_the_rest_is_not() {
    let mut spec = split("stable=1, canary=1!", |_| ());
    spec.rules.push(rule("fixed", &["fixed /"]));
    let before = build(&spec);
    assert!(!versions(&before, 4).contains(&1));
    spec.backends[1].endpoints.push(endpoint(9000));
    let after = rebuild(&spec, Some(&before));
    assert!(versions(&after, 4).contains(&1));
    assert!(!Arc::ptr_eq(&before.rules()[0], &after.rules()[0]));
    assert!(Arc::ptr_eq(&before.rules()[1], &after.rules()[1]));
    assert!(Arc::ptr_eq(&before.backends()[0], &after.backends()[0]));
    assert!(!Arc::ptr_eq(&before.backends()[1], &after.backends()[1]));
}

#[test]
fn mirrors_follow_their_backend() {
    use haldane_routing::spec::MirrorSpec;
    let mut spec = split("stable=1, canary=0", |spec| {
        spec.mirrors = vec![MirrorSpec {
            backend: "shop/web:80 canary".to_owned(),
            per_10000: 10,
        }];
    });
    spec.backends.push(BackendSpec {
        name: "last".to_owned(),
        ..BackendSpec::default()
    });
    spec.backends.swap(1, 2);
    let before = build(&spec);
    spec.backends.remove(1);
    let after = rebuild(&spec, Some(&before));
    let mirror = forward(&after).mirrors()[0];
    assert_eq!(
        after.backends()[mirror.backend().index()].name(),
        "shop/web:80 canary"
    );
}

#[test]
fn rules_in_another_order_are_found_where_they_are() {
    let mut spec = split("stable=1, canary=1", |_| ());
    spec.rules.push(rule("fixed", &["fixed /"]));
    let before = build(&spec);
    spec.rules.swap(0, 1);
    let after = rebuild(&spec, Some(&before));
    for (host, id) in [("fixed", "fixed"), ("other", "split")] {
        let request = Request::parse(&format!("GET {host}/"));
        let found = after.find(&request.view()).unwrap();
        assert_eq!(
            (found.rule.id(), after.rules()[found.index.index()].id()),
            (id, id)
        );
    }
}

/// A second rule, for another host and with other settings; whether the two share versions, filters and the rest, also after
/// their endpoints have changed.
#[track_caller]
fn check_shared(change: impl FnOnce(&mut RuleSpec), expected: [bool; 2]) {
    let mut spec = split("stable=1", |_| ());
    let mut second = spec.rules[0].clone();
    second.id = "second".to_owned();
    second.matches = rule("second", &["second /"]).matches;
    change(&mut second);
    spec.rules.push(second);
    let table = build(&spec);
    assert_eq!(shared(&table), expected);
    spec.backends[0].endpoints.push(endpoint(9_000));
    let next = rebuild(&spec, Some(&table));
    assert_eq!(shared(&next), expected, "moved");
}

fn shared(table: &Table) -> [bool; 2] {
    let [one, two] = [0, 1].map(|at| match table.rules()[at].action() {
        Action::Forward(forward) => (table.rules()[at].filters(), forward),
        other => panic!("{other:?} is no forward"),
    });
    [
        Arc::ptr_eq(one.0, two.0),
        std::ptr::eq(one.1.versions(), two.1.versions())
            && std::ptr::eq(one.1.timeouts(), two.1.timeouts()),
    ]
}

#[test]
fn rules_that_are_written_alike_share_what_was_parsed() {
    check_shared(|_| (), [true, true]);
    check_shared(
        |rule| rule.origin.service = "other".to_owned(),
        [true, true],
    );
    check_shared(|rule| rule.filters.buffer_request = true, [false, true]);
    let waits = |rule: &mut RuleSpec| match &mut rule.action {
        ActionSpec::Forward(forward) => forward.timeouts.connect_ms = 7,
        other => panic!("{other:?} is no forward"),
    };
    check_shared(waits, [true, false]);
}

#[test]
fn what_hangs_on_a_rule_s_paths_is_not_taken_from_another() {
    let mut spec = split("stable=1", |_| ());
    spec.rules[0].matches = rule("", &["h ~/(.*)"]).matches;
    spec.rules[0].filters.rewrite = Some(RewriteSpec::Path("/$1".to_owned()));
    build(&spec);
    let mut second = spec.rules[0].clone();
    second.id = "second".to_owned();
    second.matches = rule("", &["second /"]).matches;
    spec.rules.push(second);
    assert!(Table::build(&spec, None, 7).is_err(), "it has no group");
}

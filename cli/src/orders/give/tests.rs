use super::*;
use crate::cluster::Kind;
use crate::rollouts::written;
use haldane_rollout::{Action, Decision, Evidence, Reason, State};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::json;

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

/// A Service with these annotations besides `rollout`.
fn object(annotations: &[(&str, &str)]) -> Object {
    let own = [("rollout", "auto")];
    let all = own.iter().chain(annotations);
    let all = all.map(|(name, value)| (format!("{PREFIX}{name}"), (*value).to_owned()));
    let metadata = ObjectMeta {
        annotations: Some(all.collect()),
        ..ObjectMeta::default()
    };
    Object::new(Kind::Service, metadata)
}

/// What the controller writes down: 1.15 beside 1.14 in such a phase, `waiting`, `climbing`, `top`, `promoted`, `aborted`;
/// or that nothing came yet.
fn state(phase: &str) -> String {
    if phase == "none" {
        return json!({ "web": { "stable": "1.14" } }).to_string();
    }
    let plan = Plan::default();
    let mut evidence = Evidence::new(0);
    let mut state = State::begin("1.14", "1.15", &plan, vec![], &mut evidence, NOW);
    let share = plan.steps[0];
    let first = Action::Advance { to: 0, share };
    let last = Action::Advance { to: 5, share };
    let moves: &[Action] = match phase {
        "waiting" => &[],
        "climbing" => &[first],
        "top" => &[first, last],
        "promoted" => &[first, last, Action::Promote],
        _ => &[first, Action::Abort],
    };
    for action in moves {
        let decision = Decision {
            action: *action,
            reasons: vec![Reason::StepDone],
        };
        state.carry_out(&decision, &mut evidence, NOW);
    }
    json!({ "web": { "stable": "1.14", "state": state } }).to_string()
}

/// What comes of an order: the annotations that change, or why none does. `version` may be empty.
fn outcome(ask: Ask, phase: &str, annotations: &[(&str, &str)], version: &str) -> String {
    let state = state(phase);
    let told = [("rollout-state", state.as_str())];
    let told = if phase == "untold" { &[][..] } else { &told };
    let object = object(&[annotations, told].concat());
    let reports = written(&object, NOW);
    let situation = Situation {
        object: &object,
        report: reports.first(),
        version: Some(version).filter(|version| !version.is_empty()),
        now: NOW,
    };
    match give(ask, &situation) {
        Ok(given) => given.did().replace(PREFIX, ""),
        Err(nothing) => nothing.to_string(),
    }
}

/// Lines of `ORDER PHASE [ANNOTATION=VALUE | version=VERSION]... -> OUTCOME`, of which the beginning is compared.
#[track_caller]
fn check(lines: &str) {
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (situation, expected) = line.split_once(" -> ").unwrap();
        let mut words = situation.split_whitespace();
        let typed = words.next().unwrap();
        let ask = ASKS.into_iter().find(|ask| ask.word() == typed).unwrap();
        let phase = words.next().unwrap();
        let pairs = words.map(|pair| pair.split_once('=').unwrap());
        let (version, annotations): (Vec<_>, Vec<_>) =
            pairs.partition(|(name, _)| *name == "version");
        let version = version.first().map_or("", |(_, version)| version);
        let outcome = outcome(ask, phase, &annotations, version);
        assert!(outcome.starts_with(expected), "{line}: {outcome}");
    }
}

const ASKS: [Ask; 6] = [
    Ask::Promote,
    Ask::Abort,
    Ask::Pause,
    Ask::Resume,
    Ask::Retry,
    Ask::Rollback,
];

#[test]
fn an_order_names_the_version_it_is_for() {
    check(
        r#"
        promote waiting -> set promote: "1.15"
        promote climbing -> set promote: "1.15"
        promote climbing version=1.15 -> set promote: "1.15"
        abort climbing -> set abort: "1.15"
        abort top -> set abort: "1.15"
        abort untold version=1.15 -> set abort: "1.15"
        pause climbing -> set pause: "true"
        pause none -> set pause: "true"
        resume climbing pause=true -> removed pause
        retry aborted -> set retry: "1.15"
        rollback promoted -> set rollback: "1.15"
        "#,
    );
}

#[test]
fn an_order_that_was_heeded_is_given_in_its_other_form() {
    check(
        r#"
        promote climbing promote=1.15 -> set promote: "true"
        promote climbing promote=true -> set promote: "1.15"
        retry aborted retry=1.15 -> set retry: "true"
        retry aborted retry=true -> set retry: "1.15"
        rollback promoted rollback=1.15 -> set rollback: "true"
        abort climbing abort=1.14 -> set abort: "1.15"
        "#,
    );
}

#[test]
fn a_retry_takes_away_what_would_end_it_or_skip_its_steps() {
    check(
        r#"
        retry aborted abort=1.15 promote=true -> removed abort, removed promote, set retry: "1.15"
        retry aborted abort=1.13 promote=1.13 -> set retry: "1.15"
        "#,
    );
}

#[test]
fn where_nothing_can_be_done_it_says_why() {
    check(
        "
        promote none -> nothing is being released: 1.14 gets all requests
        promote top -> 1.15 gets all requests already
        promote promoted -> 1.15 is the stable version already
        promote aborted -> 1.15 is aborted; `haldane retry` begins again
        promote climbing pause=true -> a person paused it
        promote climbing version=1.16 -> the release is of 1.15, not of 1.16
        abort aborted -> 1.15 is aborted
        abort promoted -> 1.15 is the stable version already
        abort untold -> the controller has not told how its rollout stands
        pause climbing pause=true -> it is paused already
        pause climbing steps=much -> orders are not read while its annotations are at fault
        resume climbing -> it is not paused
        retry climbing -> 1.15 is not aborted
        rollback climbing -> 1.15 is not promoted
        rollback none -> nothing is being released
        ",
    );
}

#[test]
fn a_version_that_is_called_as_an_order_is_ordered_without_its_name() {
    for (version, expected) in [("1.15", "1.15"), ("true", "true"), ("false", "true")] {
        assert_eq!(named(version), expected);
    }
}

#[test]
fn a_rollback_is_refused_when_its_window_is_over() {
    let window = [("rollback-window", "5m")];
    let state = state("promoted");
    let object = object(&[&window[..], &[("rollout-state", &*state)]].concat());
    let reports = written(&object, NOW);
    for (minutes, can) in [(4, true), (6, false)] {
        let situation = Situation {
            object: &object,
            report: reports.first(),
            version: None,
            now: NOW + jiff::SignedDuration::from_mins(minutes),
        };
        assert_eq!(give(Ask::Rollback, &situation).is_ok(), can, "{minutes}");
    }
}

#[test]
fn shares_are_shown_as_they_are_written() {
    for (share, expected) in [(5.0, "5%"), (0.1, "0.1%"), (33.333_333, "33.3333%")] {
        assert_eq!(percent(share), expected);
    }
}

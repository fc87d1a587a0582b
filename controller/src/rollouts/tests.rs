//! What becomes of rollouts, look by look.

mod play;

use self::play::{Play, RULE};
use super::cleanup::{Earlier, TRIES_MAX, Tried};
use haldane_rollout::Phase;
use jiff::SignedDuration;
use std::collections::BTreeSet;

#[test]
fn what_is_there_first_is_stable_and_what_comes_is_released() {
    let mut play = Play::new("1:a 0:z");
    assert_eq!(play.look(0), ": 1");
    assert_eq!(play.look(100), ": 1");
    play.there = "1:a 0:z 2:b";
    assert_eq!(play.look(1), "RolloutStarted StepRaised: 1 2 10%");
    play.count("p", [100, 0, 900, 0]);
    assert_eq!(play.look(5), ": 1 2 10%");
    assert_eq!(play.look(5), "StepRaised: 1 2 50%");
    play.count("p", [9000, 0, 9000, 0]);
    assert_eq!(play.look(10), "StepRaised: 1 2 100%");
    assert_eq!(play.look(10), "Promoted: 1 2 100%");
    play.there = "1:a 2:b 3:c";
    assert_eq!(play.look(1), "RolloutStarted StepRaised: 2 3 10%");
}

#[test]
fn a_pod_that_is_not_known_yet_is_no_version() {
    let mut play = Play::new("1:a");
    play.look(0);
    (play.there, play.settled) = ("1:a unlabelled:", false);
    assert_eq!(play.look(1), ": 1");
    (play.there, play.settled) = ("1:a,b", true);
    assert_eq!(play.look(1), ": 1");
}

#[test]
fn an_aborted_version_stays_so_until_it_changes() {
    let mut play = Play::new("1:a");
    play.look(0);
    play.there = "1:a 2:b";
    play.look(1);
    play.count("p", [20, 20, 180, 0]);
    assert_eq!(play.look(1), "Aborted: 1 2 0%");
    assert_eq!(play.look(3600), ": 1 2 0%");
    // It crashes and comes back.
    play.there = "1:a";
    assert_eq!(play.look(300), ": 1 2 0%");
    play.there = "1:a 2:b";
    assert_eq!(play.look(1), ": 1 2 0%");
    play.there = "1:a 2:b,c";
    assert_eq!(play.look(1), "RolloutStarted: 1 2 0%");
    play.there = "1:a 2:c";
    assert_eq!(play.look(1), "StepRaised: 1 2 10%");
    play.count("p", [20, 0, 180, 0]);
    assert_eq!(
        play.look(1),
        ": 1 2 10%",
        "what was counted before is not held against it"
    );
    assert_eq!(play.phase(), Some(Phase::Climbing));
}

#[test]
fn a_newer_version_takes_the_place_of_one_under_way() {
    let mut play = Play::new("1:a");
    play.look(0);
    play.there = "1:a 2:b";
    play.look(1);
    play.there = "1:a 2:b 3:c";
    assert_eq!(play.look(1), "RolloutStarted StepRaised: 1 3 10%");
    play.count("p", [20, 20, 180, 0]);
    assert_eq!(play.look(1), "Aborted: 1 3 0%");
    assert_eq!(play.look(1), ": 1 3 0%", "the older one has been seen");
}

#[test]
fn what_takes_the_place_of_another_does_so_before_anything_goes_up() {
    let mut play = Play::new("1:a");
    play.look(0);
    play.there = "1:a 2:b";
    assert_eq!(play.once(1), "RolloutStarted: 1 2 0%");
    assert_eq!(play.once(1), "StepRaised: 1 2 10%");
    play.there = "1:a 2:b 3:c";
    assert_eq!(play.once(1), "RolloutStarted: 1 3 0%");
    assert_eq!(play.once(0), "StepRaised: 1 3 10%");
}

#[test]
fn a_stable_version_without_pods_is_replaced() {
    let mut play = Play::new("1:a");
    play.look(0);
    play.annotations.insert("pause", "true");
    play.there = "1:a 2:b";
    assert_eq!(play.look(1), "RolloutStarted Paused: 1 2 0%");
    play.there = "2:b";
    assert_eq!(play.look(1), ": 1 2 0%");
    assert_eq!(play.look(59), ": 1 2 0%");
    assert_eq!(play.look(1), "StableReplaced: 2");
    assert_eq!(play.look(1), ": 2");
}

#[test]
fn an_aborted_version_never_takes_the_place_of_stable() {
    let mut play = Play::new("1:a");
    play.look(0);
    play.there = "1:a 2:b";
    play.look(1);
    play.annotations.insert("abort", "2");
    assert_eq!(play.look(1), "Aborted: 1 2 0%");
    play.there = "2:b";
    play.look(1);
    assert_eq!(play.look(600), ": 1 2 0%");
}

#[test]
fn no_version_that_was_aborted_takes_the_place_of_stable() {
    // what is there when stable goes, and what comes of it; 2 was aborted, then 3 was, 4 is under way and held, 0 was
    // there from the beginning
    let cases = [
        ("2:b", ": 1 4 0%"),
        ("2:b 3:c", ": 1 4 0%"),
        ("2:b 3:c 4:d", "StableReplaced: 4"),
        ("0:z 2:b 3:c 4:d", "StableReplaced: 4"),
        ("0:z 2:b 3:c", "StableReplaced: 0"),
    ];
    for (there, expected) in cases {
        let mut play = Play::new("1:a 0:z");
        play.look(0);
        for (there, version) in [("1:a 0:z 2:b", "2"), ("1:a 0:z 2:b 3:c", "3")] {
            play.there = there;
            play.look(1);
            play.annotations.insert("abort", version);
            play.look(1);
        }
        play.annotations.insert("pause", "true");
        play.there = "1:a 0:z 2:b 3:c 4:d";
        play.look(1);
        play.there = there;
        play.look(1);
        play.crash();
        assert_eq!(play.look(60), expected, "{there}");
        let aborted = play.rollout.expect("it began").saved.shares().aborted;
        assert_eq!(aborted, ["2", "3"].map(str::to_owned).into(), "{there}");
    }
}

#[test]
fn an_aborted_version_that_begins_again_is_none_any_more() {
    let mut play = aborted();
    play.there = "1:a 2:b 3:c";
    play.look(1);
    play.there = "1:a 2:c 3:c";
    assert_eq!(play.look(1), "RolloutStarted StepRaised: 1 2 10%");
    let aborted = play.rollout.expect("it began").saved.shares().aborted;
    assert_eq!(aborted, BTreeSet::new());
}

#[test]
fn a_stable_version_that_changes_is_not_released_when_it_is_no_longer_stable() {
    let mut play = Play::new("1:a");
    play.look(0);
    play.there = "1:a 2:b";
    play.look(1);
    play.there = "1:a,c 2:b";
    assert_eq!(play.look(1), ": 1 2 10%");
    play.annotations.insert("promote", "2");
    play.look(1);
    assert_eq!(play.look(10), "Promoted: 1 2 100%");
    assert_eq!(play.look(1), ": 1 2 100%");
}

#[test]
fn an_order_that_was_heeded_does_not_count_for_a_later_form_of_the_version() {
    let mut play = Play::new("1:a");
    play.look(0);
    play.there = "1:a 2:b";
    play.look(1);
    play.annotations.insert("promote", "2");
    assert_eq!(play.look(1), "StepRaised: 1 2 100%");
    play.there = "1:a 2:b 3:c";
    assert_eq!(play.look(1), "RolloutStarted StepRaised: 1 3 10%");
    play.crash();
    play.there = "1:a 2:d";
    assert_eq!(play.look(1), "RolloutStarted StepRaised: 1 2 10%");
    play.annotations.remove("promote");
    assert_eq!(play.look(1), ": 1 2 10%");
    play.annotations.insert("promote", "2");
    assert_eq!(play.look(1), "StepRaised: 1 2 100%");
}

#[test]
fn what_a_proxy_counted_before_it_was_heard_of_is_no_evidence() {
    let mut play = aborted();
    play.there = "1:a 2:b 3:c";
    play.look(1);
    play.crash();
    play.proxies = "";
    play.there = "1:a 2:d";
    assert_eq!(play.look(1), "RolloutStarted StepRaised: 1 2 10%");
    play.proxies = "p q";
    assert_eq!(play.look(1), ": 1 2 10%");
    play.count("q", [20, 20, 180, 0]);
    assert_eq!(play.look(1), "Aborted: 1 2 0%");
}

#[test]
fn a_rule_that_comes_or_goes_takes_nothing_from_the_evidence() {
    const OTHER: &str = "shop/web shop.example.com/other (Prefix)";
    // the rules at first and later
    for (rules, later) in [
        (vec![RULE, OTHER], vec![RULE]),
        (vec![RULE], vec![RULE, OTHER]),
        (vec![OTHER], vec![RULE]),
    ] {
        let mut play = Play::new("1:a");
        play.rules = rules.clone();
        play.look(0);
        play.there = "1:a 2:b";
        play.look(1);
        for rule in [RULE, OTHER] {
            play.count_by("p", rule, [1000, 400, 9000, 3600]);
        }
        play.look(1);
        let counted = |play: &Play| {
            let evidence = &play.rollout.as_ref().expect("it began").seen.evidence;
            let arms = evidence.totals().values();
            arms.map(|arms| arms.canary.requests).sum::<u64>()
        };
        let before = counted(&play);
        assert_eq!(before, 1000 * rules.len() as u64);
        play.rules = later.clone();
        play.look(1);
        assert_eq!(counted(&play), before, "{rules:?} {later:?}");
        play.count("p", [10, 4, 90, 36]);
        play.look(1);
        assert_eq!(counted(&play), before + 10, "{rules:?} {later:?}");
    }
}

#[test]
fn a_crash_at_any_time_changes_nothing() {
    let script = |crash: bool| {
        let mut play = Play::new("1:a");
        let mut log = vec![play.look(0)];
        play.there = "1:a 2:b";
        for (seconds, proxy, counts) in [
            (1, "", [0; 4]),
            (6, "p", [50, 0, 450, 2]),
            (6, "q", [60, 1, 540, 1]),
            (5, "p", [3000, 1, 3000, 1]),
            (6, "q", [9000, 2, 9000, 3]),
            (10, "", [0; 4]),
            (10, "", [0; 4]),
        ] {
            if !proxy.is_empty() {
                play.count(proxy, counts);
            }
            if crash {
                play.crash();
            }
            log.push(play.look(seconds));
        }
        log
    };
    let whole = script(false);
    assert_eq!(script(true), whole);
    assert!(
        whole.last().is_some_and(|last| last.contains("100%")),
        "{whole:?}"
    );
}

#[test]
fn while_stable_fails_nothing_speaks_for_the_canary() {
    let mut play = Play::new("1:a");
    play.look(0);
    play.there = "1:a 2:b";
    play.look(1);
    play.count("p", [10, 10, 90, 90]);
    play.look(1);
    for _ in 0..20 {
        play.count("p", [100, 0, 900, 900]);
        play.look(1);
    }
    let evidence = &play.rollout.as_ref().expect("it began").seen.evidence;
    let arms = evidence.totals().values().next().expect("a share");
    assert_eq!(
        arms.calm_errors().requests(),
        100,
        "only what came before it was known"
    );
}

#[test]
fn a_canary_ingress_is_released_from_the_first_sight_on() {
    let mut play = Play::new("7:a");
    play.by_canary = true;
    assert_eq!(play.look(0), "RolloutStarted StepRaised: 1 7 10%");
    play.count("p", [20, 20, 180, 0]);
    assert_eq!(play.look(1), "Aborted: 1 7 0%");
    play.there = "8:b";
    assert_eq!(play.look(1), "RolloutStarted StepRaised: 1 8 10%");
}

#[test]
fn a_canary_that_is_updated_in_place_gets_nothing_before_its_old_pods_are_gone() {
    // what is there before and during the update, and the canary's name then; what is there after it, and what comes of that
    let cases = [
        ("7:a", "7:a 8:b", "8", "8:b", "StepRaised: 1 8 10%"),
        ("7:a", "7:a,b", "7", "7:b", "StepRaised: 1 7 10%"),
        // One of two Deployments behind the Service, then the other.
        ("7:a,b", "7:a,b,c", "7", "7:b,c", ": 1 7 0%"),
        ("7:a,b", "7:a,b,c,d", "7", "7:c,d", "StepRaised: 1 7 10%"),
        // Whoever goes back has none that are newer.
        ("7:a", "7:a,b", "7", "7:a", "StepRaised: 1 7 10%"),
    ];
    for (before, during, name, after, expected) in cases {
        let mut play = Play::new(before);
        play.by_canary = true;
        assert_eq!(play.look(0), "RolloutStarted StepRaised: 1 7 10%");
        play.there = during;
        assert_eq!(play.look(1), format!("RolloutStarted: 1 {name} 0%"));
        play.crash();
        assert_eq!(play.look(60), format!(": 1 {name} 0%"), "{during}");
        play.there = after;
        assert_eq!(play.look(1), expected, "{during} {after}");
    }
}

#[test]
fn pods_that_stay_under_the_same_name_are_waited_for_ten_minutes_or_until_a_person_says_so() {
    let mut play = Play::new("1:a");
    play.look(0);
    play.there = "1:a 2:b";
    assert_eq!(play.look(1), "RolloutStarted StepRaised: 1 2 10%");
    // A second Deployment.
    play.there = "1:a 2:b,c";
    assert_eq!(play.look(3), "RolloutStarted: 1 2 0%");
    assert_eq!(play.look(599), ": 1 2 0%");
    let waiting = play.rollout.clone();
    assert_eq!(play.look(1), "StepRaised: 1 2 10%");
    play.rollout = waiting;
    play.now -= SignedDuration::from_mins(5);
    play.annotations.insert("promote", "2");
    assert_eq!(play.look(1), "StepRaised: 1 2 100%");
}

#[test]
fn what_counts_as_slow_is_found_out_before_anything_can_be() {
    let mut play = Play::new("1:a");
    play.annotations.insert("latency", "stable");
    play.look(0);
    play.there = "1:a 2:b";
    assert_eq!(play.look(1), "RolloutStarted: 1 2 0%");
    assert_eq!(play.look(60), ": 1 2 0%");
    play.count("p", [0, 0, 500, 0]);
    assert_eq!(play.look(1), "StepRaised: 1 2 10%");
    let state = play
        .rollout
        .as_ref()
        .expect("it began")
        .saved
        .state
        .as_ref();
    assert_eq!(state.expect("a state").terms().thresholds.len(), 1);
    // A person need not wait for it.
    play.annotations.insert("promote", "3");
    play.counted.clear();
    play.there = "1:a 3:c";
    assert_eq!(play.look(1), "RolloutStarted StepRaised: 1 3 100%");
}

#[test]
fn what_holds_is_told_once() {
    let mut play = Play::new("1:a");
    play.look(0);
    play.annotations
        .extend([("pause", "true"), ("freeze", "00:00 - 23:59 UTC")]);
    play.there = "1:a 2:b";
    assert_eq!(play.look(1), "RolloutStarted Paused Frozen: 1 2 0%");
    play.crash();
    assert_eq!(play.look(1), ": 1 2 0%");
    play.annotations.remove("pause");
    assert_eq!(play.look(1), "Resumed: 1 2 0%");
    play.annotations.remove("freeze");
    assert_eq!(play.look(1), "StepRaised Thawed: 1 2 10%");
}

/// A version that is aborted, with `on-abort: undo`.
fn aborted() -> Play {
    let mut play = Play::new("1:a");
    play.annotations.insert("on-abort", "undo");
    play.look(0);
    play.there = "1:a 2:b";
    play.look(1);
    play.count("p", [20, 20, 180, 0]);
    assert_eq!(play.look(1), "Aborted: 1 2 0%");
    play
}

#[test]
fn what_is_to_be_done_after_an_abort_is_kept_until_it_is_done_or_given_up() {
    let again = || Tried::Again("busy".to_owned());
    let found = || {
        Tried::Found(Earlier {
            hash: "z".to_owned(),
            version: "0".to_owned(),
        })
    };
    let done = || Tried::Done("it is done".to_owned());
    // what came of each try, what is told in the end
    let cases = [
        (vec![done()], "CleanedUp 2: it is done"),
        (vec![again(), found(), done()], "CleanedUp 2: it is done"),
        (
            vec![Tried::Refused("no".to_owned())],
            "NotCleanedUp 2: its pods stay: no",
        ),
        (vec![Tried::Needless("gone".to_owned())], ""),
        (
            (0..TRIES_MAX).map(|_| again()).collect(),
            "NotCleanedUp 2: given up: busy",
        ),
    ];
    for (tries, expected) in cases {
        let mut play = aborted();
        let mut told = String::new();
        for tried in tries {
            play.crash();
            let saved = &mut play.rollout.as_mut().expect("it began").saved;
            assert!(saved.cleanup.is_some(), "{told}");
            let notice = saved.tried(tried);
            told.extend(notice.map(|notice| format!("{} {}", notice.what.as_str(), notice.note)));
        }
        assert_eq!(told, expected);
        let saved = &play.rollout.as_ref().expect("it began").saved;
        assert_eq!(saved.cleanup, None);
    }
}

#[test]
fn what_an_undo_brings_back_is_not_released() {
    let mut play = aborted();
    let earlier = Earlier {
        hash: "z".to_owned(),
        version: "0".to_owned(),
    };
    let rollout = play.rollout.as_mut().expect("it began");
    rollout.saved.tried(Tried::Found(earlier));
    play.there = "1:a 0:z";
    assert_eq!(play.look(1), ": 1 2 0%");
    play.there = "1:a 0:y";
    assert_eq!(play.look(1), "RolloutStarted StepRaised: 1 0 10%");
}

#[test]
fn a_version_that_is_released_once_more_keeps_its_pods() {
    let mut play = aborted();
    play.annotations.insert("retry", "2");
    assert_eq!(play.look(1), "RolloutStarted StepRaised: 1 2 10%");
    let saved = &play.rollout.as_ref().expect("it began").saved;
    assert_eq!(saved.cleanup, None);
}

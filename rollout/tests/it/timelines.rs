//! Timelines: what happened, and beside it what was decided and why.

use crate::drive::Drive;
use haldane_rollout::Threshold;
use std::time::Duration;

#[track_caller]
fn timeline(annotations: &str, script: &str) -> String {
    Drive::new(annotations, vec![]).follow(script)
}

#[test]
fn a_good_release_climbs_and_becomes_stable() {
    insta::assert_snapshot!(timeline("steps: 5,50,100", "
        00:00
        00:01 canary 1 0 stable 19 0
        01:59 canary 99 0 stable 1881 9
        02:00 canary 1 0 stable 19 0
        03:00 canary 600 3 stable 600 3
        04:00 canary 600 3 stable 600 3
        05:00 canary 2000 9 stable 2000 11
        05:01
        07:00 canary 500 4 stable 0 0
        07:01
    "), @"
    00:00 at 0%: advance to 5%: nothing forbids the first request
    00:01 at 5%: hold: another 1m 59s on this step; 1 of 50 canary requests on this step
    01:59 at 5%: hold: another 1s on this step
    02:00 at 5%: advance to 50%: the step had its time and requests, and nothing speaks against the canary
    03:00 at 50%: hold: another 1m on this step; not yet shown to be good enough: evidence E = 3.08 of 20
    04:00 at 50%: hold: not yet shown to be good enough: evidence E = 6.73 of 20
    05:00 at 50%: advance to 100%: the canary is shown to be better than the margin
    05:01 at 100%: hold: another 1m 59s on this step
    07:00 at 100%: promote: held all traffic for its time
    07:01 at 100%: hold: the canary is the stable version
    ");
}

#[test]
fn a_rise_in_errors_aborts_before_the_step_is_over() {
    insta::assert_snapshot!(timeline("", "
        00:00
        00:10 canary 2 0 stable 198 1
        02:00 canary 58 0 stable 5742 28
        02:30 canary 30 1 stable 570 3
        02:50 canary 20 3 stable 380 2
        02:55 canary 10 4 stable 190 1
        02:56
    "), @"
    00:00 at 0%: advance to 1%: nothing forbids the first request
    00:10 at 1%: hold: another 1m 50s on this step; 2 of 50 canary requests on this step
    02:00 at 1%: advance to 5%: the step had its time and requests, and nothing speaks against the canary
    02:30 at 5%: hold: another 1m 30s on this step; 30 of 50 canary requests on this step
    02:50 at 5%: hold: another 1m 10s on this step
    02:55 at 5%: abort: the canary is worse: errors: canary 8 of 120 (6.67%), stable 35 of 7080 (0.49%); evidence E = 10186 of 100
    02:56 at 0%: hold: aborted: stays so until the version changes or a person says retry
    ");
}

#[test]
fn an_outage_takes_three_requests() {
    insta::assert_snapshot!(timeline("steps: 5,100", "
        00:00
        00:01 canary 1 1 stable 19 0
        00:02 canary 1 1 stable 19 0
        00:03 canary 1 1 stable 19 0
    "), @"
    00:00 at 0%: advance to 5%: nothing forbids the first request
    00:01 at 5%: hold: another 1m 59s on this step; 1 of 50 canary requests on this step; not yet shown to be good enough: evidence E = 0.66 of 20
    00:02 at 5%: hold: another 1m 58s on this step; 2 of 50 canary requests on this step; errors may be worse: evidence E = 52 of 100; not yet shown to be good enough: evidence E = 0.50 of 20
    00:03 at 5%: abort: the canary is worse: errors: canary 3 of 3 (100%), stable 0 of 57 (0%); evidence E = 521 of 100
    ");
}

#[test]
fn an_outage_of_both_versions_is_nobodys_fault() {
    insta::assert_snapshot!(timeline("steps: 5,100", "
        00:00
        00:30 canary 30 0 stable 570 3
        01:30 canary 60 60 stable 1140 1140
        02:30 canary 60 0 stable 1140 6
    "), @"
    00:00 at 0%: advance to 5%: nothing forbids the first request
    00:30 at 5%: hold: another 1m 30s on this step; 30 of 50 canary requests on this step; not yet shown to be good enough: evidence E = 1.14 of 20
    01:30 at 5%: hold: another 30s on this step
    02:30 at 5%: advance to 100%: the canary is shown to be better than the margin
    ");
}

#[test]
fn a_late_fault_is_seen_by_the_bets_of_its_own_step() {
    insta::assert_snapshot!(timeline("steps: 1,5,25,100", "
        00:00
        20:00 canary 500 2 stable 49500 248
        25:00 canary 400 2 stable 7600 38
        25:20 canary 10 10 stable 30 0
    "), @"
    00:00 at 0%: advance to 1%: nothing forbids the first request
    20:00 at 1%: advance to 5%: the step had its time and requests, and nothing speaks against the canary
    25:00 at 5%: advance to 25%: the step had its time and requests, and nothing speaks against the canary
    25:20 at 25%: abort: the canary is worse: errors: canary 14 of 910 (1.54%), stable 286 of 57130 (0.5%); evidence E = 1591 of 100
    ");
}

#[test]
fn without_traffic_it_waits_and_says_for_what() {
    insta::assert_snapshot!(timeline("step-interval: 1m", "
        00:00
        00:01
        01:00 canary 0 0 stable 0 0
        59:00 canary 3 0 stable 297 0
        59:11
    "), @"
    00:00 at 0%: advance to 1%: nothing forbids the first request
    00:01 at 1%: hold: another 59s on this step; no proxy has reported; 0 of 50 canary requests on this step
    01:00 at 1%: hold: 0 of 50 canary requests on this step
    59:00 at 1%: hold: 3 of 50 canary requests on this step
    59:11 at 1%: hold: no proxy has reported for 11s; 3 of 50 canary requests on this step
    ");
}

#[test]
fn missing_outcomes_are_no_good_news() {
    insta::assert_snapshot!(timeline("steps: 5,100\nstep-interval: 1m\nmin-requests: 0", "
        00:00
        02:00 canary 0 0 stable 19000 0
    "), @"
    00:00 at 0%: advance to 5%: nothing forbids the first request
    02:00 at 5%: hold: 0 outcomes of the canary where about 950 should be: some are missing; not yet shown to be good enough: evidence E = 10 of 20
    ");
}

#[test]
fn evidence_for_worse_holds_long_before_it_aborts() {
    insta::assert_snapshot!(timeline("steps: 5,10,100\nstep-interval: 1m", "
        00:00
        02:00 canary 100 5 stable 1900 9
        02:30 canary 100 0 stable 1900 10
        03:00 canary 100 0 stable 1900 10
    "), @"
    00:00 at 0%: advance to 5%: nothing forbids the first request
    02:00 at 5%: hold: errors may be worse: evidence E = 24 of 100
    02:30 at 5%: advance to 10%: the step had its time and requests, and nothing speaks against the canary
    03:00 at 10%: hold: another 30s on this step; 100 outcomes of the canary where about 200 should be: some are missing; not yet shown to be good enough: evidence E = 0.65 of 20
    ");
}

#[test]
fn nothing_goes_up_in_a_freeze_and_aborts_still_work() {
    insta::assert_snapshot!(timeline("freeze: 12:01 - 12:10 UTC\nsteps: 5,50,100\nstep-interval: 1m", "
        00:00
        01:30 canary 100 0 stable 1900 9
        09:59
        10:00 canary 1 0 stable 19 0
        10:01 freeze: 12:10 - 12:30 UTC
        10:30 canary 60 40 stable 60 0
    "), @"
    00:00 at 0%: advance to 5%: nothing forbids the first request
    01:30 at 5%: hold: nothing goes up during 12:01 - 12:10 UTC
    09:59 at 5%: hold: nothing goes up during 12:01 - 12:10 UTC; no proxy has reported for 8m 29s
    10:00 at 5%: advance to 50%: the step had its time and requests, and nothing speaks against the canary
    10:01 at 50%: hold: nothing goes up during 12:10 - 12:30 UTC; another 59s on this step; 0 of 50 canary requests on this step; not yet shown to be good enough: evidence E = 1.57 of 20
    10:30 at 50%: abort: the canary is worse: errors: canary 40 of 161 (24.84%), stable 9 of 1979 (0.45%); evidence E = 1.4e7 of 100
    ");
}

#[test]
fn f12_a_clock_that_jumps_makes_no_step_shorter_and_no_report_older() {
    insta::assert_snapshot!(timeline("steps: 5,50,100\nmax-duration: 1h", "
        00:00
        01:00 canary 100 0 stable 1900 9
        01:05 wall 60
        01:10 wall 1440
        01:15 wall -1440
        01:59 canary 1 0 stable 19 0
        02:00
        02:30 canary 60 0 stable 60 0
        02:31 wall 1440
    "), @"
    00:00 at 0%: advance to 5%: nothing forbids the first request
    01:00 at 5%: hold: another 1m on this step
    01:05 at 5%: hold: another 55s on this step
    01:10 at 5%: hold: another 50s on this step
    01:15 at 5%: hold: another 45s on this step; no proxy has reported for 15s
    01:59 at 5%: hold: another 1s on this step
    02:00 at 5%: advance to 50%: the step had its time and requests, and nothing speaks against the canary
    02:30 at 50%: hold: another 1m 30s on this step; not yet shown to be good enough: evidence E = 1.79 of 20
    02:31 at 50%: hold: another 1m 29s on this step; not yet shown to be good enough: evidence E = 1.79 of 20
    ");
}

#[test]
fn f12_a_freeze_is_kept_by_the_clock_on_the_wall() {
    insta::assert_snapshot!(timeline("freeze: 13:00 - 14:00 UTC", "
        00:00 wall 60
        00:01 wall 0
    "), @"
    00:00 at 0%: hold: nothing goes up during 13:00 - 14:00 UTC
    00:01 at 0%: advance to 1%: nothing forbids the first request
    ");
}

#[test]
fn a_freeze_keeps_a_version_from_its_first_request() {
    insta::assert_snapshot!(timeline("freeze: Fri 18:00 - Mon 08:00 Asia/Seoul", "
        00:00
        01:00 freeze:
    "), @"
    00:00 at 0%: hold: nothing goes up during Fri 18:00 - Mon 08:00 Asia/Seoul
    01:00 at 0%: advance to 1%: nothing forbids the first request
    ");
}

#[test]
fn a_pause_holds_what_goes_up_and_nothing_else() {
    insta::assert_snapshot!(timeline("steps: 5,100\nstep-interval: 1m", "
        00:00
        00:30 pause: true
        02:00 canary 100 0 stable 1900 9
        02:01 promote: v2
        02:02 canary 3 3 stable 57 0
    "), @"
    00:00 at 0%: advance to 5%: nothing forbids the first request
    00:30 at 5%: hold: paused by a person; another 30s on this step; no proxy has reported; 0 of 50 canary requests on this step; not yet shown to be good enough: evidence E = 1.00 of 20
    02:00 at 5%: hold: paused by a person; not yet shown to be good enough: evidence E = 1.57 of 20
    02:01 at 5%: hold: paused by a person; not yet shown to be good enough: evidence E = 1.57 of 20
    02:02 at 5%: hold: paused by a person; not yet shown to be good enough: evidence E = 0.50 of 20
    ");
}

#[test]
fn a_person_promotes_and_takes_it_back() {
    insta::assert_snapshot!(timeline("rollout: manual\nsteps: 5,100", "
        00:00
        01:00 promote: v2
        02:00
        03:00
        04:00 rollback: v3
        05:00 rollback: v2
        06:00
    "), @"
    00:00 at 0%: hold: a person moves the weight
    01:00 at 0%: advance to 100%: a person asked for it
    02:00 at 100%: hold: another 1m on this step
    03:00 at 100%: promote: held all traffic for its time
    04:00 at 100%: hold: the canary is the stable version
    05:00 at 100%: abort: a person wants the version before
    06:00 at 0%: hold: aborted: stays so until the version changes or a person says retry
    ");
}

#[test]
fn a_person_moves_a_ladder_of_one_step_too() {
    insta::assert_snapshot!(timeline("rollout: manual\nsteps: 100", "
        00:00
        01:00 promote: v2
        02:00
        03:00
    "), @"
    00:00 at 0%: hold: a person moves the weight
    01:00 at 0%: advance to 100%: a person asked for it
    02:00 at 100%: hold: another 1m on this step
    03:00 at 100%: promote: held all traffic for its time
    ");
}

#[test]
fn an_order_that_was_left_behind_is_none() {
    insta::assert_snapshot!(timeline("promote: true\nsteps: 5,100", "
        00:00
        00:10
        00:20 promote:
        00:30 promote: true
    "), @"
    00:00 at 0%: advance to 5%: nothing forbids the first request
    00:10 at 5%: hold: another 1m 50s on this step; no proxy has reported; 0 of 50 canary requests on this step; not yet shown to be good enough: evidence E = 1.00 of 20
    00:20 at 5%: hold: another 1m 40s on this step; no proxy has reported; 0 of 50 canary requests on this step; not yet shown to be good enough: evidence E = 1.00 of 20
    00:30 at 5%: advance to 100%: a person asked for it
    ");
}

#[test]
fn an_order_is_heeded_once() {
    // what is written, of which order the last line is to be
    let cases = [
        (
            "00:00 promote: v2\n00:10 abort: v2\n00:15 abort:\n00:20 retry: v2",
            "advance to 5%",
        ),
        (
            "00:00 promote: v2\n00:10 abort: v2\n00:15 abort:\n00:20 promote:\n00:30 promote: v2\n00:40 retry: v2",
            "advance to 100%",
        ),
        ("00:00\n00:10 abort: true\n00:20 retry: v2", "advance to 5%"),
        // Whoever wants nothing for a version and says so by its name is believed as long as it stands there.
        ("00:00\n00:10 abort: v2\n00:20 retry: v2", "abort"),
    ];
    for (script, expected) in cases {
        let log = Drive::new("steps: 5,100", vec![]).follow(script);
        let last = log.lines().last().unwrap_or_default();
        let (_, decision) = last.split_once("%: ").expect("a share");
        assert!(decision.starts_with(expected), "{script}\n{log}");
    }
}

#[test]
fn an_abort_that_was_left_behind_is_none_unless_it_names_the_version() {
    for (annotation, expected) in [
        ("abort: true", "advance to 5%"),
        ("abort: v1", "advance to 5%"),
        ("abort: v2", "abort"),
    ] {
        let log = Drive::new(&format!("steps: 5,100\n{annotation}"), vec![]).follow("00:00");
        assert!(log.contains(&format!("at 0%: {expected}: ")), "{log}");
    }
}

#[test]
fn what_was_aborted_stays_so_until_somebody_says_retry() {
    insta::assert_snapshot!(timeline("steps: 5,100", "
        00:00
        00:10 abort: v2
        00:20 abort:
        00:30 retry: v2
        00:31
        00:40 abort: v2
        00:50 abort: false
        01:00 retry:
        01:10 retry: true
    "), @"
    00:00 at 0%: advance to 5%: nothing forbids the first request
    00:10 at 5%: abort: a person asked for it
    00:20 at 0%: hold: aborted: stays so until the version changes or a person says retry
    00:30 at 0%: advance to 5%: nothing forbids the first request
    00:31 at 5%: hold: another 1m 59s on this step; no proxy has reported; 0 of 50 canary requests on this step; not yet shown to be good enough: evidence E = 1.00 of 20
    00:40 at 5%: abort: a person asked for it
    00:50 at 0%: hold: aborted: stays so until the version changes or a person says retry
    01:00 at 0%: hold: aborted: stays so until the version changes or a person says retry
    01:10 at 0%: advance to 5%: nothing forbids the first request
    ");
}

#[test]
fn outcomes_of_the_warm_up_are_left_out() {
    insta::assert_snapshot!(timeline("steps: 5,100\nwarm-up: 30s\nstep-interval: 1m", "
        00:00
        00:20 canary 20 20 stable 380 0
        00:30
        00:40 canary 10 0 stable 190 1
        01:29
    "), @"
    00:00 at 0%: advance to 5%: nothing forbids the first request
    00:20 at 5%: hold: warming up for another 10s
    00:30 at 5%: advance to 5%: warmed up, outcomes count from here
    00:40 at 5%: hold: another 50s on this step; 10 of 50 canary requests on this step; not yet shown to be good enough: evidence E = 1.04 of 20
    01:29 at 5%: hold: another 1s on this step; no proxy has reported for 49s; 10 of 50 canary requests on this step; not yet shown to be good enough: evidence E = 1.04 of 20
    ");
}

#[test]
fn a_person_who_promotes_does_without_the_warm_up() {
    for script in [
        "00:00 promote: v2\n00:31",
        "00:00\n00:10 promote: v2\n00:41",
    ] {
        let annotations = "steps: 5,100\nwarm-up: 30s\nstep-interval: 1m";
        let mut drive = Drive::new(annotations, vec![]);
        let log = drive.follow(script);
        assert!(
            log.ends_with("at 100%: hold: another 29s on this step\n"),
            "{log}"
        );
    }
}

#[test]
fn past_its_time_a_person_decides() {
    insta::assert_snapshot!(timeline("steps: 5,50,100\nstep-interval: 1m\nmax-duration: 5m\nmin-requests: 10", "
        00:00
        04:59 canary 9 0 stable 171 1
        05:00 canary 9 0 stable 171 1
        06:00 promote: v2
    "), @"
    00:00 at 0%: advance to 5%: nothing forbids the first request
    04:59 at 5%: hold: 9 of 10 canary requests on this step
    05:00 at 5%: hold: no end within 5m: a person decides
    06:00 at 5%: advance to 100%: a person asked for it
    ");
}

#[test]
fn a_slow_canary_is_named_by_its_threshold() {
    let threshold = |millis, allowed| Threshold {
        limit: Duration::from_millis(millis),
        allowed,
    };
    let annotations = "steps: 5,100\nlatency: p99<300ms";
    let mut drive = Drive::new(annotations, vec![threshold(300, Some(0.01))]);
    insta::assert_snapshot!(drive.follow("
        00:00
        00:30 canary 30 0 stable 570 3 slow 0 3
        01:00 canary 60 0 stable 1140 5 slow 9 6
    "), @"
    00:00 at 0%: advance to 5%: nothing forbids the first request
    00:30 at 5%: hold: another 1m 30s on this step; 30 of 50 canary requests on this step; not yet shown to be good enough: evidence E = 1.14 of 20
    01:00 at 5%: abort: the canary is worse: p99<300ms: canary 9 of 90 (10%), stable 9 of 1710 (0.53%); evidence E = 33919 of 100
    ");
    // Slower than stable, and within its own objective: no reason to abort.
    let mut drive = Drive::new(annotations, vec![threshold(300, Some(0.01))]);
    insta::assert_snapshot!(drive.follow("
        00:00
        59:00 canary 4000 0 stable 76000 0 slow 34 0
    "), @"
    00:00 at 0%: advance to 5%: nothing forbids the first request
    59:00 at 5%: advance to 100%: the canary is shown to be better than the margin
    ");
    let mut drive = Drive::new(
        "steps: 5,100\nlatency: stable",
        vec![threshold(100, None), threshold(500, None)],
    );
    insta::assert_snapshot!(drive.follow("
        00:00
        00:30 canary 4000 0 stable 76000 0 slow 100 0
    "), @"
    00:00 at 0%: advance to 5%: nothing forbids the first request
    00:30 at 5%: abort: the canary is worse: latency<100ms: canary 100 of 4000 (2.5%), stable 0 of 76000 (0%), latency<500ms: canary 100 of 4000 (2.5%), stable 0 of 76000 (0%); evidence E = 4.6e88 of 100
    ");
}

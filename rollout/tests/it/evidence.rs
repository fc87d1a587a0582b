//! Reports on bad roads: lost, repeated, reordered, from processes that come and go.

use haldane_rollout::evidence::Change;
use haldane_rollout::{Arms, Counts, Evidence, Report, ReportError, Stratum, Totals};
use jiff::Timestamp;
use proptest::prelude::*;

fn five_percent() -> Stratum {
    Stratum::new(5, 100).expect("a share")
}

fn counts(requests: u64, bad: u64) -> Counts {
    Counts {
        requests,
        bad,
        slow: vec![],
    }
}

fn report(
    instance: &str,
    share: Stratum,
    [canary, canary_bad, stable, stable_bad]: [u64; 4],
) -> Report {
    let arms = Arms {
        canary: counts(canary, canary_bad),
        stable: counts(stable, stable_bad),
        ..Arms::default()
    };
    Report {
        instance: instance.to_owned(),
        at: Timestamp::UNIX_EPOCH,
        counts: Totals::from([(share, arms)]),
    }
}

fn figures(evidence: &Evidence) -> [u64; 4] {
    let mut sum = Arms::default();
    evidence.totals().values().for_each(|arms| sum.add(arms));
    [
        sum.canary.requests,
        sum.canary.bad,
        sum.stable.requests,
        sum.stable.bad,
    ]
}

#[test]
fn only_the_newest_report_of_a_process_counts() {
    let mut evidence = Evidence::new(0);
    let mut seen = |instance, counts| {
        let change = evidence.report(&report(instance, five_percent(), counts));
        (change, figures(&evidence))
    };
    assert_eq!(
        seen("a", [1, 0, 19, 1]),
        (Ok(Change::Counted), [1, 0, 19, 1])
    );
    assert_eq!(
        seen("a", [1, 0, 19, 1]),
        (Ok(Change::Nothing), [1, 0, 19, 1])
    );
    assert_eq!(
        seen("a", [3, 1, 57, 1]),
        (Ok(Change::Counted), [3, 1, 57, 1])
    );
    assert_eq!(
        seen("a", [2, 1, 38, 1]),
        (Ok(Change::Nothing), [3, 1, 57, 1])
    );
    assert_eq!(
        seen("b", [1, 0, 19, 0]),
        (Ok(Change::Counted), [4, 1, 76, 1])
    );
    assert_eq!(
        seen("a", [4, 0, 58, 1]),
        (
            Err(ReportError::Inconsistent("a".to_owned())),
            [4, 1, 76, 1]
        )
    );
}

#[test]
fn what_cannot_be_true_is_left_out_whole() {
    let mut evidence = Evidence::new(0);
    let impossible = report("a", five_percent(), [1, 2, 19, 0]);
    assert_eq!(
        evidence.report(&impossible),
        Err(ReportError::Impossible("a".to_owned()))
    );
    let mut foreign = report("a", five_percent(), [1, 0, 19, 0]);
    for arms in foreign.counts.values_mut() {
        arms.canary.slow = vec![1];
    }
    assert!(matches!(
        evidence.report(&foreign),
        Err(ReportError::Thresholds {
            seen: 1,
            expected: 0,
            ..
        })
    ));
    assert_eq!((figures(&evidence), evidence.newest()), ([0; 4], None));
}

#[test]
fn shares_of_nothing_and_everything_are_no_evidence() {
    let mut evidence = Evidence::new(0);
    for share in [Stratum::NONE, Stratum::ALL] {
        evidence.report(&report("a", share, [5, 5, 5, 0])).unwrap();
    }
    assert!(evidence.totals().is_empty());
}

#[test]
fn what_was_before_does_not_count() {
    let mut evidence = Evidence::new(0);
    evidence
        .report_before(&report("a", five_percent(), [100, 90, 1900, 0]))
        .unwrap();
    evidence
        .report(&report("a", five_percent(), [101, 90, 1919, 1]))
        .unwrap();
    assert_eq!(figures(&evidence), [1, 0, 19, 1]);
    evidence.restart(0);
    evidence
        .report(&report("a", five_percent(), [101, 90, 1919, 1]))
        .unwrap();
    evidence
        .report(&report("a", five_percent(), [100, 90, 1900, 0]))
        .unwrap();
    assert_eq!(figures(&evidence), [0; 4]);
    evidence
        .report(&report("a", five_percent(), [102, 91, 1938, 1]))
        .unwrap();
    assert_eq!(figures(&evidence), [1, 1, 19, 0]);
}

#[test]
fn with_other_thresholds_a_known_process_tells_first_what_was_before() {
    let mut evidence = Evidence::new(0);
    evidence
        .report(&report("a", five_percent(), [10, 9, 190, 0]))
        .unwrap();
    evidence.restart(1);
    let mut next = report("a", five_percent(), [11, 9, 209, 0]);
    let slow = |report: &mut Report, slow: u64| {
        for arms in report.counts.values_mut() {
            arms.canary.slow = vec![slow];
            arms.stable.slow = vec![slow];
        }
    };
    slow(&mut next, 7);
    evidence.report(&next).unwrap();
    assert_eq!(figures(&evidence), [0; 4]);
    let mut last = report("a", five_percent(), [12, 9, 228, 0]);
    slow(&mut last, 8);
    evidence.report(&last).unwrap();
    assert_eq!(figures(&evidence), [1, 0, 19, 0]);
    assert_eq!(evidence.totals()[&five_percent()].canary.slow, [1]);
}

#[test]
fn the_number_of_processes_is_bounded() {
    let mut evidence = Evidence::new(0);
    for number in 0..haldane_rollout::evidence::INSTANCES_MAX {
        evidence
            .report(&report(&number.to_string(), five_percent(), [1, 0, 19, 0]))
            .unwrap();
    }
    let one_more = report("one more", five_percent(), [1, 0, 19, 0]);
    assert_eq!(
        evidence.report(&one_more),
        Err(ReportError::Full("one more".to_owned()))
    );
    evidence
        .report(&report("0", five_percent(), [2, 0, 38, 0]))
        .unwrap();
}

/// What three processes report, each in order, with steps from one report to the next.
fn reports() -> impl Strategy<Value = Vec<Report>> {
    let step = (0..3_usize, [0..5_u64, 0..3, 0..50, 0..3]);
    prop::collection::vec(step, 1..40).prop_map(|steps| {
        let mut sums = [[0; 4]; 3];
        let mut told = Vec::new();
        for (process, [canary, canary_bad, stable, stable_bad]) in steps {
            let grown = [
                canary + canary_bad,
                canary_bad,
                stable + stable_bad,
                stable_bad,
            ];
            for (sum, grown) in sums[process].iter_mut().zip(grown) {
                *sum += grown;
            }
            told.push(report(&process.to_string(), five_percent(), sums[process]));
        }
        told
    })
}

/// The last report of each process, once more at the end: what was lost on the way is made up for.
fn last_of_each(told: &[Report]) -> Vec<Report> {
    let last = |name: &str| {
        told.iter()
            .rev()
            .find(|report| report.instance == name)
            .cloned()
    };
    ["0", "1", "2"].into_iter().filter_map(last).collect()
}

proptest! {
    #[test]
    fn lost_repeated_and_reordered_reports_change_nothing_in_the_end(
        told in reports(),
        road in prop::collection::vec(any::<prop::sample::Index>(), 0..60),
    ) {
        let mut straight = Evidence::new(0);
        for report in &told {
            straight.report(report).unwrap();
        }
        let mut bad_road = Evidence::new(0);
        for index in &road {
            bad_road.report(index.get(&told)).unwrap();
        }
        for report in last_of_each(&told) {
            bad_road.report(&report).unwrap();
        }
        prop_assert_eq!(straight, bad_road);
    }

    #[test]
    fn it_is_the_same_after_it_was_stored(told in reports(), at in any::<prop::sample::Index>()) {
        let mut kept = Evidence::new(0);
        let mut stored = Evidence::new(0);
        let at = at.index(told.len());
        for (place, report) in told.iter().enumerate() {
            kept.report(report).unwrap();
            stored.report(report).unwrap();
            if place == at {
                let text = serde_json::to_string(&stored).unwrap();
                stored = serde_json::from_str(&text).unwrap();
            }
        }
        prop_assert_eq!(kept, stored);
    }
}

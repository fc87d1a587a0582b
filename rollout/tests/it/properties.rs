//! What must hold whatever happens to a rollout.

use crate::drive::Drive;
use haldane_rollout::{Action, Arms, Counts, Phase, Stratum, Terms, Threshold, Totals, judge};
use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::time::Duration;

const PLAN: &str =
    "steps: 5,20,50,100\nstep-interval: 1m\nmin-requests: 20\nfreeze: 12:20 - 12:40 UTC";

/// One thing that happens in a minute.
#[derive(Clone, Debug)]
enum Event {
    /// Requests come: so many, and of a thousand so many bad ones of canary and stable.
    Traffic(u64, u64, u64),
    /// A person writes or takes away an annotation.
    Annotate(&'static str, &'static str),
    /// Nobody reports.
    Silence,
}

fn event() -> impl Strategy<Value = Event> {
    let annotations = vec![
        ("pause", "true"),
        ("pause", ""),
        ("promote", "v2"),
        ("promote", "true"),
        ("promote", ""),
        ("abort", "v2"),
        ("abort", ""),
        ("retry", "v2"),
        ("retry", ""),
        ("rollback", "v2"),
        ("rollback", ""),
        ("rollout", "manual"),
        ("rollout", "auto"),
        ("steps", "1,100"),
    ];
    prop_oneof![
        8 => (0..4000_u64, 0..30_u64, 0..10_u64).prop_map(|(n, canary, stable)| Event::Traffic(n, canary, stable)),
        1 => prop::sample::select(annotations).prop_map(|(name, value)| Event::Annotate(name, value)),
        1 => Just(Event::Silence),
    ]
}

fn happen(drive: &mut Drive, minute: usize, event: &Event) {
    drive.at(minute as i64 * 60);
    match event {
        Event::Traffic(requests, canary_bad, stable_bad) => {
            let canary = (*requests as f64 * drive.state.share().share()) as u64;
            let stable = requests - canary;
            drive.grow(
                [
                    canary,
                    canary * canary_bad / 1000,
                    stable,
                    stable * stable_bad / 1000,
                ],
                [0, 0],
            );
            drive.report();
        }
        Event::Annotate(name, value) => drive.annotate(name, value),
        Event::Silence => {}
    }
}

/// As it comes back from where it was stored.
fn stored<T: Serialize + DeserializeOwned>(value: &T) -> T {
    let text = serde_json::to_string(value).expect("it can be written");
    serde_json::from_str(&text).expect("what was written can be read")
}

fn arms(canary: u64, canary_bad: u64, stable: u64, stable_bad: u64, slow: u64) -> Arms {
    let counts = |requests, bad, slow: u64| Counts {
        requests,
        bad,
        slow: vec![slow.min(requests)],
    };
    Arms {
        canary: counts(canary, canary_bad, slow),
        stable: counts(stable, stable_bad, 0),
        ..Arms::default()
    }
}

proptest! {
    /// `Drive::step` checks each move: no step is skipped, nothing rises in a freeze or a pause, nobody gets everything
    /// without proof or a person's word.
    #[test]
    fn no_course_of_events_breaks_a_rule(events in prop::collection::vec(event(), 1..60)) {
        let mut drive = Drive::new(PLAN, vec![]);
        for (minute, event) in events.iter().enumerate() {
            happen(&mut drive, minute, event);
            drive.step();
        }
    }

    #[test]
    fn once_carried_out_a_decision_is_not_made_again(events in prop::collection::vec(event(), 1..60)) {
        let mut drive = Drive::new(PLAN, vec![]);
        for (minute, event) in events.iter().enumerate() {
            happen(&mut drive, minute, event);
            let acted = drive.step().action != Action::Hold;
            if acted && !matches!(drive.state.phase(), Phase::Promoted) {
                prop_assert_eq!(drive.step().action, Action::Hold);
            }
        }
    }

    #[test]
    fn a_restart_at_any_moment_changes_nothing(
        events in prop::collection::vec(event(), 1..60), crash in 0..60_usize,
    ) {
        let mut through = Drive::new(PLAN, vec![]);
        let mut restarted = Drive::new(PLAN, vec![]);
        for (minute, event) in events.iter().enumerate() {
            happen(&mut through, minute, event);
            happen(&mut restarted, minute, event);
            if minute == crash {
                restarted.state = stored(&restarted.state);
                restarted.evidence = stored(&restarted.evidence);
            }
            prop_assert_eq!(through.step(), restarted.step());
        }
        prop_assert_eq!(through.state, restarted.state);
    }

    #[test]
    fn more_bad_outcomes_of_the_canary_are_never_good_news(
        strata in prop::collection::vec((1..100_u64, 0..200_u64, 0..50_u64, 0..4000_u64, 0..50_u64, 0..20_u64), 1..5),
        worse in any::<prop::sample::Index>(),
    ) {
        let drive = Drive::new("steps: 1,5,25,50,100", vec![Threshold {
            limit: Duration::from_millis(300),
            allowed: Some(0.01),
        }]);
        let terms: &Terms = drive.state.terms();
        let totals: Totals = strata
            .iter()
            .map(|(share, good, bad, stable, stable_bad, slow)| {
                // One good outcome more, which can turn bad.
                let arms = arms(good + bad + 1, *bad, stable + stable_bad, *stable_bad, *slow);
                (Stratum::new(*share, 100).unwrap(), arms)
            })
            .collect();
        let share = *worse.get(&totals.keys().copied().collect::<Vec<_>>());
        let mut after = totals.clone();
        after.entry(share).and_modify(|arms| arms.canary.bad += 1);
        let (before, after) = (judge(terms, &totals), judge(terms, &after));
        prop_assert!(after.ln_e_abort >= before.ln_e_abort);
        prop_assert!(after.ln_e_promote <= before.ln_e_promote);
    }
}

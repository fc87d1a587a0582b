use super::*;
use haldane_rollout::{Action, Decision};
use haldane_rollout::{Arms, Counts, Evidence, Plan, Report, State, Stratum, decide};

/// 1.15 beside 1.14 on its second step, with these outcomes there.
fn report(annotations: &[(&str, &str)], canary: [u64; 2], stable: [u64; 2]) -> RolloutReport {
    let began = Timestamp::UNIX_EPOCH;
    let now = began + jiff::SignedDuration::from_secs(30);
    let own = [("rollout", "auto")];
    let plan = Plan::read(own.iter().chain(annotations).copied());
    let plan = plan.unwrap().unwrap();
    let mut evidence = Evidence::new(0);
    let mut state = State::begin("1.14", "1.15", &plan, vec![], &mut evidence, began);
    for to in [0, 1] {
        let share = plan.steps[to];
        let decision = Decision {
            action: Action::Advance { to, share },
            reasons: vec![Reason::StepDone],
        };
        state.carry_out(&decision, &mut evidence, began);
    }
    let counts = |[requests, bad]: [u64; 2]| Counts {
        requests,
        bad,
        slow: vec![],
    };
    let arms = Arms {
        canary: counts(canary),
        stable: counts(stable),
        ..Arms::default()
    };
    let told = Report {
        instance: "proxy".to_owned(),
        at: now,
        counts: [(Stratum::new(5, 100).unwrap(), arms)].into(),
    };
    evidence.report(&told).unwrap();
    let decision = decide(&plan, &state, &evidence, now);
    let mut standing = Standing::new(&plan, &state, &evidence, &decision, now);
    standing.canary_figures.p99 = Some(0.05);
    RolloutReport {
        namespace: "shop".to_owned(),
        kind: "Service".to_owned(),
        name: "web".to_owned(),
        service: "web".to_owned(),
        stable: "1.14".to_owned(),
        mode: plan.mode,
        rollout: Some(standing),
    }
}

fn shown(rollouts: &[RolloutReport], detailed: bool) -> String {
    let now = Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_secs(30);
    let table = Table {
        rollouts,
        detailed,
        now,
    };
    table.to_string()
}

#[test]
fn a_rollout_is_a_line_and_what_holds_it() {
    let idle = RolloutReport {
        name: "api".to_owned(),
        rollout: None,
        ..report(&[], [0, 0], [0, 0])
    };
    let paused = [("pause", "true"), ("freeze", "00:00 - 06:00 UTC")];
    let rollouts = [
        report(&[], [20, 0], [380, 2]),
        report(&paused, [40, 1], [760, 4]),
        idle,
    ];
    insta::assert_snapshot!(shown(&rollouts, false), @"
    OBJECT            STABLE  CANARY  PHASE     WEIGHT  STEP  ERRORS        P99        WORSE               GOOD
    Service shop/web  1.14    1.15    climbing  5%      2/6   0% / 0.53%    50 ms / -  E=0.67 of 100 (0%)  E=1.09 of 20 (3%)
      another 1m 30s on this step; 20 of 50 canary requests on this step
    Service shop/web  1.14    1.15    climbing  5%      2/6   2.5% / 0.53%  50 ms / -  E=0.97 of 100 (0%)  E=0.75 of 20 (0%)
      paused by a person; nothing goes up during 00:00 - 06:00 UTC; another 1m 30s on this step; 40 of 50 canary requests on this step; frozen until 1970-01-01T06:00:00Z, for another 5h 59m 30s
    Service shop/api  1.14    -       idle      -       -     -             -          -                   -
    ");
}

#[test]
fn the_one_that_is_asked_for_is_told_with_its_evidence() {
    insta::assert_snapshot!(shown(&[report(&[], [20, 0], [380, 2])], true), @"
    OBJECT            STABLE  CANARY  PHASE     WEIGHT  STEP  ERRORS      P99        WORSE               GOOD
    Service shop/web  1.14    1.15    climbing  5%      2/6   0% / 0.53%  50 ms / -  E=0.67 of 100 (0%)  E=1.09 of 20 (3%)
      another 1m 30s on this step; 20 of 50 canary requests on this step
      canary: 20 requests, 0 errors, p99 50 ms
      stable: 380 requests, 2 errors
      errors: canary 0 of 20 (0%), stable 2 of 380 (0.53%)
      error ratio: 0.00 to 246.96 times stable's, at every moment with 95%
      worse than the tolerance: E = 0.67 of 100
      better than the margin: E = 1.09 of 20
      undecided: about 470 more canary requests needed if the rates stay
      1970-01-01T00:00:00Z 0%: 1.15 appeared beside 1.14
      1970-01-01T00:00:00Z 1%: the step had its time and requests, and nothing speaks against the canary
      1970-01-01T00:00:00Z 5%: the step had its time and requests, and nothing speaks against the canary
    ");
}

#[test]
fn nothing_is_no_table() {
    assert_eq!(shown(&[], true), "");
}

//! A rollout driven by hand: the clock, the reports and the annotations are the test's, decisions are carried out as the
//! controller would.

use haldane_rollout::plan::Plan;
use haldane_rollout::{
    Action, Arms, Counts, Decision, Evidence, Now, Phase, Report, State, Stratum, Threshold,
    Totals, decide,
};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;

/// A Friday noon, UTC.
const NOON: &str = "2026-11-20T12:00:00Z";

pub(crate) struct Drive {
    annotations: BTreeMap<String, String>,
    thresholds: Vec<Threshold>,
    counts: Totals,
    pub(crate) evidence: Evidence,
    pub(crate) state: State,
    pub(crate) now: Timestamp,
    /// How far the clock on the wall is ahead.
    ahead: SignedDuration,
    pub(crate) log: String,
}

impl Drive {
    /// Begins with annotations, one a line, and thresholds of latency.
    pub(crate) fn new(annotations: &str, thresholds: Vec<Threshold>) -> Self {
        let mut written = BTreeMap::from([("rollout".to_owned(), "auto".to_owned())]);
        written.extend(annotations.lines().filter_map(line));
        let now = noon();
        let mut evidence = Evidence::new(thresholds.len());
        let state = State::begin(
            "v1",
            "v2",
            &plan(&written),
            thresholds.clone(),
            &mut evidence,
            now,
        );
        Self {
            annotations: written,
            thresholds,
            counts: Totals::new(),
            evidence,
            state,
            now,
            ahead: SignedDuration::ZERO,
            log: String::new(),
        }
    }

    pub(crate) fn plan(&self) -> Plan {
        plan(&self.annotations)
    }

    /// Writes an annotation, or takes it away by an empty value.
    pub(crate) fn annotate(&mut self, name: &str, value: &str) {
        match value {
            "" => self.annotations.remove(name),
            _ => self.annotations.insert(name.to_owned(), value.to_owned()),
        };
    }

    pub(crate) fn at(&mut self, seconds: i64) {
        self.now = noon() + SignedDuration::from_secs(seconds);
    }

    /// By both clocks.
    fn clocks(&self) -> Now {
        Now {
            calendar: self.now + self.ahead,
            steady: self.now,
        }
    }

    /// The proxy's counts at the present share grow by this: requests and bad ones of canary and stable, slow ones for
    /// each threshold.
    pub(crate) fn grow(
        &mut self,
        [canary, canary_bad, stable, stable_bad]: [u64; 4],
        slow: [u64; 2],
    ) {
        let thresholds = self.thresholds.len();
        let counts = |requests, bad, slow| Counts {
            requests,
            bad,
            slow: vec![slow; thresholds],
        };
        let arms = Arms {
            canary: counts(canary, canary_bad, slow[0]),
            stable: counts(stable, stable_bad, slow[1]),
            ..Arms::default()
        };
        let sum = self
            .counts
            .entry(self.state.share())
            .or_insert_with(|| Arms {
                canary: counts(0, 0, 0),
                stable: counts(0, 0, 0),
                ..Arms::default()
            });
        sum.add(&arms);
    }

    pub(crate) fn report(&mut self) {
        let report = Report {
            instance: "proxy-1".to_owned(),
            at: self.now,
            counts: self.counts.clone(),
        };
        self.evidence.report(&report).expect("counts only grow");
    }

    /// Decides and carries out, after a look at the independent checks.
    pub(crate) fn step(&mut self) -> Decision {
        let (plan, now) = (self.plan(), self.clocks());
        self.state.look_at(&plan.hand);
        if self.state.begins("v2", &plan) {
            let state = State::begin(
                "v1",
                "v2",
                &plan,
                self.thresholds.clone(),
                &mut self.evidence,
                now,
            );
            self.state = state.after(&self.state);
        }
        let decision = decide(&plan, &self.state, &self.evidence, now);
        assert_eq!(
            decision,
            decide(&plan, &self.state, &self.evidence, now),
            "deciding again"
        );
        let before = self.state.clone();
        self.state.carry_out(&decision, &mut self.evidence, now);
        check_move(&plan, &before, &self.state, &decision, now.calendar);
        decision
    }

    /// Follows a script: `MM:SS`, and then either `name: value` of an annotation, or `canary REQUESTS BAD stable REQUESTS
    /// BAD [slow CANARY STABLE]`, or `wall MINUTES` by which the clock on the wall is ahead from then on, or nothing. After each line the decision is written down.
    pub(crate) fn follow(&mut self, script: &str) -> String {
        for written in script
            .lines()
            .map(str::trim)
            .filter(|text| !text.is_empty())
        {
            let (time, what) = written.split_once(' ').unwrap_or((written, ""));
            let (minutes, seconds) = time.split_once(':').expect("MM:SS");
            let number = |text: &str| text.parse::<i64>().expect("a number");
            self.at(number(minutes) * 60 + number(seconds));
            self.obey(what.trim());
            let share = self.state.share();
            let decision = self.step();
            self.log += &format!("{time} at {share}: {decision}\n");
        }
        std::mem::take(&mut self.log)
    }

    fn obey(&mut self, what: &str) {
        if let Some((name, value)) = line(what) {
            self.annotate(&name, &value);
        } else if let Some(counts) = what.strip_prefix("canary ") {
            let numbers: Vec<u64> = counts
                .split(' ')
                .filter_map(|word| word.parse().ok())
                .collect();
            let slow = [4, 5].map(|place| numbers.get(place).copied().unwrap_or(0));
            self.grow([numbers[0], numbers[1], numbers[2], numbers[3]], slow);
            self.report();
        } else if let Some(minutes) = what.strip_prefix("wall ") {
            self.ahead = SignedDuration::from_mins(minutes.parse().expect("a number"));
        }
    }
}

fn noon() -> Timestamp {
    NOON.parse().expect("a time")
}

/// A look at a move that knows nothing of how it was decided.
#[track_caller]
fn check_move(plan: &Plan, before: &State, after: &State, decision: &Decision, now: Timestamp) {
    let by_hand = plan.hand.promote.is_some();
    let rises = after.share() > before.share();
    assert!(
        !rises || plan.frozen(now).is_none(),
        "goes up in a freeze: {decision}"
    );
    assert!(!rises || !plan.hand.pause, "goes up in a pause: {decision}");
    assert!(
        after.step() <= before.step() + 1 || by_hand,
        "skips a step: {decision}"
    );
    let to_everything =
        rises && after.share() == Stratum::ALL && before.terms().telling().count() > 0;
    let proven = decision.to_string().contains("better than the margin");
    assert!(
        !to_everything || proven || by_hand,
        "promoted without proof: {decision}"
    );
    if decision.action == Action::Abort {
        assert_eq!(
            (after.phase(), after.share()),
            (Phase::Aborted, Stratum::NONE)
        );
    }
}

fn plan(annotations: &BTreeMap<String, String>) -> Plan {
    let pairs = annotations
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()));
    let plan = Plan::read(pairs).expect("a sound plan");
    plan.expect("a rollout is asked for")
}

fn line(text: &str) -> Option<(String, String)> {
    let (name, value) = text.trim().split_once(':')?;
    Some((name.to_owned(), value.trim().to_owned()))
}

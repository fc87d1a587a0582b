//! What the proxy counts of a release, brought to the decision of `haldane-rollout`: by share, in the order of arrival.
//! It looks and decides; it sends nothing and changes no weight.

use super::counts::Name;
use haldane_proxy::metrics::{SeriesKey, Share};
use haldane_rollout::watermark::{Outcome, Watermark};
use haldane_rollout::{Arm, Arms, Decision, Evidence, Plan, Report, State, Stratum, decide, judge};
use haldane_wire::{Outcome as Judged, Totals};
use jiff::Timestamp;
use std::collections::BTreeMap;

/// How many looks an outcome is waited for. Nothing in the demo takes so long.
const PATIENCE: u64 = 1_000;

/// A release that is being weighed.
pub(crate) struct Weighing {
    versions: [Name; 2],
    plan: Plan,
    state: State,
    evidence: Evidence,
    accounts: BTreeMap<Stratum, Account>,
    look: u64,
}

/// How far the evidence has come: logarithms, and what they need to be.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Scales {
    /// That the canary is worse.
    pub(crate) worse: f64,
    /// At this it is aborted.
    pub(crate) worse_at: f64,
    /// That it is good enough.
    pub(crate) good: f64,
    /// At this it may get everything.
    pub(crate) good_at: f64,
}

/// What was counted while the canary had one share.
struct Account {
    watermark: Watermark,
    /// Each version's counters when they were last looked at.
    seen: [Totals; 2],
}

impl Weighing {
    /// The canary, the second of the versions, is met beside the first.
    ///
    /// # Errors
    /// When the annotations, without their prefix, are no plan.
    pub(crate) fn begin(
        versions: [Name; 2],
        annotations: &[(&str, &str)],
        now: Timestamp,
    ) -> anyhow::Result<Self> {
        let plan = Plan::read(annotations.iter().copied());
        let plan = plan.map_err(|faults| anyhow::anyhow!("the plan has faults: {faults:?}"))?;
        let plan = plan.unwrap_or_default();
        let mut evidence = Evidence::new(0);
        let [stable, canary] = versions;
        let state = State::begin(stable, canary, &plan, Vec::new(), &mut evidence, now);
        Ok(Self {
            versions,
            plan,
            state,
            evidence,
            accounts: BTreeMap::new(),
            look: 0,
        })
    }

    /// Takes in what is counted by now, decides, and takes the decision for carried out.
    ///
    /// # Errors
    /// When the counts contradict each other.
    pub(crate) fn look(
        &mut self,
        counted: &[(SeriesKey, Vec<(Share, Totals)>)],
        now: Timestamp,
    ) -> anyhow::Result<Decision> {
        self.look += 1;
        for (key, shares) in counted.iter().filter(|(key, _)| key.by == "split") {
            for (share, totals) in shares {
                self.take(&key.version, *share, totals);
            }
        }
        self.report(now)?;
        let decision = decide(&self.plan, &self.state, &self.evidence, now);
        self.state.carry_out(&decision, &mut self.evidence, now);
        Ok(decision)
    }

    fn take(&mut self, version: &str, share: Share, totals: &Totals) {
        let [stable, canary] = self.versions;
        let (arm, weight) = match version {
            name if name == canary => (Arm::Canary, share.weight),
            name if name == stable => (Arm::Stable, share.period - share.weight),
            _ => return,
        };
        if let Ok(stratum) = Stratum::new(weight, share.period) {
            let account = self.accounts.entry(stratum).or_insert_with(Account::new);
            account.take(arm, self.look, totals);
        }
    }

    fn report(&mut self, now: Timestamp) -> anyhow::Result<()> {
        let look = self.look;
        let counts = self.accounts.iter_mut();
        let counts = counts.map(|(stratum, account)| (*stratum, account.counted(look)));
        self.evidence.report(&Report {
            instance: "demo".to_owned(),
            at: now,
            counts: counts.collect(),
        })?;
        Ok(())
    }

    /// The canary's share now.
    pub(crate) fn share(&self) -> Stratum {
        self.state.share()
    }

    /// Requests of the canary whose outcomes count, and how many of them were bad.
    pub(crate) fn canary(&self) -> [u64; 2] {
        let arms = self.evidence.totals().values();
        arms.fold([0, 0], |[requests, bad], arms| {
            let Arms { canary, .. } = arms;
            [requests + canary.requests, bad + canary.bad]
        })
    }

    /// How far the evidence has come.
    pub(crate) fn scales(&self) -> Scales {
        let terms = self.state.terms();
        let judged = judge(terms, self.evidence.totals());
        Scales {
            worse: judged.ln_e_abort,
            worse_at: terms.ln_abort(),
            good: judged.ln_e_promote,
            good_at: terms.ln_promote(),
        }
    }
}

impl Account {
    fn new() -> Self {
        Self {
            watermark: Watermark::new(PATIENCE),
            seen: Default::default(),
        }
    }

    /// The counters tell of requests that are over: those of one look are taken to have come together. What a client
    /// broke off says nothing of a version.
    fn take(&mut self, arm: Arm, look: u64, totals: &Totals) {
        let seen = &mut self.seen[arm as usize];
        let grown = totals.since(seen);
        *seen = *totals;
        let of = |judged: &[Judged]| judged.iter().map(|judged| grown.of(*judged)).sum();
        let bad = of(&[
            Judged::ServerError,
            Judged::UpstreamFailed,
            Judged::InternalFailed,
        ]);
        let good = of(&[Judged::Success, Judged::ClientError]);
        self.watermark.arrive(look, arm, bad + good);
        self.watermark.finish(look, arm, Outcome::Bad, bad);
        self.watermark.finish(look, arm, Outcome::Good, good);
    }

    fn counted(&mut self, look: u64) -> Arms {
        self.watermark.counted(look + 1).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::acts::rollout::{LOOK, REQUESTS_MAX, plan};
    use haldane_rollout::Action;

    const VERSIONS: [Name; 2] = ["stable", "canary"];

    fn key(version: Name) -> SeriesKey {
        SeriesKey {
            namespace: String::new(),
            ingress: String::new(),
            rule: String::new(),
            service: String::new(),
            version: version.to_owned(),
            canary: String::new(),
            by: "split",
        }
    }

    /// Counters that grow as traffic at a share makes them, every so many of the canary's requests failing.
    struct Traffic {
        fail_every: Option<u64>,
        first: u64,
        shares: BTreeMap<Stratum, [Totals; 2]>,
        canaries: u64,
    }

    impl Traffic {
        fn send(&mut self, share: Stratum, requests: u64) {
            let arms = self.shares.entry(share).or_default();
            let (weight, period) = (u64::from(share.weight()), u64::from(share.period()));
            for number in 0..requests {
                let is_canary = number * weight % period < weight;
                let totals = &mut arms[usize::from(is_canary)];
                self.canaries += u64::from(is_canary);
                let number = self.canaries + self.first;
                let fails = is_canary && self.fail_every.is_some_and(|n| number.is_multiple_of(n));
                let judged = if fails {
                    Judged::ServerError
                } else {
                    Judged::Success
                };
                totals.outcomes[judged as usize] += 1;
            }
        }

        fn counted(&self) -> Vec<(SeriesKey, Vec<(Share, Totals)>)> {
            let of = |arm: usize| {
                let at = |(share, arms): (&Stratum, &[Totals; 2])| {
                    let (weight, period) = (u64::from(share.weight()), u64::from(share.period()));
                    let weight = if arm == 1 { weight } else { period - weight };
                    (Share { weight, period }, arms[arm])
                };
                (key(VERSIONS[arm]), self.shares.iter().map(at).collect())
            };
            vec![of(0), of(1)]
        }
    }

    /// How a release ends whose canary fails every so many requests, of which the first is this one; and after how many.
    fn end(fail_every: Option<u64>, first: u64) -> (Action, u64) {
        let mut traffic = Traffic {
            fail_every,
            first,
            shares: BTreeMap::new(),
            canaries: 0,
        };
        let mut now = Timestamp::UNIX_EPOCH;
        let mut weighing = Weighing::begin(VERSIONS, &plan("300ms"), now).unwrap();
        let mut sent = 0;
        while sent < REQUESTS_MAX {
            let decision = weighing.look(&traffic.counted(), now).unwrap();
            if matches!(decision.action, Action::Promote | Action::Abort) {
                return (decision.action, sent);
            }
            traffic.send(weighing.share(), LOOK);
            sent += LOOK;
            now += jiff::SignedDuration::from_millis(30);
        }
        (Action::Hold, sent)
    }

    #[test]
    fn the_demos_bad_release_is_aborted_wherever_its_faults_begin_and_the_good_one_promoted() {
        for first in 0..200 {
            let (action, sent) = end(Some(33), first);
            assert_eq!(action, Action::Abort, "{first}, {sent} requests");
            assert!(sent < REQUESTS_MAX / 4, "{first}: {sent} requests");
        }
        let (action, sent) = end(None, 0);
        assert_eq!(action, Action::Promote, "{sent} requests");
        assert!(sent < REQUESTS_MAX / 4, "{sent} requests");
    }
}

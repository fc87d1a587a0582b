//! A rollout, driven by hand: what is there, what proxies tell, and the time are the test's.

use crate::decided::ReleaseKey;
use crate::push::Heard;
use crate::release::{Release, Version};
use crate::rollouts::turn::Rollout;
use haldane_rollout::{Phase, Plan};
use haldane_routing::By;
use haldane_wire::{Outcome, Series, SeriesId, Totals};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use std::sync::Arc;

pub(super) const RULE: &str = "shop/web shop.example.com/ (Prefix)";

/// A rollout, and the world around it.
pub(super) struct Play {
    pub(super) annotations: BTreeMap<&'static str, &'static str>,
    /// Versions with the templates of their pods, such as `1:a 2:b,c`.
    pub(super) there: &'static str,
    pub(super) by_canary: bool,
    pub(super) settled: bool,
    /// The rules that split between the versions.
    pub(super) rules: Vec<&'static str>,
    /// The proxies that are heard.
    pub(super) proxies: &'static str,
    pub(super) rollout: Option<Rollout>,
    pub(super) counted: BTreeMap<(&'static str, &'static str, String, u64, u64), Totals>,
    pub(super) now: Timestamp,
}

impl Play {
    pub(super) fn new(there: &'static str) -> Self {
        let annotations = [
            ("rollout", "auto"),
            ("steps", "10,50,100"),
            ("step-interval", "10s"),
        ];
        Self {
            annotations: annotations.into(),
            there,
            by_canary: false,
            settled: true,
            rules: vec![RULE],
            proxies: "p q",
            rollout: None,
            counted: BTreeMap::new(),
            now: "2026-11-20T12:00:00Z".parse().expect("a time"),
        }
    }

    pub(super) fn release(&self) -> Release {
        let plan = Plan::read(self.annotations.iter().map(|(key, text)| (*key, *text)));
        let decided = self.rollout.as_ref().map(|rollout| rollout.saved.shares());
        let canary = decided.and_then(|decided| decided.canary);
        let canary = if self.by_canary {
            Some("next".to_owned())
        } else {
            canary
        };
        Release {
            key: ReleaseKey::default(),
            plan: Arc::new(plan.expect("sound").expect("asked for")),
            label: Some("version".to_owned()),
            settled: self.settled,
            recorded: true,
            by_canary: self.by_canary,
            versions: self.versions(),
            first: "1".to_owned(),
            rules: self
                .rules
                .iter()
                .map(|rule| ((*rule).to_owned(), canary.clone()))
                .collect(),
        }
    }

    /// A canary Ingress has one, which shares its requests with whatever else is there.
    pub(super) fn versions(&self) -> BTreeMap<String, Version> {
        let there: Vec<_> = self
            .there
            .split_whitespace()
            .zip(0..)
            .map(version)
            .collect();
        if !self.by_canary {
            return there.into_iter().collect();
        }
        let all = there.iter().flat_map(|(_, version)| version.hashes.clone());
        let sharing = all.collect();
        let youngest = there.into_iter().next_back();
        youngest
            .map(|(name, version)| (name, Version { sharing, ..version }))
            .into_iter()
            .collect()
    }

    /// What proxies count at the present share: requests and bad ones of canary and stable.
    pub(super) fn count(&mut self, proxy: &'static str, counts: [u64; 4]) {
        self.count_by(proxy, RULE, counts);
    }

    /// The same by the requests of one rule.
    pub(super) fn count_by(
        &mut self,
        proxy: &'static str,
        rule: &'static str,
        [canary, canary_bad, stable, stable_bad]: [u64; 4],
    ) {
        let shares = self.rollout.as_ref().expect("it began").saved.shares();
        let (weight, period) = (
            u64::from(shares.share.weight()),
            u64::from(shares.share.period()),
        );
        let name = if self.by_canary {
            Some("next".to_owned())
        } else {
            shares.canary
        };
        let arms = [
            (name.expect("a canary"), weight, canary, canary_bad),
            (shares.stable, period - weight, stable, stable_bad),
        ];
        for (version, weight, requests, bad) in arms {
            let totals = self
                .counted
                .entry((proxy, rule, version, weight, period))
                .or_default();
            totals.outcomes[Outcome::ServerError as usize] += bad;
            totals.outcomes[Outcome::Success as usize] += requests - bad;
            totals.latency[0] += requests;
        }
    }

    pub(super) fn heard(&self) -> Vec<Heard> {
        // Proxies report when nothing happened, too.
        let there = self.proxies.split_whitespace();
        let mut heard: BTreeMap<_, Vec<_>> = there.map(|proxy| (proxy, Vec::new())).collect();
        for ((proxy, rule, version, weight, period), totals) in &self.counted {
            if !self.rules.contains(rule) {
                continue;
            }
            let id = SeriesId {
                rule: (*rule).to_owned(),
                version: version.clone(),
                by: By::Split,
                weight: *weight,
                period: *period,
            };
            if let Some(series) = heard.get_mut(proxy) {
                series.push(Series {
                    id,
                    totals: *totals,
                });
            }
        }
        let heard = heard.into_iter().map(|(proxy, series)| Heard {
            instance: proxy.to_owned(),
            at: self.now,
            series,
        });
        heard.collect()
    }

    /// Looks once after so many seconds; what was told, and who has what then.
    pub(super) fn once(&mut self, seconds: i64) -> String {
        let told = self.turn(seconds);
        self.says(&told)
    }

    /// Looks after so many seconds, and once more where that began a release: it has its first step at the next look.
    pub(super) fn look(&mut self, seconds: i64) -> String {
        let mut told = self.turn(seconds);
        if told.contains(&"RolloutStarted") {
            told.extend(self.turn(0));
        }
        let before = self.rollout.clone();
        assert_eq!(
            (self.turn(0).len(), &self.rollout),
            (0, &before),
            "looking again"
        );
        self.says(&told)
    }

    pub(super) fn turn(&mut self, seconds: i64) -> Vec<&'static str> {
        self.now += SignedDuration::from_secs(seconds);
        let (release, heard) = (self.release(), self.heard());
        let rollout = self.rollout.get_or_insert_with(|| Rollout::first(&release));
        let turn = rollout.turn(&release, &heard, self.now);
        let told = turn.notices.iter().map(|notice| notice.what.as_str());
        told.collect()
    }

    pub(super) fn says(&self, told: &[&str]) -> String {
        let shares = self.rollout.as_ref().expect("it began").saved.shares();
        let canary = shares
            .canary
            .map(|canary| format!(" {canary} {}", shares.share));
        format!(
            "{}: {}{}",
            told.join(" "),
            shares.stable,
            canary.unwrap_or_default()
        )
    }

    /// What a controller that takes over finds written.
    pub(super) fn crash(&mut self) {
        let rollout = self.rollout.take().expect("it began");
        let written = serde_json::to_string(&(&rollout.saved, &rollout.seen.bounded(64, |_| true)));
        let (saved, seen) =
            serde_json::from_str(&written.expect("it can be written")).expect("it can be read");
        let read = Rollout { saved, seen };
        assert_eq!(read, rollout);
        self.rollout = Some(read);
    }

    pub(super) fn phase(&self) -> Option<Phase> {
        let state = self.rollout.as_ref()?.saved.state.as_ref();
        state.map(haldane_rollout::State::phase)
    }
}

/// Those that are written later are younger.
fn version((text, born): (&str, i64)) -> (String, Version) {
    let (name, hashes) = text.split_once(':').expect("NAME:HASH");
    let version = Version {
        ready: 1,
        hashes: hashes.split(',').map(str::to_owned).collect(),
        sharing: hashes.split(',').map(str::to_owned).collect(),
        born: Some(born),
    };
    (name.to_owned(), version)
}

//! Which of several controllers leads: the one that holds the Lease.
//!
//! [`Candidate`] decides, with the time passed in; [`keep`] asks and writes. Only durations of our own clock are compared,
//! never times that another wrote: a holder is gone when its Lease has not changed for as long as it promised to renew it.
//! A leader whose last renewal is too long ago by its own clock stops by itself, before another may begin.

mod keep;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
pub(crate) use keep::{Keep, keep};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// For how long others wait for a renewal before they take the Lease: long enough for an API server to restart.
const DURATION: Duration = Duration::from_secs(8);
/// How long after a renewal its holder still leads. What is left to [`DURATION`] is for what the leader has begun.
const LEADS: Duration = Duration::from_secs(5);
/// How often the Lease is looked at, and renewed by its holder.
const LOOK: Duration = Duration::from_secs(1);

/// Where the renewal of a Lease stands that we hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    /// Grows with every holder; no two terms are the same.
    pub(crate) term: u64,
    /// When the last renewal that succeeded was asked for.
    pub(crate) renewed: Instant,
}

impl Held {
    /// When this holder stops to lead unless it renews.
    fn until(&self) -> Instant {
        self.renewed + LEADS
    }

    /// Whether it leads at a moment.
    fn leads(&self, now: Instant) -> bool {
        now < self.until()
    }
}

/// What everybody else sees of it.
#[derive(Clone, Debug)]
pub(crate) struct Leadership(watch::Receiver<Option<Held>>);

impl Leadership {
    /// The term that we lead now. To be asked right before each write: a process that was frozen finds out here.
    pub(crate) fn term(&self) -> Option<u64> {
        self.held_at(Instant::now()).map(|held| held.term)
    }

    /// Waits until the term may be another than it was.
    pub(crate) async fn changed(&mut self) {
        self.0.mark_unchanged();
        let held = self.held_at(Instant::now());
        tokio::select! {
            Ok(()) = self.0.changed() => {}
            () = lapse(held) => {}
        }
    }

    fn held_at(&self, now: Instant) -> Option<Held> {
        let held = *self.0.borrow();
        held.filter(|held| held.leads(now))
    }
}

/// Until what is held is held no more; for ever, if nothing is.
async fn lapse(leads: Option<Held>) {
    match leads {
        Some(held) => tokio::time::sleep_until(held.until()).await,
        None => std::future::pending().await,
    }
}

/// What is to be done about the Lease.
#[derive(Debug, PartialEq)]
pub(crate) enum Step {
    Wait,
    Create(Lease),
    /// Refused by the API server if the Lease has changed since it was read.
    Replace(Lease),
}

/// One of those who would lead.
#[derive(Debug)]
pub(crate) struct Candidate {
    identity: String,
    /// The Lease's version, and since when it has been the same.
    seen: Option<(String, Instant)>,
    held: Option<Held>,
}

impl Candidate {
    pub(crate) fn new(identity: String) -> Self {
        Self {
            identity,
            seen: None,
            held: None,
        }
    }

    /// What follows from the Lease as it was just read.
    pub(crate) fn next(&mut self, lease: Option<Lease>, now: Instant, clock: Timestamp) -> Step {
        let Some(lease) = lease else {
            self.held = None;
            return Step::Create(self.claim(Lease::default(), first_term(clock), clock));
        };
        let unchanged = self.unchanged_for(&lease, now);
        let spec = lease.spec.clone().unwrap_or_default();
        let transitions = spec.lease_transitions.unwrap_or(0).max(0);
        let holder = spec.holder_identity.as_deref().unwrap_or_default();
        let is_ours = holder == self.identity;
        if !is_ours {
            self.held = None;
        }
        if self.held.is_some_and(|held| held.leads(now)) {
            return Step::Replace(self.claim(lease, transitions, clock));
        }
        // Ours, but lapsed; or taken by the process before us: a Pod runs one at a time.
        let is_free = is_ours || holder.is_empty() || unchanged >= promised(&spec);
        if is_free {
            Step::Replace(self.claim(lease, transitions.saturating_add(1), clock))
        } else {
            Step::Wait
        }
    }

    /// Our write was taken; it was asked for at `asked`.
    pub(crate) fn wrote(&mut self, lease: &Lease, asked: Instant) -> Option<Held> {
        let spec = lease.spec.as_ref()?;
        let term = u64::try_from(spec.lease_transitions?).ok()?;
        self.held = Some(Held {
            term,
            renewed: asked,
        });
        self.held
    }

    pub(crate) fn held(&self) -> Option<Held> {
        self.held
    }

    /// The Lease as it is given back, so that nobody has to wait.
    pub(crate) fn released(&self, mut lease: Lease) -> Option<Lease> {
        let spec = lease.spec.as_mut()?;
        if spec.holder_identity.as_deref() != Some(&self.identity) || self.held.is_none() {
            return None;
        }
        spec.holder_identity = None;
        Some(lease)
    }

    fn unchanged_for(&mut self, lease: &Lease, now: Instant) -> Duration {
        let version = lease.metadata.resource_version.clone().unwrap_or_default();
        match &self.seen {
            Some((seen, since)) if *seen == version => now.duration_since(*since),
            _ => {
                self.seen = Some((version, now));
                Duration::ZERO
            }
        }
    }

    fn claim(&self, mut lease: Lease, transitions: i32, clock: Timestamp) -> Lease {
        let time = Some(MicroTime(clock));
        let before = lease.spec.take().unwrap_or_default();
        let is_new = before.lease_transitions != Some(transitions);
        lease.spec = Some(LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: i32::try_from(DURATION.as_secs()).ok(),
            lease_transitions: Some(transitions),
            acquire_time: if is_new {
                time.clone()
            } else {
                before.acquire_time
            },
            renew_time: time,
            ..before
        });
        lease
    }
}

/// How long the holder may go without a renewal.
fn promised(spec: &LeaseSpec) -> Duration {
    let seconds = spec
        .lease_duration_seconds
        .and_then(|seconds| u64::try_from(seconds).ok());
    seconds.map_or(DURATION, Duration::from_secs)
}

/// Minutes since 1970: more than a Lease that somebody deleted can have counted, so that proxies, which remember its last
/// term, take the next one for the later one that it is.
fn first_term(clock: Timestamp) -> i32 {
    i32::try_from(clock.as_second() / 60).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Play {
        start: Instant,
        lease: Option<Lease>,
        version: u64,
    }

    impl Play {
        fn new() -> Self {
            Self {
                start: Instant::now(),
                lease: None,
                version: 0,
            }
        }

        fn at(&self, seconds: u64) -> Instant {
            self.start + Duration::from_secs(seconds)
        }

        /// The candidate looks and writes; the term it then leads.
        fn turn(&mut self, candidate: &mut Candidate, seconds: u64) -> Option<u64> {
            let now = self.at(seconds);
            match candidate.next(self.lease.clone(), now, Timestamp::UNIX_EPOCH) {
                Step::Wait => {}
                Step::Create(lease) | Step::Replace(lease) => {
                    self.write(lease.clone());
                    candidate.wrote(&lease, now);
                }
            }
            candidate.held().map(|held| held.term)
        }

        fn write(&mut self, mut lease: Lease) {
            self.version += 1;
            lease.metadata.resource_version = Some(self.version.to_string());
            self.lease = Some(lease);
        }
    }

    #[test]
    fn another_takes_over_once_the_holder_is_silent_and_not_before() {
        let (mut one, mut two) = (Candidate::new("one".into()), Candidate::new("two".into()));
        let mut play = Play::new();
        assert_eq!(play.turn(&mut one, 0), Some(0));
        for seconds in 1..20 {
            assert_eq!(play.turn(&mut two, seconds), None);
            assert_eq!(play.turn(&mut one, seconds), Some(0));
        }
        for seconds in 20..28 {
            assert_eq!(play.turn(&mut two, seconds), None, "{seconds}");
        }
        assert_eq!(play.turn(&mut two, 28), Some(1));
        // The first one wakes up.
        assert_eq!(play.turn(&mut one, 50), None);
    }

    #[test]
    fn a_lease_that_is_given_back_is_taken_at_once() {
        let (mut one, mut two) = (Candidate::new("one".into()), Candidate::new("two".into()));
        let mut play = Play::new();
        play.turn(&mut one, 0);
        play.turn(&mut two, 1);
        let released = play.lease.clone().and_then(|lease| one.released(lease));
        play.write(released.unwrap());
        assert_eq!(play.turn(&mut two, 2), Some(1));
        let lease = play.lease.clone().unwrap();
        assert_eq!(one.released(lease), None);
    }

    #[test]
    fn a_process_that_starts_again_under_its_name_has_a_new_term() {
        let mut play = Play::new();
        assert_eq!(play.turn(&mut Candidate::new("one".into()), 0), Some(0));
        assert_eq!(play.turn(&mut Candidate::new("one".into()), 1), Some(1));
    }

    #[test]
    fn a_lease_that_was_deleted_begins_with_a_later_term() {
        let mut one = Candidate::new("one".into());
        let clock = Timestamp::from_second(1_900_000_000).unwrap();
        let Step::Create(lease) = one.next(None, Instant::now(), clock) else {
            panic!("a Lease that is not there is created");
        };
        assert_eq!(lease.spec.unwrap().lease_transitions, Some(31_666_666));
    }

    #[test]
    fn who_was_frozen_does_not_lead() {
        let (sender, receiver) = watch::channel(None);
        let leadership = Leadership(receiver);
        let renewed = Instant::now();
        let term = |after| leadership.held_at(renewed + after).map(|held| held.term);
        assert_eq!(term(Duration::ZERO), None);
        sender.send_replace(Some(Held { term: 7, renewed }));
        assert_eq!(term(LEADS - Duration::from_millis(1)), Some(7));
        assert_eq!(term(LEADS), None);
        assert!(LEADS < DURATION);
    }

    #[test]
    fn who_lapsed_begins_a_new_term() {
        let mut one = Candidate::new("one".into());
        let mut play = Play::new();
        assert_eq!(play.turn(&mut one, 0), Some(0));
        assert_eq!(play.turn(&mut one, 4), Some(0));
        assert_eq!(play.turn(&mut one, 9), Some(1));
    }
}

//! Runs rollouts while this controller leads: looks each second and whenever something changes, writes decisions down, and
//! tells the keeper who gets which share.
//!
//! What is decided, and why, is `crate::rollouts`' and `haldane-rollout`'s affair.

pub(crate) mod brief;
pub(crate) mod calls;
pub(crate) mod deployment;
mod errands;
mod flight;
mod record;
pub(crate) mod told;

use super::change::{Change, Scope, Seen};
use super::keeper::Outcome;
use super::lease::Leadership;
use super::metrics::{Metrics, Written};
use super::name::{Kind, ObjectName};
use super::write::{Call, CallError};
use crate::decided::{Decided, ReleaseKey};
use crate::push::{Heard, Publisher};
use crate::release::{Release, Releases};
use crate::rollouts::cleanup::Tried;
use crate::rollouts::turn::Rollout;
use crate::steady;
use calls::{Calls, Subject};
use deployment::{Cleaner, Job};
use errands::{Back, Errands};
use flight::Flight;
use futures_util::future::join_all;
use haldane_rollout::report::RolloutReport;
use haldane_rollout::{Decision, Now};
use jiff::Timestamp;
use record::{Entry, Record};
use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};
use told::Told;

/// How often rollouts are looked at when nothing happens: their clocks go on.
const LOOK: Duration = Duration::from_secs(1);

/// What proxies report about the same time is looked at together.
const TOGETHER: Duration = Duration::from_millis(50);

/// How many Events may wait to be written. More than this are not read one by one.
const NOTICES_MAX: usize = 1_000;

/// How many Events are written before the next look.
const NOTICES_AT_ONCE: usize = 5;

/// How long writing a decision or an Event may take. It is over before another controller may lead, and what hangs does not
/// hold up the decisions about others for long.
const WRITE_MAX: Duration = Duration::from_secs(2);

/// How many objects are written at once.
const WRITES_AT_ONCE: usize = 32;

/// Where all rollouts stand.
pub(crate) type Reports = Arc<Vec<RolloutReport>>;

/// What running rollouts needs.
pub(crate) struct Pilot {
    pub(crate) call: Call,
    pub(crate) leadership: Leadership,
    pub(crate) outcomes: watch::Receiver<Option<Outcome>>,
    pub(crate) publisher: Publisher,
    /// Where decisions are told.
    pub(crate) keeper: mpsc::Sender<Seen>,
    pub(crate) reports: watch::Sender<Reports>,
    pub(crate) calls: Calls,
    pub(crate) cleaner: Cleaner,
    pub(crate) metrics: Metrics,
}

/// What is remembered between looks.
#[derive(Default)]
struct Deck {
    /// The term in which all of this was read.
    term: Option<u64>,
    flights: BTreeMap<ReleaseKey, Flight>,
    /// What is written at each object, as far as it is known.
    records: BTreeMap<ObjectName, Record>,
    decided: Decided,
    notices: VecDeque<Told>,
    errands: Errands,
}

/// What is to be written at one object.
struct Next {
    object: ObjectName,
    uid: String,
    record: Record,
}

impl Deck {
    /// All rollouts of an object as they are to be written.
    fn next(&self, object: &ObjectName, there: &HashSet<&str>) -> Next {
        let ours = self.flights.iter();
        let ours = ours.filter(|(_, flight)| flight.object == *object);
        let entries = ours.clone().map(|(key, flight)| Entry {
            service: &key.service,
            rollout: flight.due().unwrap_or(&flight.rollout),
        });
        let entries: Vec<_> = entries.collect();
        let before = self.records.get(object).cloned().unwrap_or_default();
        let mut uids = ours.map(|(_, flight)| flight.uid.clone());
        Next {
            object: object.clone(),
            uid: uids.next().unwrap_or_default(),
            record: before.with(&entries, |instance| there.contains(instance)),
        }
    }

    /// What was due at an object is written.
    fn wrote(&mut self, object: ObjectName, record: Record) {
        let ours = self.flights.values_mut();
        let ours = ours.filter(|flight| flight.object == object);
        ours.for_each(Flight::wrote);
        self.records.insert(object, record);
    }

    /// Takes in what came of calls.
    fn hear(&mut self) {
        for back in self.errands.back() {
            match back {
                Back::Cleaned(key, asked, tried) => {
                    tracing::debug!(
                        object = key.object,
                        service = key.service,
                        ?tried,
                        "cleaned up"
                    );
                    if let Some(flight) = self.flights.get_mut(&key) {
                        flight.cleaned(&asked, tried);
                    }
                }
            }
        }
    }

    /// After whose aborts something is to be done now, which is begun by whoever asks.
    fn begin_cleaning(&mut self) -> Vec<ReleaseKey> {
        let flights = self.flights.iter_mut();
        let due = flights.filter_map(|(key, flight)| flight.cleans().then(|| key.clone()));
        due.collect()
    }

    /// The object whose own rollout of the same Service gives requests to the version that was aborted.
    fn serves(&self, key: &ReleaseKey, job: &Job) -> Option<ObjectName> {
        let others = self.flights.iter().filter(|(other, _)| *other != key);
        let mut same = others.filter(|(other, flight)| {
            other.service == key.service && flight.object.namespace == job.namespace
        });
        let (_, other) = same.find(|(_, flight)| {
            let shares = flight.rollout.saved.shares();
            shares.gives(&job.cleanup.canary)
        })?;
        Some(other.object.clone())
    }
}

impl Pilot {
    /// Runs rollouts for ever.
    pub(crate) async fn run(mut self) {
        let mut deck = Deck::default();
        let mut counted = self.publisher.counted();
        loop {
            let woken = async {
                tokio::select! {
                    changed = self.outcomes.changed() => changed.is_ok(),
                    Ok(()) = counted.changed() => true,
                    () = self.leadership.changed() => true,
                    () = deck.errands.any() => true,
                }
            };
            // Nobody has changed anything within the time, so it is the time that has changed.
            if !timeout(LOOK, woken).await.unwrap_or(true) {
                return;
            }
            sleep(TOGETHER).await;
            counted.mark_unchanged();
            self.round(&mut deck).await;
        }
    }

    async fn round(&mut self, deck: &mut Deck) {
        let outcome = self.outcomes.borrow_and_update().clone();
        let term = self.leadership.term();
        let (Some(outcome), true) = (outcome, term.is_some()) else {
            return self.lay_down(deck).await;
        };
        if deck.term != term {
            // Another may have decided meanwhile.
            self.lay_down(deck).await;
            deck.term = term;
        }
        let releases = &outcome.releases;
        self.board(deck, &outcome).await;
        deck.hear();
        let heard = self.heard(releases);
        let now = Now {
            calendar: Timestamp::now(),
            steady: steady::now(),
        };
        for (key, flight) in &mut deck.flights {
            if let Some(release) = releases.get(key) {
                let gate = |object: &ObjectName, next: &Rollout, decision: Option<&Decision>| {
                    let subject = Subject {
                        object,
                        service: &key.service,
                        rollout: next,
                    };
                    let why = decision.map(Decision::why).unwrap_or_default();
                    self.calls
                        .obstacle(&outcome.hooks, &subject, &why, now.calendar)
                };
                flight.look(release, &heard, now, gate);
            }
        }
        self.decree(deck).await;
        self.write(deck, &heard).await;
        self.decree(deck).await;
        self.clean(deck, releases);
        self.report(deck, &outcome, &heard, now.calendar);
        self.tell(deck).await;
    }

    /// Forgets everything: who does not lead decides nothing, and goes by what is written.
    async fn lay_down(&self, deck: &mut Deck) {
        if deck.term.is_some() {
            *deck = Deck::default();
            self.send(Decided::default()).await;
            self.reports.send_replace(Reports::default());
            self.metrics.rollouts(&[]);
        }
    }

    /// Takes on what is asked for, and lets go of what is not any more.
    async fn board(&mut self, deck: &mut Deck, outcome: &Outcome) {
        let uid = |name: &ObjectName| outcome.parts.get(name).map(|part| part.uid.as_str());
        let releases = &outcome.releases;
        let stays = |key: &ReleaseKey, flight: &mut Flight| {
            releases.contains_key(key) && uid(&flight.object) == Some(&flight.uid)
        };
        deck.flights.retain(stays);
        deck.records
            .retain(|object, _| outcome.parts.contains_key(object));
        self.calls
            .retain(deck.flights.values().map(|flight| &flight.object));
        for (key, release) in releases.iter() {
            if deck.flights.contains_key(key) {
                continue;
            }
            match self.meet(deck, key, release).await {
                Ok(flight) => deck
                    .flights
                    .extend(flight.map(|flight| (key.clone(), flight))),
                Err(error) => {
                    tracing::warn!(object = key.object, %error, "what was decided cannot be read");
                    // The next would have to wait as long, and so would all decisions.
                    if matches!(error, CallError::Slow) {
                        return;
                    }
                }
            }
        }
    }

    /// A rollout that this process has not run yet. `None` if it cannot be known now which version is the stable one.
    async fn meet(
        &self,
        deck: &mut Deck,
        key: &ReleaseKey,
        release: &Release,
    ) -> Result<Option<Flight>, CallError> {
        // Without a ready pod nobody can say.
        let Some(object) = key.object.parse::<ObjectName>().ok() else {
            return Ok(None);
        };
        if release.versions.is_empty() {
            return Ok(None);
        }
        let Some(metadata) = self.call.fresh(&object).await? else {
            return Ok(None);
        };
        let record = Record::of(&metadata);
        let saved = record.rollout(&key.service);
        deck.records.insert(object.clone(), record);
        if saved.is_none() && !release.settled {
            return Ok(None);
        }
        let uid = metadata.uid.unwrap_or_default();
        Ok(Some(Flight::new(object, uid, saved, release)))
    }

    fn heard(&self, releases: &Releases) -> Vec<Heard> {
        if releases.is_empty() {
            return Vec::new();
        }
        let rules = releases.values().flat_map(|release| release.rules.keys());
        let rules: HashSet<&str> = rules.map(String::as_str).collect();
        self.publisher.heard(|id| rules.contains(id.rule.as_str()))
    }

    /// Tells the keeper what is in force, where it is news.
    async fn decree(&self, deck: &mut Deck) {
        let shares = deck.flights.iter();
        let shares = shares.map(|(key, flight)| (key.clone(), flight.rollout.saved.shares()));
        let decided = Decided(shares.collect());
        if decided != deck.decided {
            deck.decided = decided.clone();
            self.send(decided).await;
        }
    }

    async fn send(&self, decided: Decided) {
        let seen = Seen {
            scope: Scope::all(Kind::Service, None),
            change: Change::Decided(decided),
        };
        if self.keeper.send(seen).await.is_err() {
            tracing::error!("the index has ended");
        }
    }

    /// Writes what is due. An object with several rollouts has all of them written at once.
    async fn write(&mut self, deck: &mut Deck, heard: &[Heard]) {
        let there: HashSet<&str> = heard.iter().map(|heard| heard.instance.as_str()).collect();
        let due = deck.flights.values();
        let due = due.filter(|flight| flight.due().is_some());
        let due: BTreeSet<_> = due.map(|flight| flight.object.clone()).collect();
        let due: Vec<_> = due.into_iter().collect();
        for some in due.chunks(WRITES_AT_ONCE) {
            if self.leadership.term() != deck.term {
                return;
            }
            let next = some.iter().map(|object| deck.next(object, &there));
            let next: Vec<_> = next.collect();
            let written = join_all(next.iter().map(|next| self.write_one(next))).await;
            for (next, (written, record)) in next.into_iter().zip(written) {
                self.metrics.wrote("rollout", written);
                if written == Written::Done {
                    deck.wrote(next.object, record);
                }
            }
        }
    }

    /// Writes what is known of one object: the decisions without what was seen if the whole is refused.
    async fn write_one(&self, next: &Next) -> (Written, Record) {
        let write = async {
            let (object, uid) = (&next.object, next.uid.as_str());
            let first = self.call.annotate(object, uid, next.record.applied()).await;
            if first != Written::Refused {
                return (first, next.record.clone());
            }
            let bare = next.record.clone().without_evidence();
            (self.call.annotate(object, uid, bare.applied()).await, bare)
        };
        let in_time = timeout(WRITE_MAX, write).await;
        in_time.unwrap_or_else(|_| {
            tracing::warn!(object = %next.object, "a decision could not be written within {WRITE_MAX:?}");
            (Written::Failed, next.record.clone())
        })
    }

    /// Begins what is to be done after aborts that are written down.
    fn clean(&self, deck: &mut Deck, releases: &Releases) {
        for key in deck.begin_cleaning() {
            let (Some(flight), Some(release)) = (deck.flights.get(&key), releases.get(&key)) else {
                continue;
            };
            let Some(cleanup) = flight.rollout.saved.cleanup.clone() else {
                continue;
            };
            let job = Job {
                namespace: flight.object.namespace.clone(),
                service: key.service.clone(),
                label: flight.rollout.saved.label.clone(),
                wanted: release.plan.on_abort,
                cleanup,
            };
            let asked = job.cleanup.clone();
            let served = deck.serves(&key, &job);
            let (cleaner, term) = (self.cleaner.clone(), deck.term);
            deck.errands.send(async move {
                let tried = match served {
                    Some(object) => Tried::Refused(format!("{object} gives it requests")),
                    None => cleaner.attempt(job, term).await,
                };
                Back::Cleaned(key, asked, tried)
            });
        }
    }

    fn report(&self, deck: &mut Deck, outcome: &Outcome, heard: &[Heard], now: Timestamp) {
        let mut reports = Vec::new();
        for (key, flight) in &mut deck.flights {
            let Some(release) = outcome.releases.get(key) else {
                continue;
            };
            reports.push(flight.report(key, release, heard, now));
            for notice in flight.take_notices() {
                let (object, uid) = (flight.object.clone(), flight.uid.clone());
                tracing::info!(%object, service = key.service, what = notice.what.as_str(), "{}", notice.note);
                self.metrics
                    .rollout_moved(&object, &key.service, notice.what);
                let told = Told {
                    object,
                    uid,
                    notice,
                    at: now,
                };
                let subject = Subject {
                    object: &flight.object,
                    service: &key.service,
                    rollout: &flight.rollout,
                };
                self.calls.tell(&outcome.hooks, &subject, &told);
                if deck.notices.len() < NOTICES_MAX {
                    deck.notices.push_back(told);
                }
            }
        }
        self.metrics.rollouts(&reports);
        self.reports.send_replace(Arc::new(reports));
    }

    async fn tell(&mut self, deck: &mut Deck) {
        for _ in 0..NOTICES_AT_ONCE {
            let Some(told) = deck.notices.pop_front() else {
                return;
            };
            let written = timeout(WRITE_MAX, self.call.notice(&told)).await;
            let written = written.unwrap_or(Written::Failed);
            self.metrics.wrote("event", written);
            if written == Written::Failed {
                return deck.notices.push_front(told);
            }
        }
    }
}

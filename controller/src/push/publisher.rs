//! The newest table, and what proxies say of it.

use super::ledger::{Heard, Ledger};
use super::roster::{ProxyState, Roster};
use crate::steady;
use haldane_routing::spec::TableSpec;
use haldane_wire::{Changes, EncodeFault, Encoded, Generation, Series, SeriesId};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use thiserror::Error;
use tokio::sync::watch;

/// Why a table is not published. The one before stays.
#[derive(Debug, PartialEq, Eq, Error)]
pub enum PublishFault {
    /// This process does not lead, or leads another term.
    #[error("generation {0} is not of a term that this process leads")]
    NotLeading(Generation),
    /// A table as new or newer was published.
    #[error("generation {offered} is not newer than {newest}")]
    NotNewer {
        /// What was to be published.
        offered: Generation,
        /// What was published last.
        newest: Generation,
    },
    /// The table cannot be sent.
    #[error(transparent)]
    Encode(#[from] EncodeFault),
}

/// Where tables go in and proxies' answers come out. Cheap to copy; all copies are one.
#[derive(Clone, Debug)]
pub struct Publisher(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    target: watch::Sender<Target>,
    publishing: Mutex<()>,
    pub(super) roster: Roster,
    ledger: Mutex<Ledger>,
    /// Counts the reports of proxies.
    counted: watch::Sender<u64>,
}

/// What proxies should hold.
#[derive(Clone, Debug, Default)]
pub(super) struct Target {
    /// The term that this process leads.
    pub(super) term: Option<u64>,
    pub(super) table: Option<Arc<Published>>,
}

/// A table that was published.
#[derive(Debug)]
pub(super) struct Published {
    pub(super) generation: Generation,
    pub(super) encoded: Encoded,
    /// From which generation, and what: most proxies hold the one before, so this is made once for all of them.
    delta: Option<(Generation, Changes)>,
}

impl Published {
    /// What makes it of an older one.
    pub(super) fn since(&self, older: &Self) -> Changes {
        match &self.delta {
            Some((from, changes)) if *from == older.generation => changes.clone(),
            _ => self.encoded.delta_from(&older.encoded),
        }
    }
}

impl Default for Publisher {
    fn default() -> Self {
        Self::new()
    }
}

impl Publisher {
    /// One that does not lead: proxies are refused.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(Inner {
            target: watch::Sender::default(),
            publishing: Mutex::default(),
            roster: Roster::default(),
            ledger: Mutex::default(),
            counted: watch::Sender::default(),
        }))
    }

    /// Leads a term from now on: proxies are let in and wait for its first table. `None` leads no more: streams end and
    /// proxies look elsewhere.
    ///
    /// A term must be new each time the lease is taken, also by the holder it had before: numbers start again with it.
    pub fn lead(&self, term: Option<u64>) {
        self.0.target.send_if_modified(|target| {
            let changed = target.term != term;
            if changed {
                *target = Target { term, table: None };
            }
            changed
        });
    }

    /// Makes a table what every proxy should hold. It is encoded here, once for all: some tens of
    /// milliseconds of this thread for the largest.
    ///
    /// # Errors
    /// [`PublishFault`].
    pub fn publish(&self, generation: Generation, table: &TableSpec) -> Result<(), PublishFault> {
        let _one_at_a_time = locked(&self.0.publishing);
        let before = self.0.target.borrow().clone();
        let before = admitted(before, generation)?;
        let before = before.as_deref();
        let encoded = Encoded::new(table, before.map(|before| &before.encoded))?;
        let published = Arc::new(Published {
            delta: before.map(|b| (b.generation, encoded.delta_from(&b.encoded))),
            generation,
            encoded,
        });
        let in_force = self.0.target.send_if_modified(|target| {
            let leads = target.term == Some(generation.term);
            if leads {
                target.table = Some(published);
            }
            leads
        });
        in_force
            .then_some(())
            .ok_or(PublishFault::NotLeading(generation))
    }

    /// Every connected proxy, in no order.
    #[must_use]
    pub fn proxies(&self) -> Vec<ProxyState> {
        self.0.roster.all()
    }

    /// The highest generation that every connected proxy has applied; `None` where there is no proxy, or one has
    /// applied nothing.
    #[must_use]
    pub fn live(&self) -> Option<Generation> {
        self.0.roster.live()
    }

    /// Wakes when any proxy comes, goes or answers.
    #[must_use]
    pub fn changed(&self) -> watch::Receiver<u64> {
        self.0.roster.changed()
    }

    /// What all proxies counted since this process began to listen to them, those that have gone included. A process
    /// that starts anew is told all that its proxies counted in their lives.
    #[must_use]
    pub fn counters(&self) -> Vec<Series> {
        self.ledger().all()
    }

    /// What each process of a proxy counted of the series that are `wanted`, those that have gone included.
    pub(crate) fn heard(&self, wanted: impl Fn(&SeriesId) -> bool) -> Vec<Heard> {
        self.ledger().heard(wanted)
    }

    /// Wakes when any proxy reports what it counted.
    pub(crate) fn counted(&self) -> watch::Receiver<u64> {
        self.0.counted.subscribe()
    }

    /// A proxy's process says what it has counted.
    pub(super) fn count(&self, instance: &str, series: impl IntoIterator<Item = Series>) {
        self.ledger().report(instance, steady::now(), series);
        self.0.counted.send_modify(|count| *count += 1);
    }

    pub(super) fn target(&self) -> watch::Receiver<Target> {
        self.0.target.subscribe()
    }

    pub(super) fn roster(&self) -> &Roster {
        &self.0.roster
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        locked(&self.0.ledger)
    }
}

/// Nothing in here can panic half-way through a change.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What was published before a generation that may come next.
fn admitted(target: Target, offered: Generation) -> Result<Option<Arc<Published>>, PublishFault> {
    if target.term != Some(offered.term) {
        return Err(PublishFault::NotLeading(offered));
    }
    match target.table {
        Some(before) if before.generation >= offered => Err(PublishFault::NotNewer {
            offered,
            newest: before.generation,
        }),
        before => Ok(before),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generation(term: u64, number: u64) -> Generation {
        Generation { term, number }
    }

    #[test]
    fn only_a_leader_publishes_and_only_forward() {
        let publisher = Publisher::new();
        let publish =
            |term, number| publisher.publish(generation(term, number), &TableSpec::default());
        let not_leading = |term, number| PublishFault::NotLeading(generation(term, number));
        assert_eq!(publish(1, 1), Err(not_leading(1, 1)));
        publisher.lead(Some(1));
        assert_eq!(publish(2, 1), Err(not_leading(2, 1)));
        assert_eq!(publish(1, 3), Ok(()));
        let newest = generation(1, 3);
        let offered = generation(1, 3);
        let not_newer = PublishFault::NotNewer { offered, newest };
        assert_eq!(publish(1, 3), Err(not_newer));
        publisher.lead(Some(1));
        assert_eq!(publish(1, 4), Ok(()), "leading on changes nothing");
        publisher.lead(None);
        assert_eq!(publish(1, 5), Err(not_leading(1, 5)));
        publisher.lead(Some(2));
        assert_eq!(publish(2, 1), Ok(()), "numbers start again with a term");
    }
}

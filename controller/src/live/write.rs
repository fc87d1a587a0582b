//! Tells the API server what became of its objects: addresses, statuses and Events, a bounded number a second.
//!
//! Only the leader writes, and asks before each write whether it still leads. A write that is forbidden is logged once,
//! counted, and not tried again until there is something new to say; nothing that is refused here stops anything else.

mod call;

use super::addresses::{Addresses, Gift, Gifts};
use super::book::{Book, Entry};
use super::events::Events;
use super::keeper::Outcome;
use super::lease::Leadership;
use super::metrics::{Metrics, Written};
use super::name::ObjectName;
use super::parts::Fault;
use super::rollouts::Reports;
use crate::push::Publisher;
pub(crate) use call::{Applied, Call, CallError, in_time};
use haldane_wire::Generation;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::sleep;

/// What belongs to one change comes together in this: its table, and the answers of the proxies.
const TOGETHER: Duration = Duration::from_millis(100);
/// How many writes are made before the next look at what is new: 50 a second, which any API server bears.
const WRITES_MAX: usize = 5;
/// How long nothing is written after the API server failed.
const PAUSE: Duration = Duration::from_secs(1);

/// What a writer needs.
pub(crate) struct Writer {
    pub(crate) call: Call,
    pub(crate) leadership: Leadership,
    pub(crate) outcomes: watch::Receiver<Option<Outcome>>,
    pub(crate) addresses: watch::Receiver<Addresses>,
    pub(crate) publisher: Publisher,
    pub(crate) metrics: Metrics,
    pub(crate) rollouts: watch::Receiver<Reports>,
}

/// What is still to be said.
#[derive(Default)]
struct Agenda {
    book: Book,
    events: Events,
    gifts: Gifts,
    /// Whose turn it is.
    turn: bool,
}

/// One write.
enum Due {
    Event(Fault),
    Status(ObjectName, Entry),
    Addresses(ObjectName, Gift),
}

impl Writer {
    /// Writes for ever.
    pub(crate) async fn run(mut self) {
        let mut agenda = Agenda::default();
        let mut proxies = self.publisher.changed();
        loop {
            if agenda.due() == 0 {
                let index_lives = tokio::select! {
                    changed = self.outcomes.changed() => changed.is_ok(),
                    // Addresses written by hand never change: their sender is gone.
                    Ok(()) = self.addresses.changed() => true,
                    Ok(()) = proxies.changed() => true,
                    () = self.leadership.changed() => true,
                    Ok(()) = self.rollouts.changed() => true,
                };
                if !index_lives {
                    return;
                }
            }
            sleep(TOGETHER).await;
            proxies.mark_unchanged();
            self.refresh(&mut agenda);
            self.write_some(&mut agenda).await;
            self.metrics.writes_pending(agenda.due());
        }
    }

    fn refresh(&mut self, agenda: &mut Agenda) {
        let proxies = self.publisher.proxies();
        let term = self.leadership.term();
        let outcome = self
            .outcomes
            .borrow_and_update()
            .clone()
            .unwrap_or_default();
        let lag = |applied: Option<Generation>| {
            let applied = applied.filter(|applied| Some(applied.term) == term);
            let number = applied.map_or(0, |applied| applied.number);
            outcome.number.saturating_sub(number)
        };
        let lags = proxies
            .iter()
            .map(|proxy| (proxy.name.as_str(), lag(proxy.applied)));
        self.metrics.proxies(lags);
        // Who does not lead has nothing to say, and forgets what it said: another may say otherwise meanwhile.
        let Some(term) = term else {
            *agenda = Agenda::default();
            self.metrics.generation(None, outcome.number);
            return;
        };
        let applied: Vec<_> = proxies.iter().map(|proxy| proxy.applied).collect();
        let rollouts = self.rollouts.borrow_and_update().clone();
        agenda
            .book
            .refresh(&outcome.parts, term, &applied, &rollouts);
        agenda.events.refresh(&outcome.faults);
        let addresses = self.addresses.borrow_and_update();
        agenda.gifts.refresh(&outcome.parts, &addresses);
    }

    async fn write_some(&mut self, agenda: &mut Agenda) {
        for _ in 0..WRITES_MAX {
            if self.leadership.term().is_none() {
                return;
            }
            match self.write_one(agenda).await {
                Some(true) => {}
                Some(false) => return sleep(PAUSE).await,
                None => return,
            }
        }
    }

    /// Whether it went well; `None` if there is nothing to write.
    async fn write_one(&mut self, agenda: &mut Agenda) -> Option<bool> {
        let due = agenda.next()?;
        let (what, written) = match &due {
            Due::Event(fault) => ("event", self.call.event(fault).await),
            Due::Status(name, entry) => ("status", self.call.status(name, entry).await),
            Due::Addresses(name, gift) => ("addresses", self.call.addresses(name, gift).await),
        };
        self.metrics.wrote(what, written);
        if written == Written::Failed {
            agenda.failed(due);
        }
        Some(written != Written::Failed)
    }
}

impl Agenda {
    /// Problems first; then statuses and addresses in turn, so that neither waits for all of the other.
    fn next(&mut self) -> Option<Due> {
        self.turn = !self.turn;
        let event = self.events.next().map(Due::Event);
        event.or_else(|| match self.turn {
            true => self.status().or_else(|| self.gift()),
            false => self.gift().or_else(|| self.status()),
        })
    }

    fn status(&mut self) -> Option<Due> {
        let (name, entry) = self.book.next()?;
        Some(Due::Status(name, entry))
    }

    fn gift(&mut self) -> Option<Due> {
        let (name, gift) = self.gifts.next()?;
        Some(Due::Addresses(name, gift))
    }

    fn failed(&mut self, due: Due) {
        match due {
            Due::Event(fault) => self.events.failed(fault),
            Due::Status(name, _) => self.book.failed(&name),
            Due::Addresses(name, _) => self.gifts.failed(&name),
        }
    }

    fn due(&self) -> usize {
        self.book.due() + self.events.due() + self.gifts.due()
    }
}

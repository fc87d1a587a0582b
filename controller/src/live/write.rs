//! Tells the API server what became of its objects: addresses, statuses and Events, a bounded number a second.
//!
//! Only the leader writes, and asks before each write whether it still leads. A write that is forbidden is logged once,
//! counted, and not tried again until there is something new to say; nothing that is refused here stops anything else.

mod call;

use super::addresses::Addresses;
use super::book::Book;
use super::events::Events;
use super::keeper::Outcome;
use super::lease::Leadership;
use super::metrics::{Metrics, Written};
use super::name::{Kind, ObjectName};
use super::parts::Parts;
use crate::push::Publisher;
pub(crate) use call::Call;
use std::collections::BTreeMap;
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
}

/// What is still to be said.
#[derive(Default)]
struct Agenda {
    book: Book,
    events: Events,
    /// Which addresses each Ingress was given.
    addressed: BTreeMap<ObjectName, (String, Addresses)>,
    unaddressed: Vec<(ObjectName, String)>,
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
        let lag = |proxy: &crate::push::ProxyState| match (term, proxy.applied) {
            (Some(term), Some(applied)) if applied.term == term => {
                outcome.number - applied.number.min(outcome.number)
            }
            _ => outcome.number,
        };
        self.metrics.proxies(
            proxies
                .iter()
                .map(|proxy| (proxy.name.as_str(), lag(proxy))),
        );
        // Who does not lead has nothing to say, and forgets what it said: another may say otherwise meanwhile.
        let Some(term) = term else {
            *agenda = Agenda::default();
            self.metrics.generation(None, outcome.number);
            return;
        };
        let applied: Vec<_> = proxies.iter().map(|proxy| proxy.applied).collect();
        agenda.book.refresh(&outcome.parts, term, &applied);
        agenda.events.refresh(&outcome.faults);
        agenda.address(&outcome.parts, &self.addresses.borrow_and_update());
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
        if let Some(fault) = agenda.events.next() {
            let written = self.call.event(&fault).await;
            if written == Written::Failed {
                agenda.events.failed(fault);
            }
            return Some(self.counted("event", written));
        }
        if let Some((name, uid)) = agenda.unaddressed.pop() {
            let addresses = self.addresses.borrow().clone();
            let written = self.call.addresses(&name, &uid, &addresses).await;
            if written != Written::Failed {
                agenda.addressed.insert(name, (uid, addresses));
            }
            return Some(self.counted("addresses", written));
        }
        let (name, entry) = agenda.book.next()?;
        let written = self.call.status(&name, &entry).await;
        if written == Written::Failed {
            agenda.book.failed(&name);
        }
        Some(self.counted("status", written))
    }

    fn counted(&self, what: &'static str, written: Written) -> bool {
        self.metrics.wrote(what, written);
        written != Written::Failed
    }
}

impl Agenda {
    fn due(&self) -> usize {
        self.book.due() + self.events.due() + self.unaddressed.len()
    }

    /// Which Ingresses do not have these addresses yet. Without any address, none is touched.
    fn address(&mut self, parts: &Parts, addresses: &Addresses) {
        self.addressed.retain(|name, _| parts.contains_key(name));
        self.unaddressed.clear();
        if addresses.is_empty() && self.addressed.is_empty() {
            return;
        }
        for (name, part) in parts {
            let known = self.addressed.get(name);
            let is_done = known.is_some_and(|(uid, given)| *uid == part.uid && given == addresses);
            if name.kind == Kind::Ingress && part.since.is_some() && !is_done {
                self.unaddressed.push((name.clone(), part.uid.clone()));
            }
        }
    }
}

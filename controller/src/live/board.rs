//! What the admin port tells: the generation, which proxy runs what, and every problem.

use super::keeper::Outcome;
use super::lease::Leadership;
use super::parts::Fault;
use crate::push::{ProxyState, Publisher};
use haldane_wire::Generation;
use serde::Serialize;
use tokio::sync::watch;

/// Everything that is shown, as it is now.
#[derive(Clone)]
pub(crate) struct Board {
    pub(crate) leadership: Leadership,
    pub(crate) outcomes: watch::Receiver<Option<Outcome>>,
    pub(crate) publisher: Publisher,
}

/// The answer to `/status`.
#[derive(Debug, Serialize)]
pub(crate) struct Standing {
    /// Whether everything has been listed.
    synced: bool,
    /// Whether this controller leads.
    leader: bool,
    /// The newest table; absent where another controller leads.
    generation: Option<String>,
    rules: usize,
    /// The newest table that every connected proxy has applied.
    live: Option<String>,
    proxies: Vec<Proxy>,
    /// The objects that are served, or should be.
    objects: Vec<Object>,
    problems: Vec<Fault>,
}

/// A connected proxy.
#[derive(Debug, Serialize)]
struct Proxy {
    name: String,
    instance: String,
    applied: Option<String>,
    /// The table that it refused, and why.
    rejected: Option<Refusal>,
}

#[derive(Debug, Serialize)]
struct Refusal {
    generation: String,
    reason: String,
}

#[derive(Debug, Serialize)]
struct Object {
    /// Such as `Ingress shop/web`.
    object: String,
    /// The generation in which its rules last changed.
    generation: Option<String>,
    live: bool,
    problems: usize,
    held: bool,
}

impl Board {
    /// Whether everything has been listed, so that there is a table.
    pub(crate) fn synced(&self) -> bool {
        self.outcomes.borrow().is_some()
    }

    pub(crate) fn standing(&self) -> Standing {
        let outcome = self.outcomes.borrow().clone();
        let synced = outcome.is_some();
        let outcome = outcome.unwrap_or_default();
        let term = self.leadership.term();
        let live = self.publisher.live();
        let of = |number: u64| term.map(|term| Generation { term, number });
        let mut proxies: Vec<_> = self
            .publisher
            .proxies()
            .into_iter()
            .map(Proxy::from)
            .collect();
        proxies.sort_by(|one, other| one.name.cmp(&other.name));
        let objects = outcome.parts.iter().map(|(name, part)| {
            let generation = part.since.and_then(of);
            Object {
                object: name.to_string(),
                live: generation.is_some() && live >= generation,
                generation: generation.map(|generation| generation.to_string()),
                problems: part.problems,
                held: part.held,
            }
        });
        Standing {
            synced,
            leader: term.is_some(),
            generation: of(outcome.number)
                .filter(|_| synced)
                .map(|generation| generation.to_string()),
            rules: outcome.table.rules.len(),
            live: live.map(|generation| generation.to_string()),
            proxies,
            objects: objects.collect(),
            problems: outcome.faults.to_vec(),
        }
    }
}

impl From<ProxyState> for Proxy {
    fn from(proxy: ProxyState) -> Self {
        let refusal = |(generation, reason): (Generation, String)| Refusal {
            generation: generation.to_string(),
            reason,
        };
        Self {
            name: proxy.name,
            instance: proxy.instance,
            applied: proxy.applied.map(|generation| generation.to_string()),
            rejected: proxy.rejected.map(refusal),
        }
    }
}

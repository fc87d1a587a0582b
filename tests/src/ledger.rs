//! A ledger of requests: what clients saw, what the proxy logged and what backends did, joined by the request's id.
//!
//! Faults are allowed to cost some requests and never others, and no request may be counted twice, answered with another
//! one's body, or acted on twice. Each of the three writes down what it knows while it happens; [`Audit`] is the join.

mod audit;
mod clients;
mod content;
mod target;

pub use audit::{Audit, Entry, Passed};
pub use clients::{Clients, Running};
pub use content::{answer_to, content};
pub use target::{Play, Script, Target, Then, sound};

use http::Method;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// What a client saw of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// An answer to its end; where the status is 200, with the body that belongs to the request.
    Whole {
        /// The status.
        status: u16,
        /// Which backend answered, by its own word; empty where the proxy did.
        backend: String,
        /// Whether it says when to ask again.
        ask_again: bool,
    },
    /// A 200 that ended in order with a body that is not the one that belongs to the request.
    Wrong {
        /// How long it was.
        bytes: usize,
    },
    /// A head, and a body that broke off visibly.
    Cut {
        /// The status in the head.
        status: u16,
    },
    /// Not even a head, although the request was, or may have been, sent.
    Lost(String),
    /// No connection: the request was not sent.
    Unreached(String),
}

impl Outcome {
    /// Whether it is what the client wanted.
    pub fn is_good(&self) -> bool {
        matches!(self, Self::Whole { status: 200, .. })
    }

    /// The status of a head that came.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Whole { status, .. } | Self::Cut { status } => Some(*status),
            Self::Wrong { .. } => Some(200),
            Self::Lost(_) | Self::Unreached(_) => None,
        }
    }
}

/// A client's line.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The request.
    pub id: u64,
    /// Its method.
    pub method: Method,
    /// When it was begun.
    pub begun: Instant,
    /// When its outcome was known.
    pub ended: Instant,
    /// The outcome.
    pub outcome: Outcome,
}

/// A backend's line: a request came in whole.
#[derive(Clone, Debug)]
pub struct Executed {
    /// The request.
    pub id: u64,
    /// The backend's name.
    pub target: String,
    /// Whether its body was the one that the client sent.
    pub intact: bool,
    /// Whether a byte of an answer was given.
    pub answered: bool,
}

/// The ledger; clones write into the same one.
#[derive(Clone, Default)]
pub struct Ledger(Arc<Book>);

#[derive(Default)]
struct Book {
    next: AtomicU64,
    /// The first request whose lines were not struck out.
    first: AtomicU64,
    asked: Mutex<Vec<Asked>>,
    executed: Mutex<Executions>,
}

/// What backends did since lines were struck out last.
#[derive(Default)]
struct Executions {
    /// How many lines there were before.
    struck: usize,
    lines: Vec<Executed>,
}

impl Ledger {
    /// The number of a new request.
    pub fn begin(&self) -> u64 {
        self.0.next.fetch_add(1, SeqCst)
    }

    /// Requests begun so far.
    pub fn begun(&self) -> u64 {
        self.0.next.load(SeqCst)
    }

    /// A client knows what became of its request.
    pub fn asked(&self, asked: Asked) {
        lock(&self.0.asked).push(asked);
    }

    /// A backend has a whole request; the number of this line.
    pub fn executed(&self, id: u64, target: &str, intact: bool) -> usize {
        let mut executed = lock(&self.0.executed);
        executed.lines.push(Executed {
            id,
            target: target.to_owned(),
            intact,
            answered: false,
        });
        executed.struck + executed.lines.len() - 1
    }

    /// The backend begins to answer what it wrote on this line.
    pub fn answered(&self, line: usize) {
        let mut executed = lock(&self.0.executed);
        let line = line.checked_sub(executed.struck);
        // One that is struck out was judged without it.
        if let Some(line) = line.and_then(|line| executed.lines.get_mut(line)) {
            line.answered = true;
        }
    }

    /// What backends did with ids of requests so far.
    pub fn executions(&self) -> Vec<Executed> {
        lock(&self.0.executed).lines.clone()
    }

    /// Those of requests from this one on.
    pub fn executions_since(&self, id: u64) -> Vec<Executed> {
        let executed = lock(&self.0.executed);
        let since = executed.lines.iter().filter(|line| line.id >= id);
        since.cloned().collect()
    }

    /// What clients saw so far.
    pub fn outcomes(&self) -> Vec<Asked> {
        lock(&self.0.asked).clone()
    }

    /// Requests from this one on are to be audited.
    pub fn first(&self) -> u64 {
        self.0.first.load(SeqCst)
    }

    /// Strikes out all lines: they were audited, and no client waits for an answer. What a backend does with one of those
    /// requests from now on is found by the next audit, as a request that nobody asked; what a proxy logs late is not.
    pub fn strike_out(&self) {
        self.0.first.store(self.begun(), SeqCst);
        lock(&self.0.asked).clear();
        let mut executed = lock(&self.0.executed);
        executed.struck += executed.lines.len();
        executed.lines.clear();
    }
}

fn lock<T>(lines: &Mutex<T>) -> MutexGuard<'_, T> {
    lines.lock().unwrap_or_else(PoisonError::into_inner)
}

/// As `X-Request-Id` says it.
pub fn name_of(id: u64) -> String {
    format!("r-{id}")
}

/// The number in an `X-Request-Id`.
pub fn id_of(name: &str) -> Option<u64> {
    name.strip_prefix("r-")?.parse().ok()
}

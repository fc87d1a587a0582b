//! Everything from the watches to the outcome, running.

use super::RunFault;
use super::change::Seen;
use super::form::Form;
use super::keeper::{Keeper, Outcome, Outlets};
use super::metrics::Metrics;
use super::watches::Watches;
use crate::translate::Options;
use kube::Client;
use std::collections::BTreeSet;
use std::thread;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

/// How many changes may wait for the index; a watch that has more waits.
const CHANGES_MAX: usize = 4_096;

/// What an index looks at, and how.
#[derive(Clone, Debug)]
pub(crate) struct Look {
    pub(crate) options: Options,
    /// Empty is the whole cluster.
    pub(crate) namespaces: Vec<String>,
    /// How long the API server keeps a watch before it ends it, in seconds.
    pub(crate) watch_s: u32,
}

/// A running index.
pub(crate) struct Index {
    /// `None` until everything has been listed.
    pub(crate) outcomes: watch::Receiver<Option<Outcome>>,
    pub(crate) metrics: Metrics,
    /// Where decisions are told.
    pub(crate) seen: mpsc::Sender<Seen>,
    /// The watches, none of which ends before the index does.
    pub(crate) tasks: JoinSet<()>,
}

impl Index {
    /// Starts every watch, and the thread that keeps the index, which waits for what is `remembered` first.
    pub(crate) fn start(
        look: Look,
        client: Client,
        remembered: oneshot::Receiver<Vec<Form>>,
    ) -> Result<Self, RunFault> {
        let metrics = Metrics::new()?;
        let (seen, changes) = mpsc::channel(CHANGES_MAX);
        let (outcome, outcomes) = watch::channel(None);
        let (secrets, wanted) = watch::channel(BTreeSet::new());
        let watches = Watches {
            client,
            seen: seen.clone(),
            metrics: metrics.clone(),
            watch_s: look.watch_s,
        };
        let mut running = watches.start(&look.namespaces);
        running.tasks.spawn(watches.follow_secrets(wanted));
        let outlets = Outlets {
            outcome,
            secrets,
            again: running.again,
            metrics: metrics.clone(),
        };
        let keeper = Keeper::new(look.options, outlets);
        thread::Builder::new()
            .name("index".to_owned())
            .spawn(move || keeper.run(remembered, changes))
            .map_err(RunFault::Thread)?;
        Ok(Self {
            outcomes,
            metrics,
            seen,
            tasks: running.tasks,
        })
    }
}

#[cfg(test)]
mod fake;
#[cfg(test)]
mod tests;

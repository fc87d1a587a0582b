//! Everything from the watches to the outcome, running.

use super::keeper::{Keeper, Outcome, Outlets};
use super::metrics::Metrics;
use super::watches::Watches;
use super::{RunFault, Settings};
use kube::Client;
use std::collections::BTreeSet;
use std::thread;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

/// How many changes may wait for the index; a watch that has more waits.
const CHANGES_MAX: usize = 4_096;

/// A running index.
pub(crate) struct Index {
    /// `None` until everything has been listed.
    pub(crate) outcomes: watch::Receiver<Option<Outcome>>,
    pub(crate) metrics: Metrics,
    /// The watches, none of which ends before the index does.
    pub(crate) tasks: JoinSet<()>,
}

impl Index {
    /// Starts every watch, and the thread that keeps the index.
    pub(crate) fn start(settings: &Settings, client: Client) -> Result<Self, RunFault> {
        let metrics = Metrics::new()?;
        let (seen, changes) = mpsc::channel(CHANGES_MAX);
        let (outcome, outcomes) = watch::channel(None);
        let (secrets, wanted) = watch::channel(BTreeSet::new());
        let watches = Watches {
            client,
            seen,
            metrics: metrics.clone(),
        };
        let mut running = watches.start(&settings.namespaces);
        running.tasks.spawn(watches.follow_secrets(wanted));
        let outlets = Outlets {
            outcome,
            secrets,
            again: running.again,
            metrics: metrics.clone(),
        };
        let keeper = Keeper::new(settings.options.clone(), outlets);
        thread::Builder::new()
            .name("index".to_owned())
            .spawn(move || keeper.run(changes))
            .map_err(RunFault::Thread)?;
        Ok(Self {
            outcomes,
            metrics,
            tasks: running.tasks,
        })
    }
}

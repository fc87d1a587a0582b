//! One watch: lists, then follows, for ever.
//!
//! What is told by [`Reader`] is decided without waiting; [`run`] waits and speaks to the API server.

mod reader;

use super::backoff::Backoff;
use super::change::{Change, Scope, Seen};
use super::form::Watched;
use super::metrics::Metrics;
use futures_util::StreamExt as _;
use kube::runtime::watcher;
use kube::{Api, Resource};
use reader::{Reader, Told};
use serde::de::DeserializeOwned;
use std::fmt::Debug;
use std::sync::Arc;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep};

/// What a watch needs beside its objects' type.
pub(crate) struct Watch {
    pub(crate) scope: Scope,
    /// Where changes go; waiting there is what slows a watch that tells more than is taken.
    pub(crate) seen: mpsc::Sender<Seen>,
    /// Asks for everything once more.
    pub(crate) again: Arc<Notify>,
    pub(crate) metrics: Metrics,
    /// How long the API server keeps a watch before it ends it, in seconds.
    pub(crate) watch_s: u32,
}

/// Watches until nobody takes the changes any more.
pub(crate) async fn run<K>(watch: Watch, api: Api<K>)
where
    K: Resource + Watched + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let mut backoff = Backoff::default();
    while watch.follow(&api, &mut backoff).await.is_ok() {
        watch.metrics.watch_restarted(watch.scope.kind);
    }
}

/// Nobody takes the changes any more.
struct Closed;

impl Watch {
    /// Until everything has to be listed once more.
    async fn follow<K>(&self, api: &Api<K>, backoff: &mut Backoff) -> Result<(), Closed>
    where
        K: Resource + Watched + Clone + DeserializeOwned + Debug + Send + 'static,
    {
        let mut reader = Reader::default();
        let events = watcher(api.clone(), self.config());
        let mut events = std::pin::pin!(events);
        loop {
            let event = tokio::select! {
                event = events.next() => event,
                () = self.again.notified() => return Ok(()),
            };
            // A watcher never ends by itself; if it did, it is begun anew.
            let Some(event) = event else { return Ok(()) };
            if let Err(error) = &event {
                self.report(error);
            }
            match reader.read(event) {
                Told::Nothing => {}
                Told::Change(change) => {
                    backoff.succeeded();
                    self.send(change).await?;
                }
                Told::Pause => sleep(backoff.next(Instant::now())).await,
                Told::Forbidden => {
                    self.send(Change::Forbidden).await?;
                    sleep(backoff.next(Instant::now())).await;
                }
                Told::Afresh => {
                    sleep(backoff.next(Instant::now())).await;
                    return Ok(());
                }
            }
        }
    }

    async fn send(&self, change: Change) -> Result<(), Closed> {
        let seen = Seen {
            scope: self.scope.clone(),
            change,
        };
        self.seen.send(seen).await.map_err(|_| Closed)
    }

    fn report(&self, error: &watcher::Error) {
        self.metrics.watch_failed(self.scope.kind);
        tracing::warn!(watch = %self.scope, %error, "watching fails; it is tried again");
    }

    fn config(&self) -> watcher::Config {
        let config = watcher::Config::default().timeout(self.watch_s);
        match &self.scope.name {
            Some(name) => config.fields(&format!("metadata.name={name}")),
            None => config,
        }
    }
}

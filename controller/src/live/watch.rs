//! One watch: lists, then follows, for ever.
//!
//! What is told by [`Reader`] is decided without waiting; [`run`] waits and speaks to the API server.

mod reader;

use super::backoff::{Backoff, jittered};
use super::change::{Change, Scope, Seen};
use super::form::Watched;
use super::metrics::Metrics;
use super::said::said;
use futures_util::StreamExt as _;
use kube::runtime::watcher;
use kube::{Api, Resource};
use reader::{Reader, Told};
use serde::de::DeserializeOwned;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep};

/// How long to wait when we may not look: until somebody grants it, which is no matter of seconds.
const FORBIDDEN_MAX: Duration = Duration::from_secs(30);

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
    /// How many watches fail together when the API server does.
    pub(crate) among: usize,
}

/// Watches until nobody takes the changes any more.
pub(crate) async fn run<K>(watch: Watch, api: Api<K>)
where
    K: Resource + Watched + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let mut backoff = Backoff::among(watch.among);
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
                self.report(error, backoff.is_fresh());
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
                    backoff.next(Instant::now());
                    sleep(jittered(FORBIDDEN_MAX)).await;
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

    /// In the log once for each time that something is wrong, in the metrics always.
    fn report(&self, error: &watcher::Error, first: bool) {
        self.metrics.watch_failed(self.scope.kind);
        let reason = reason(error);
        if first {
            tracing::warn!(watch = %self.scope, reason, "watching fails; it is tried again");
        } else {
            tracing::debug!(watch = %self.scope, reason, "watching still fails");
        }
    }

    fn config(&self) -> watcher::Config {
        let config = watcher::Config::default().timeout(self.watch_s);
        match &self.scope.name {
            Some(name) => config.fields(&format!("metadata.name={name}")),
            None => config,
        }
    }
}

fn reason(error: &watcher::Error) -> String {
    match error {
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => said(error),
        watcher::Error::WatchError(status) => status.message.clone(),
        watcher::Error::NoResourceVersion => error.to_string(),
    }
}

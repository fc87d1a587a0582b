//! Calls that a look does not wait for: each runs on its own, and what came of it is there at a later look.

use crate::decided::ReleaseKey;
use crate::rollouts::cleanup::{Cleanup, Tried};
use tokio::task::JoinSet;

/// What came of a call.
#[derive(Debug)]
pub(crate) enum Back {
    /// Somebody has tried to clean up after an abort.
    Cleaned(ReleaseKey, Cleanup, Tried),
}

/// The calls that are under way. They end with this value.
#[derive(Debug, Default)]
pub(crate) struct Errands {
    running: JoinSet<Back>,
    back: Vec<Back>,
}

impl Errands {
    pub(crate) fn send(&mut self, call: impl Future<Output = Back> + Send + 'static) {
        self.running.spawn(call);
    }

    /// Waits until a call has come to an end; for ever where there is none.
    pub(crate) async fn any(&mut self) {
        match self.running.join_next().await {
            Some(Ok(back)) => self.back.push(back),
            Some(Err(error)) => tracing::error!(%error, "a call has broken off"),
            None => std::future::pending().await,
        }
    }

    /// What came of those that have ended since the last time.
    pub(crate) fn back(&mut self) -> Vec<Back> {
        while let Some(Ok(back)) = self.running.try_join_next() {
            self.back.push(back);
        }
        std::mem::take(&mut self.back)
    }
}

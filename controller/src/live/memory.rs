//! The last valid forms of objects that are invalid, in a ConfigMap: a controller that starts finds them there.
//!
//! All controllers read it once, before they look at anything else; only the leader writes it, whenever what is held
//! changes. It is the controllers' own and not an annotation of each object: whoever may edit an Ingress could write a
//! form there that admission would have refused. Secrets are never in it; their last valid forms live in memory alone.

mod text;

use super::backoff::Backoff;
use super::form::Form;
use super::keeper::Outcome;
use super::lease::Leadership;
use super::metrics::{Metrics, Written};
use super::write::Call;
use k8s_openapi::api::core::v1::ConfigMap;
use std::sync::Arc;
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, sleep};

/// The key under which the forms stand.
const KEY: &str = "held.json";

/// How often we must be told that we may not read before it is believed, as with watches: a server that starts refuses
/// everybody until it has read its roles.
const REFUSALS_MAX: u32 = 3;

/// A ConfigMap.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) namespace: String,
    pub(crate) name: String,
}

/// What keeps the forms.
pub(crate) struct Memory {
    pub(crate) call: Call,
    pub(crate) place: Place,
    pub(crate) leadership: Leadership,
    pub(crate) outcomes: watch::Receiver<Option<Outcome>>,
    pub(crate) metrics: Metrics,
}

/// The term in which these forms were written.
type Kept = (u64, Arc<Vec<Form>>);

impl Memory {
    /// Tells what is there, and keeps it up to date for ever.
    pub(crate) async fn run(mut self, told: oneshot::Sender<Vec<Form>>) {
        // Nobody listens only when everything ends.
        let _ = told.send(self.recall().await);
        let (mut kept, mut backoff) = (None, Backoff::default());
        loop {
            if let Some(due) = self.due(kept.as_ref()) {
                if self.keep(&due.1).await == Written::Failed {
                    sleep(backoff.next(Instant::now())).await;
                    continue;
                }
                // What is refused is not tried again until there is something else to keep.
                kept = Some(due);
                backoff.succeeded();
            }
            let index_lives = tokio::select! {
                () = self.leadership.changed() => true,
                changed = self.outcomes.changed() => changed.is_ok(),
            };
            if !index_lives {
                return;
            }
        }
    }

    async fn recall(&mut self) -> Vec<Form> {
        let (mut refusals, mut backoff) = (0, Backoff::default());
        loop {
            match self.call.config_map(&self.place).await {
                Ok(found) => return forms_of(found),
                Err(Written::Forbidden) => refusals += 1,
                Err(_) => {}
            }
            if refusals >= REFUSALS_MAX {
                return Vec::new();
            }
            sleep(backoff.next(Instant::now())).await;
        }
    }

    /// What is to be written, if we lead: once in each term, as another may have written meanwhile, and when it changed.
    fn due(&mut self, kept: Option<&Kept>) -> Option<Kept> {
        let term = self.leadership.term()?;
        let forms = self.outcomes.borrow_and_update().as_ref()?.held.clone();
        let is_kept = kept.is_some_and(|(then, known)| *then == term && *known == forms);
        (!is_kept).then_some((term, forms))
    }

    async fn keep(&mut self, forms: &[Form]) -> Written {
        let text = text::written(forms);
        let written = self.call.remember(&self.place, KEY, &text).await;
        self.metrics.wrote("held", written);
        written
    }
}

fn forms_of(found: Option<ConfigMap>) -> Vec<Form> {
    let data = found.and_then(|map| map.data).unwrap_or_default();
    let forms = data
        .get(KEY)
        .map(|text| text::read(text))
        .unwrap_or_default();
    if !forms.is_empty() {
        tracing::info!(objects = forms.len(), "last valid forms are remembered");
    }
    forms
}

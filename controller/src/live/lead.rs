//! Hands the newest table to the proxies while we lead, and nothing while we do not.

use super::keeper::Outcome;
use super::lease::Leadership;
use super::metrics::Metrics;
use crate::push::Publisher;
use haldane_wire::Generation;
use std::sync::Arc;
use tokio::sync::watch;
use tokio::task::spawn_blocking;

/// What a leader needs.
pub(crate) struct Leader {
    pub(crate) leadership: Leadership,
    pub(crate) outcomes: watch::Receiver<Option<Outcome>>,
    pub(crate) publisher: Publisher,
    pub(crate) metrics: Metrics,
}

impl Leader {
    /// Publishes each table as it comes, for ever.
    pub(crate) async fn run(mut self) {
        let (mut led, mut published) = (None, None);
        loop {
            let term = self.leadership.term();
            self.publisher.lead(term);
            if led != term {
                tracing::info!(
                    ?term,
                    "{}",
                    if term.is_some() {
                        "leading"
                    } else {
                        "not leading"
                    }
                );
                led = term;
            }
            let outcome = self.outcomes.borrow_and_update().clone();
            if let (Some(term), Some(outcome)) = (term, outcome) {
                let number = outcome.number;
                let generation = Generation { term, number };
                if published != Some(generation) {
                    self.publish(generation, outcome).await;
                    published = Some(generation);
                }
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

    /// A large table takes a while to encode. The publisher refuses it if the term is over by then.
    async fn publish(&self, generation: Generation, outcome: Outcome) {
        let publisher = self.publisher.clone();
        let table = Arc::clone(&outcome.table);
        match spawn_blocking(move || publisher.publish(generation, &table)).await {
            Ok(Ok(())) => self.published(generation, outcome.table.rules.len()),
            Ok(Err(fault)) => tracing::error!(%generation, error = %fault, "not published"),
            Err(error) => tracing::error!(%generation, %error, "publishing broke off"),
        }
    }

    fn published(&self, generation: Generation, rules: usize) {
        let Generation { term, number } = generation;
        self.metrics.generation(Some(term), number);
        tracing::info!(%generation, rules, "published");
    }
}

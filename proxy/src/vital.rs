//! Parts without which a proxy only looks alive: when one ends by a panic, whoever holds the proxy is told, to end the
//! process. A request's own task is none of them: its panic costs that request's connection and nothing else.

use std::sync::Arc;
use std::thread;
use tokio::sync::watch;

/// The first vital part that was lost.
#[derive(Clone, Debug, Default)]
pub(crate) struct Vitals(Arc<watch::Sender<Option<&'static str>>>);

impl Vitals {
    /// To be held by a part as long as it lives.
    pub(crate) fn of(&self, part: &'static str) -> Vital {
        Vital {
            vitals: self.clone(),
            part,
        }
    }

    /// A part is lost.
    pub(crate) fn lose(&self, part: &'static str) {
        self.0.send_modify(|lost| *lost = lost.or(Some(part)));
    }

    /// Waits until one is.
    pub(crate) async fn lost(&self) -> &'static str {
        let mut lost = self.0.subscribe();
        let part = lost.wait_for(Option::is_some).await;
        let part = part.expect("the sender is in our hands").to_owned();
        part.expect("it was waited for")
    }
}

/// A part that lives.
#[derive(Debug)]
pub(crate) struct Vital {
    vitals: Vitals,
    part: &'static str,
}

impl Drop for Vital {
    fn drop(&mut self) {
        if thread::panicking() {
            self.vitals.lose(self.part);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_part_that_panics_is_lost_and_one_that_ends_is_not() {
        let vitals = Vitals::default();
        let (ends, panics) = (vitals.of("ends"), vitals.of("panics"));
        let ended = tokio::spawn(async move { drop(ends) }).await;
        assert!(ended.is_ok() && vitals.0.borrow().is_none());
        let task = async move {
            let _held = panics;
            panic!("on purpose");
        };
        assert!(
            tokio::spawn(task)
                .await
                .is_err_and(|error| error.is_panic())
        );
        assert_eq!(vitals.lost().await, "panics");
    }
}

//! Waiting until the controller has heeded an order.

use super::give::{Ask, Given};
use crate::cluster::Object;
use crate::rollouts::Source;
use haldane_rollout::Phase;
use haldane_rollout::report::Standing;
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval};

/// How often is looked: a person does not see less, and an API server bears it.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// Whether the order was heeded in time.
pub(super) async fn until_done(
    ask: Ask,
    given: &Given,
    source: &Source,
    object: &Object,
    limit: Duration,
) -> anyhow::Result<bool> {
    let begun = Instant::now();
    let mut looks = interval(LOOK_AGAIN);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while begun.elapsed() < limit {
        looks.tick().await;
        let report = source.of(object, given.version.as_deref()).await?;
        let standing = report.as_ref().and_then(|report| report.rollout.as_ref());
        if standing.is_some_and(|standing| is_done(ask, given, standing)) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn is_done(ask: Ask, given: &Given, standing: &Standing) -> bool {
    let is_it = given.version.as_ref() == Some(&standing.canary);
    match ask {
        Ask::Promote => is_it && standing.step + 1 >= standing.steps.len() && standing.weight > 0.0,
        Ask::Abort | Ask::Rollback => is_it && standing.phase == Phase::Aborted,
        Ask::Retry => is_it && standing.phase != Phase::Aborted,
        Ask::Pause => standing.paused,
        Ask::Resume => !standing.paused,
    }
}

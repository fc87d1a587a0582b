//! The acts, in the order they are played. Each starts its own Service, sends traffic through it and says what it
//! found.

mod blue_green;
mod change;
mod lost;
mod phones;
pub(crate) mod rollout;
mod split;
mod sticky;

use super::finding::Found;
use super::live::Live;
use super::load::{CONNECTIONS, Load};
use super::scale::Scale;
use super::world::World;
use std::sync::Arc;
use std::time::Duration;

/// The two versions of every act but the one with colours.
const STABLE: &str = "stable";
const CANARY: &str = "canary";

/// The names of all acts, in order.
pub(crate) fn names() -> Vec<&'static str> {
    vec![
        split::NAME,
        change::NAME,
        phones::NAME,
        sticky::NAME,
        blue_green::NAME,
        lost::NAME,
        rollout::GOOD,
        rollout::BAD,
    ]
}

/// Plays them all.
///
/// # Errors
/// When something cannot be started or written; what merely differs is among the findings.
pub(crate) async fn play(scale: Scale, live: Arc<Live>) -> anyhow::Result<()> {
    let cast = Cast {
        world: World::start(live)?,
        scale,
    };
    cast.end(split::play(&cast).await?);
    cast.end(change::play(&cast).await?);
    cast.end(phones::play(&cast).await?);
    cast.end(sticky::play(&cast).await?);
    cast.end(blue_green::play(&cast).await?);
    cast.end(lost::play(&cast).await?);
    cast.end(rollout::play_good(&cast).await?);
    cast.end(rollout::play_bad(&cast).await?);
    Ok(())
}

/// What every act needs.
pub(crate) struct Cast {
    world: Arc<World>,
    scale: Scale,
}

impl Cast {
    fn live(&self) -> &Live {
        self.world.live()
    }

    fn say(&self, step: impl Into<String>) {
        self.live().say(step.into());
    }

    fn end(&self, found: Found) {
        self.live().end(found);
    }

    /// So many requests in about so much time.
    fn load(&self, requests: u64, time: Duration) -> Load {
        Load {
            requests,
            connections: CONNECTIONS,
            rate: self.scale.rate_over(requests, time),
        }
    }

    /// Traffic that goes on until it is stopped.
    fn endless(&self) -> Load {
        Load {
            requests: u64::MAX,
            connections: CONNECTIONS,
            rate: self.scale.rate(),
        }
    }
}

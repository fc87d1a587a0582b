//! A person's hand on the tiller: orders that stand in annotations for as long as somebody leaves them there.

use serde::{Deserialize, Serialize};

/// The annotations that are orders, without their prefix: what `haldane promote` and the like write. `pause` is `true` or
/// `false`; the others are a version, or `true` for the one that is being released.
pub const ORDERS: [&str; 5] = ["pause", "promote", "abort", "retry", "rollback"];

/// Which version an order is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Order {
    /// `"true"`: the one that is being released.
    Any,
    /// A version by its name.
    Version(String),
}

impl Order {
    /// Whether it is for this version.
    pub fn is_for(&self, version: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Version(name) => name == version,
        }
    }
}

/// What a person asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hand {
    /// Nothing goes up, by itself or by order.
    pub pause: bool,
    /// All traffic to the canary at once, and past the soak it is the stable version.
    pub promote: Option<Order>,
    /// No traffic to the canary.
    pub abort: Option<Order>,
    /// An aborted version may begin again.
    pub retry: Option<Order>,
    /// After a promotion, back to the version before.
    pub rollback: Option<Order>,
}

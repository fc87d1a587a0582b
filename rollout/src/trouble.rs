//! Whether stable itself is failing: then a canary's good outcomes prove nothing.
//!
//! It is told by earlier outcomes alone: were it told by those it is asked about, chance would decide what counts.

use crate::evidence::Counts;
use serde::{Deserialize, Serialize};

/// From which part of failed requests on stable is in trouble: one in five. A margin of up to five times stable's rate then
/// means something in every cohort that speaks for the canary.
const TROUBLE: u64 = 5;

/// How many of stable's outcomes tell whether it is in trouble: as few as can be told from bad luck.
const TROUBLE_REQUESTS: u64 = 20;

/// What stable's latest outcomes told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    recent: Counts,
    on: bool,
}

impl Trouble {
    /// Whether stable is failing, as far as earlier outcomes tell.
    pub fn is_on(&self) -> bool {
        self.on
    }

    /// Takes in further outcomes of stable; what they tell counts for those that come after them.
    pub fn learn(&mut self, stable: &Counts) {
        self.recent.requests = self.recent.requests.saturating_add(stable.requests);
        self.recent.bad = self.recent.bad.saturating_add(stable.bad);
        if self.recent.requests >= TROUBLE_REQUESTS {
            self.on = self.recent.bad.saturating_mul(TROUBLE) >= self.recent.requests;
            self.recent = Counts::default();
        }
    }
}

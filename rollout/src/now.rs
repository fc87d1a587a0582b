//! What time it is, by two clocks.

use jiff::Timestamp;

/// The time of a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// By the clock on the wall: freezes are written by it, and people read it. It may be set, forwards and backwards.
    pub calendar: Timestamp,
    /// By a clock that goes evenly, whatever becomes of the other one: how long something has lasted is told by this one
    /// alone. Between two processes it may differ by as much as their walls did when each began.
    pub steady: Timestamp,
}

/// Both clocks agree.
impl From<Timestamp> for Now {
    fn from(now: Timestamp) -> Self {
        Self {
            calendar: now,
            steady: now,
        }
    }
}

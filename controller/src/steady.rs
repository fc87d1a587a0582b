//! A clock that goes evenly: it begins as the clock on the wall and is never set.
//!
//! What a rollout waits for is told by it, so that a clock that jumps makes no step shorter and no report older.

use jiff::Timestamp;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// The time of this process.
pub(crate) fn now() -> Timestamp {
    static BEGUN: OnceLock<(Timestamp, Instant)> = OnceLock::new();
    let (wall, begun) = BEGUN.get_or_init(|| (Timestamp::now(), Instant::now()));
    after(*wall, begun.elapsed())
}

/// The end of all time, where it would be later.
fn after(wall: Timestamp, elapsed: Duration) -> Timestamp {
    wall.checked_add(elapsed).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_never_goes_back_and_has_an_end() {
        let before = now();
        assert!(now() >= before);
        let late = after(Timestamp::MAX, Duration::from_secs(1));
        assert_eq!(late, Timestamp::MAX);
    }
}

//! How long to wait before the controller is tried again.

use std::time::Duration;

/// The first wait is at most this long: a controller that restarts is back in less.
const FIRST_MAX: Duration = Duration::from_millis(500);

/// No wait is longer: an address that has changed is found within 5 s.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// No wait is longer where a controller answers and only none leads yet: one is about to, and changes wait for it. An
/// attempt costs a controller one handshake, so 1 000 proxies, the most that it takes, cost it 2 000 of them a second.
const NEAR_MAX: Duration = Duration::from_secs(1);

/// Waits that grow, each anywhere between nothing and its bound: proxies that lost their controller together do not
/// come back together.
#[derive(Debug)]
pub(super) struct Backoff {
    bound: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { bound: FIRST_MAX }
    }
}

impl Backoff {
    /// The next wait; `near` says that a controller was there.
    pub(super) fn next_wait(&mut self, near: bool) -> Duration {
        let longest = if near { NEAR_MAX } else { WAIT_MAX };
        let wait = self.bound.min(longest).mul_f64(rand::random());
        self.bound = (self.bound * 2).min(WAIT_MAX);
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_bound_and_are_spread() {
        let mut backoff = Backoff::default();
        let mut waits = Vec::new();
        for bound_ms in [500, 1_000, 2_000, 4_000, 5_000, 5_000] {
            assert_eq!(backoff.bound, Duration::from_millis(bound_ms));
            let wait = backoff.next_wait(false);
            assert!(wait <= Duration::from_millis(bound_ms));
            waits.push(wait);
        }
        waits.dedup();
        assert!(waits.len() > 1);
        for _ in 0..100 {
            assert!(backoff.next_wait(true) <= NEAR_MAX);
        }
    }
}

//! How long to wait after a failure: longer each time, and never the same for all.

use std::time::Duration;
use tokio::time::Instant;

/// The first wait: most failures are a connection that was cut, and gone at the next try.
const MIN: Duration = Duration::from_millis(100);
/// The longest wait: an API server that comes back is found within this.
const MAX: Duration = Duration::from_secs(5);
/// A failure this long after the last one is a new one.
const FORGOTTEN: Duration = Duration::from_secs(30);

/// The wait doubles from [`MIN`] to [`MAX`]; each is drawn between half of it and all of it.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
    last: Option<Instant>,
}

impl Backoff {
    /// All is well again.
    pub(crate) fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// Whether all has been well until now.
    pub(crate) fn is_fresh(&self) -> bool {
        self.failures == 0
    }

    /// How long to wait after a failure now.
    pub(crate) fn next(&mut self, now: Instant) -> Duration {
        let forgotten = |last: Instant| now.duration_since(last) > FORGOTTEN;
        if self.last.replace(now).is_some_and(forgotten) {
            self.failures = 0;
        }
        let longest = MIN.saturating_mul(1 << self.failures.min(10)).min(MAX);
        self.failures += 1;
        jittered(longest)
    }
}

/// Between half of it and all of it.
pub(crate) fn jittered(longest: Duration) -> Duration {
    longest.mul_f64(rand::random_range(0.5..=1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_bound_and_start_anew() {
        let mut backoff = Backoff::default();
        let start = Instant::now();
        for expected in [100, 200, 400, 800, 1600, 3200, 5000, 5000] {
            let wait = backoff.next(start).as_millis();
            assert!((expected / 2..=expected).contains(&wait), "{wait}");
        }
        let later = start + FORGOTTEN + Duration::from_millis(1);
        assert!(backoff.next(later) <= MIN);
        backoff.next(later);
        backoff.succeeded();
        assert!(backoff.next(later) <= MIN);
    }
}

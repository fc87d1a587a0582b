//! How long to wait after a failure: longer each time, and never the same for all.

use std::time::Duration;
use tokio::time::Instant;

/// The first wait: most failures are a connection that was cut, and gone at the next try.
const MIN: Duration = Duration::from_millis(100);
/// The longest wait where few try: an API server that comes back is found within this, and somebody may be waiting for
/// what he changed there.
const MAX: Duration = Duration::from_secs(1);
/// The longest wait where many try.
const MAX_AMONG_MANY: Duration = Duration::from_secs(5);
/// How many may try within [`MAX`]: a server that starts answers that many of each controller beside all its other
/// clients. Where more try, each waits longer.
const FEW: u32 = 20;
/// A failure this long after the last one is a new one.
const FORGOTTEN: Duration = Duration::from_secs(30);

/// The wait doubles from [`MIN`] to [`MAX`], or to more where many try; each is drawn between half of it and all of it.
#[derive(Debug)]
pub(crate) struct Backoff {
    longest: Duration,
    failures: u32,
    last: Option<Instant>,
}

impl Default for Backoff {
    /// Of one that tries alone.
    fn default() -> Self {
        Self::among(1)
    }
}

impl Backoff {
    /// Of one among so many that fail together and try again together.
    pub(crate) fn among(many: usize) -> Self {
        let many = u32::try_from(many).unwrap_or(u32::MAX);
        let longest = MAX.saturating_mul(many) / FEW;
        Self {
            longest: longest.clamp(MAX, MAX_AMONG_MANY),
            failures: 0,
            last: None,
        }
    }

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
        let longest = MIN
            .saturating_mul(1 << self.failures.min(10))
            .min(self.longest);
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
    fn waits_grow_to_a_bound_that_keeps_storms_away() {
        let start = Instant::now();
        // how many try, waits in ms
        let cases: [(usize, &[u128]); 5] = [
            (1, &[100, 200, 400, 800, 1000, 1000]),
            (20, &[100, 200, 400, 800, 1000, 1000]),
            (30, &[100, 200, 400, 800, 1500, 1500]),
            (1_000, &[100, 200, 400, 800, 1600, 3200, 5000, 5000]),
            (usize::MAX, &[100, 200, 400, 800, 1600, 3200, 5000, 5000]),
        ];
        for (many, waits) in cases {
            let mut backoff = Backoff::among(many);
            for expected in waits.iter().copied() {
                let wait = backoff.next(start).as_millis();
                assert!((expected / 2..=expected).contains(&wait), "{many}: {wait}");
            }
        }
    }

    #[test]
    fn a_failure_long_after_the_last_is_a_new_one() {
        let mut backoff = Backoff::default();
        let start = Instant::now();
        for _ in 0..5 {
            backoff.next(start);
        }
        let later = start + FORGOTTEN + Duration::from_millis(1);
        assert!(backoff.next(later) <= MIN);
        backoff.next(later);
        backoff.succeeded();
        assert!(backoff.next(later) <= MIN);
    }
}

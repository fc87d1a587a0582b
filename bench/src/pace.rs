//! When requests are sent: each as soon as a client is free (a closed loop), or at times that were
//! fixed before, whatever the answers do (an open loop).

use std::io;
use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe;

/// The same arrivals for every peer.
const SEED: u64 = 0x_ba11;

/// How requests follow each other.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Pace {
    /// The next when a client is free.
    Closed,
    /// So many a second on average, at random (a Poisson process), as from many strangers.
    Open(f64),
}

/// The times at which requests are due.
pub(crate) struct Arrivals {
    pace: Pace,
    next: Instant,
    chance: SmallRng,
}

impl Arrivals {
    /// Arrivals from now on.
    pub(crate) fn new(pace: Pace) -> Self {
        Self {
            pace,
            next: Instant::now(),
            chance: SmallRng::seed_from_u64(SEED),
        }
    }

    /// When the next request is due; one that is late was due all the same.
    pub(crate) fn next(&mut self) -> Instant {
        let Pace::Open(per_second) = self.pace else {
            return Instant::now();
        };
        // Never 0, whose logarithm is none.
        let chance = 1.0 - self.chance.random::<f64>();
        self.next += Duration::from_secs_f64(-chance.ln() / per_second);
        self.next
    }
}

/// A wait that is exact to some microseconds, where the runtime's own timers are to a millisecond.
///
/// The timer of the kernel is read as a pipe is: it has eight bytes once it has rung.
pub(crate) struct Alarm(pipe::Receiver);

impl Alarm {
    /// One that is not set.
    ///
    /// # Errors
    /// If there are no more descriptors.
    pub(crate) fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        Ok(Self(pipe::Receiver::from_owned_fd_unchecked(timer)?))
    }

    /// Waits until `due`; not at all if that has passed.
    ///
    /// # Errors
    /// If the system refuses.
    pub(crate) async fn wait_until(&mut self, due: Instant) -> io::Result<()> {
        let left = due.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        let once = Itimerspec {
            it_interval: Timespec::default(),
            it_value: Timespec::try_from(left).map_err(io::Error::other)?,
        };
        timerfd_settime(&self.0, TimerfdTimerFlags::empty(), &once)?;
        let mut rings = [0; size_of::<u64>()];
        self.0.read_exact(&mut rings).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_alarm_rings_when_it_is_due_and_not_before() {
        let mut alarm = Alarm::new().unwrap();
        for _ in 0..3 {
            let due = Instant::now() + Duration::from_micros(300);
            alarm.wait_until(due).await.unwrap();
            assert!(Instant::now() >= due);
            // What is late is not waited for.
            alarm.wait_until(due).await.unwrap();
        }
    }

    #[test]
    fn arrivals_keep_their_rate_and_no_rhythm() {
        let mut arrivals = Arrivals::new(Pace::Open(1_000.0));
        let begun = arrivals.next;
        let times: Vec<Instant> = (0..20_000).map(|_| arrivals.next()).collect();
        let seconds = (times[times.len() - 1] - begun).as_secs_f64();
        assert!((19.0..21.0).contains(&seconds), "{seconds} s");
        let gaps = times.windows(2).map(|pair| pair[1] - pair[0]);
        let short = gaps.filter(|gap| gap.as_secs_f64() < 0.001).count() as f64;
        // 1 - 1/e of the gaps of a Poisson process are shorter than their mean.
        assert!((0.61..0.65).contains(&(short / 20_000.0)));
    }
}

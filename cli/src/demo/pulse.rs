//! The beat of live traffic: how many answers came in each tenth of a second, and how long they took. Pure: callers
//! pass the time.

use std::collections::VecDeque;
use std::time::Duration;

/// One beat: short enough that the line moves, long enough for a median.
const BEAT: Duration = Duration::from_millis(100);
/// How many beats are kept: more than a line of the view is wide.
const BEATS_MAX: usize = 120;
/// How many beats the rate is taken over: a second.
const RATE_BEATS: usize = 10;
/// How many latencies of one act are kept for its percentiles; more would be sorted at every frame.
const LATENCIES_MAX: usize = 20_000;

/// Answers over time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pulse {
    beats: VecDeque<Beat>,
    latencies: VecDeque<u32>,
}

#[derive(Clone, Copy, Debug)]
struct Beat {
    number: u128,
    answers: u64,
    micros: u64,
}

impl Pulse {
    /// An answer came `now`, measured from any fixed moment, and took so long.
    pub(crate) fn answer(&mut self, now: Duration, took: Duration) {
        let micros = u32::try_from(took.as_micros()).unwrap_or(u32::MAX);
        if self.latencies.len() == LATENCIES_MAX {
            self.latencies.pop_front();
        }
        self.latencies.push_back(micros);
        let beat = self.beat(now.as_millis() / BEAT.as_millis());
        beat.answers += 1;
        beat.micros += u64::from(micros);
    }

    fn beat(&mut self, number: u128) -> &mut Beat {
        if self.beats.back().is_none_or(|last| last.number < number) {
            if self.beats.len() == BEATS_MAX {
                self.beats.pop_front();
            }
            self.beats.push_back(Beat {
                number,
                answers: 0,
                micros: 0,
            });
        }
        self.beats
            .back_mut()
            .expect("one was pushed where there was none")
    }

    /// The latencies of another act do not belong to this one's percentiles.
    pub(crate) fn forget_latencies(&mut self) {
        self.latencies.clear();
    }

    /// Answers in each second, over the last one.
    pub(crate) fn rate(&self) -> u64 {
        let recent = self.beats.iter().rev().skip(1).take(RATE_BEATS);
        let (beats, answers) = recent.fold((0, 0), |(beats, answers), beat| {
            (beats + 1, answers + beat.answers)
        });
        answers * RATE_BEATS as u64 / u64::max(beats, 1)
    }

    /// The mean latency of each of the last beats, in microseconds, oldest first.
    pub(crate) fn line(&self, beats: usize) -> Vec<u64> {
        let skipped = self.beats.len().saturating_sub(beats);
        self.beats
            .iter()
            .skip(skipped)
            .map(|beat| beat.micros / beat.answers.max(1))
            .collect()
    }

    /// So much of all latencies of the act is at or below what is returned, for each of `parts` in 0 to 1.
    pub(crate) fn percentiles<const N: usize>(&self, parts: [f64; N]) -> [Duration; N] {
        let mut sorted: Vec<u32> = self.latencies.iter().copied().collect();
        sorted.sort_unstable();
        parts.map(|part| {
            let above = ((1.0 - part) * sorted.len() as f64) as usize;
            let at = sorted.len().saturating_sub(above + 1);
            Duration::from_micros(sorted.get(at).copied().unwrap_or(0).into())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_rate_is_answers_over_whole_beats() {
        let mut pulse = Pulse::default();
        (0..1_000).for_each(|at| pulse.answer(ms(at), ms(1)));
        assert_eq!(pulse.rate(), 1_000);
        assert_eq!(Pulse::default().rate(), 0);
    }

    #[test]
    fn percentiles_are_of_this_act_alone() {
        let mut pulse = Pulse::default();
        (1..=100).for_each(|took| pulse.answer(ms(0), ms(took)));
        assert_eq!(
            pulse.percentiles([0.5, 0.99, 1.0]),
            [ms(50), ms(99), ms(100)]
        );
        pulse.forget_latencies();
        assert_eq!(pulse.percentiles([0.5]), [ms(0)]);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut pulse = Pulse::default();
        (0..30_000).for_each(|at| pulse.answer(ms(at * 100), ms(1)));
        assert_eq!(
            (pulse.line(1_000).len(), pulse.line(5).len()),
            (BEATS_MAX, 5)
        );
        assert_eq!(pulse.latencies.len(), LATENCIES_MAX);
    }
}

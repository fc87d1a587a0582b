//! When a container is asked, and how many answers in a row change what is thought of it.

use super::ask::Target;
use k8s_openapi::api::core::v1::Probe;
use std::time::Duration;

/// What is thought of a container, and what speaks against it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Opinion {
    good: bool,
    /// How many answers in a row were the other way.
    against: i32,
}

impl Opinion {
    pub(super) fn new(good: bool) -> Self {
        Self { good, against: 0 }
    }

    /// Takes an answer; whether the opinion has turned.
    fn note(&mut self, answer: bool, probe: &Probe) -> bool {
        let threshold = if answer {
            probe.success_threshold.unwrap_or(1)
        } else {
            probe.failure_threshold.unwrap_or(3)
        };
        self.against = if answer == self.good {
            0
        } else {
            self.against + 1
        };
        let turned = self.against >= threshold.max(1);
        if turned {
            *self = Self::new(answer);
        }
        turned
    }
}

/// Asks a container again and again what one probe asks.
#[derive(Debug)]
pub(super) struct Watch<'p> {
    probe: &'p Probe,
    target: Target<'p>,
    opinion: Opinion,
    asked: bool,
}

impl<'p> Watch<'p> {
    pub(super) fn new(probe: &'p Probe, target: Target<'p>, opinion: Opinion) -> Self {
        Self {
            probe,
            target,
            opinion,
            asked: false,
        }
    }

    /// Asks until the opinion turns; what it is then.
    pub(super) async fn turned(&mut self) -> bool {
        loop {
            tokio::time::sleep(self.pause()).await;
            self.asked = true;
            let answer = self.ask().await;
            if self.opinion.note(answer, self.probe) {
                return answer;
            }
        }
    }

    /// Asks until so many failures in a row that a container is given up, or a success; which.
    pub(super) async fn settled(&mut self) -> bool {
        let limit = self.probe.failure_threshold.unwrap_or(3).max(1);
        for _ in 0..limit {
            tokio::time::sleep(self.pause()).await;
            self.asked = true;
            if self.ask().await {
                return true;
            }
        }
        false
    }

    async fn ask(&self) -> bool {
        let limit = seconds(self.probe.timeout_seconds, 1);
        let asked = tokio::time::timeout(limit, self.target.probe(self.probe)).await;
        matches!(asked, Ok(Ok(())))
    }

    fn pause(&self) -> Duration {
        if self.asked {
            seconds(self.probe.period_seconds, 10)
        } else {
            seconds(self.probe.initial_delay_seconds, 0)
        }
    }
}

fn seconds(given: Option<i32>, default: u64) -> Duration {
    let given = given.and_then(|seconds| u64::try_from(seconds).ok());
    Duration::from_secs(given.unwrap_or(default))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The opinions (`+` good, `-` bad) after each answer (`y`, `n`).
    #[track_caller]
    fn check(thresholds: (i32, i32), answers: &str, expected: &str) {
        let probe = Probe {
            success_threshold: Some(thresholds.0),
            failure_threshold: Some(thresholds.1),
            ..Probe::default()
        };
        let mut opinion = Opinion::new(false);
        let opinions = answers.chars().map(|answer| {
            opinion.note(answer == 'y', &probe);
            if opinion.good { '+' } else { '-' }
        });
        assert_eq!(opinions.collect::<String>(), expected);
    }

    #[test]
    fn only_enough_answers_in_a_row_turn_an_opinion() {
        check((1, 3), "nyynnynnny", "-+++++++-+");
        check((2, 1), "yyny", "-+--");
    }
}

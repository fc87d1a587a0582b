//! What counts as too slow: the `latency` annotation, and the thresholds that are fixed when a rollout begins.
//!
//! Histogram buckets are enough: a threshold is read at the nearest bucket bound that is not below it.

use crate::number::{self, NumberError};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// The most objectives taken: each one more costs all of them some evidence.
pub const OBJECTIVES_MAX: usize = 8;

/// Which of stable's quantiles become thresholds where the plan says `stable`: the usual request, and three depths of the tail.
const QUANTILES: [f64; 4] = [0.5, 0.9, 0.99, 0.999];

/// The `latency` annotation.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Latency {
    /// Not looked at.
    #[default]
    Ignored,
    /// `stable`: whatever stable's quantiles are when the rollout begins.
    LikeStable,
    /// `p99<300ms, p50<80ms`.
    Objectives(Vec<Threshold>),
}

/// A duration, and how many requests may take longer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Threshold {
    /// Requests that take longer are slow.
    pub limit: Duration,
    /// The share that the objective itself allows to be slow: 0.01 for a p99. `None` where there is none, and only the
    /// comparison with stable counts.
    pub allowed: Option<f64>,
}

/// Why a text is no latency annotation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LatencyError {
    /// The form is another.
    #[error("{0:?} is neither \"stable\" nor an objective such as \"p99<300ms\"")]
    Form(String),
    /// The quantile is not a number.
    #[error(transparent)]
    Number(#[from] NumberError),
    /// The quantile is not between 0 and 100.
    #[error("{0:?} names no quantile between p0 and p100")]
    Quantile(String),
    /// More than [`OBJECTIVES_MAX`].
    #[error("{0} objectives are too many, at most {OBJECTIVES_MAX} are taken")]
    TooMany(usize),
}

impl FromStr for Latency {
    type Err = LatencyError;

    fn from_str(text: &str) -> Result<Self, LatencyError> {
        if text.trim() == "stable" {
            return Ok(Self::LikeStable);
        }
        let objectives: Vec<_> = text.split(',').map(objective).collect::<Result<_, _>>()?;
        match objectives.len() {
            count if count > OBJECTIVES_MAX => Err(LatencyError::TooMany(count)),
            _ => Ok(Self::Objectives(objectives)),
        }
    }
}

fn objective(text: &str) -> Result<Threshold, LatencyError> {
    let form = || LatencyError::Form(text.trim().to_owned());
    let (quantile, limit) = text.trim().split_once('<').ok_or_else(form)?;
    let quantile = quantile.trim().strip_prefix('p').ok_or_else(form)?;
    let percent = number::decimal(quantile)?;
    if percent <= 0.0 || percent >= 100.0 {
        return Err(LatencyError::Quantile(text.trim().to_owned()));
    }
    let limit = humantime::parse_duration(limit.trim()).map_err(|_| form())?;
    if limit.is_zero() {
        return Err(form());
    }
    Ok(Threshold {
        limit,
        allowed: Some((100.0 - percent) / 100.0),
    })
}

impl Threshold {
    /// Stable's own quantiles, from a histogram: `buckets[i]` requests took at most `bounds[i]` and more than the bound
    /// before; one more bucket holds the rest. Quantiles in the same bucket are one threshold, those beyond the last bound
    /// none.
    pub fn like_stable(bounds: &[Duration], buckets: &[u64]) -> Vec<Self> {
        let total: u64 = buckets.iter().sum();
        let mut limits: Vec<_> = QUANTILES
            .iter()
            .filter_map(|quantile| quantile_bound(*quantile, total, bounds, buckets))
            .collect();
        limits.dedup();
        let threshold = |limit| Self {
            limit,
            allowed: None,
        };
        limits.into_iter().map(threshold).collect()
    }

    /// How many requests of a histogram were slower, read at the nearest bound that is not below the limit; `None` if every
    /// bound is.
    pub fn slower(&self, bounds: &[Duration], buckets: &[u64]) -> Option<u64> {
        let place = bounds.iter().position(|bound| *bound >= self.limit)?;
        Some(buckets.iter().skip(place + 1).sum())
    }
}

fn quantile_bound(
    quantile: f64,
    total: u64,
    bounds: &[Duration],
    buckets: &[u64],
) -> Option<Duration> {
    if total == 0 {
        return None;
    }
    let wanted = quantile * total as f64;
    let mut below = 0;
    let place = buckets.iter().position(|count| {
        below += count;
        below as f64 >= wanted
    })?;
    bounds.get(place).copied()
}

/// `p99<300ms`, or `latency<300ms` where only stable is the measure.
impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limit = humantime::format_duration(self.limit);
        match self.allowed {
            Some(allowed) => write!(
                f,
                "p{}<{limit}",
                number::trimmed((1.0 - allowed) * 100.0, 4)
            ),
            None => write!(f, "latency<{limit}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(latency: &Latency) -> String {
        match latency {
            Latency::Ignored => "ignored".to_owned(),
            Latency::LikeStable => "stable".to_owned(),
            Latency::Objectives(list) => list.iter().map(|one| format!("{one} ")).collect(),
        }
    }

    #[test]
    fn objectives_are_read_as_they_are_written() {
        let cases = [
            ("p99<300ms", "p99<300ms "),
            (" p99.9 < 1s500ms , p50<80ms", "p99.9<1s 500ms p50<80ms "),
            ("stable", "stable"),
            (
                "p99",
                r#""p99" is neither "stable" nor an objective such as "p99<300ms""#,
            ),
            (
                "p99<300",
                r#""p99<300" is neither "stable" nor an objective such as "p99<300ms""#,
            ),
            (
                "p100<1s",
                r#""p100<1s" names no quantile between p0 and p100"#,
            ),
            (
                "pp<1s",
                r#""p" is not a number such as 10 or 0.05, with at most 6 decimals"#,
            ),
            (
                "p1<1s,p1<1s,p1<1s,p1<1s,p1<1s,p1<1s,p1<1s,p1<1s,p1<1s",
                "9 objectives are too many, at most 8 are taken",
            ),
        ];
        for (text, expected) in cases {
            let seen = text.parse().map_or_else(
                |error: LatencyError| error.to_string(),
                |latency| shown(&latency),
            );
            assert_eq!(seen, expected, "{text}");
        }
    }

    #[test]
    fn thresholds_stand_at_bucket_bounds() {
        let bounds = [10, 50, 100, 500].map(Duration::from_millis);
        let limits = |buckets: &[u64]| {
            let thresholds = Threshold::like_stable(&bounds, buckets);
            thresholds
                .iter()
                .map(|one| one.limit.as_millis())
                .collect::<Vec<_>>()
        };
        assert_eq!(limits(&[500, 400, 90, 9, 1]), [10, 50, 100, 500]);
        assert_eq!(limits(&[990, 0, 0, 0, 10]), [10]);
        assert_eq!(limits(&[0, 0, 0, 0, 0]), [0; 0]);
        let slower = |limit| {
            let threshold = Threshold {
                limit: Duration::from_millis(limit),
                allowed: None,
            };
            threshold.slower(&bounds, &[500, 400, 90, 9, 1])
        };
        assert_eq!(
            [slower(100), slower(60), slower(500), slower(501)],
            [Some(10), Some(10), Some(1), None]
        );
    }
}

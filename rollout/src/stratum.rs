//! A canary's share of the traffic, exactly: the stratum that an outcome is counted in.
//!
//! Nothing here knows outcomes; a share is a fraction and stays one, so that equal shares are one stratum.

use crate::number::{self, NumberError};
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::fmt;

/// The canary's weight of a whole period, in lowest terms: `0..=period`.
///
/// Ordered by size. Outcomes of requests that were split by the same share are exchangeable, whichever schedule
/// drew them, and are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Stratum {
    weight: u32,
    period: u32,
}

/// The fraction as it is stored.
#[derive(Serialize, Deserialize)]
struct Written {
    weight: u64,
    period: u64,
}

/// Why two numbers are no share.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{weight} of {period} is no share: the weight is from 0 to the period, and the period at most {max}", max = Stratum::PERIOD_MAX)]
pub struct ShareError {
    /// The weight given.
    pub weight: u64,
    /// The period given.
    pub period: u64,
}

impl Stratum {
    /// The longest period taken. A million tells steps of 0.0001 % apart, finer than any split there is.
    pub const PERIOD_MAX: u64 = 1_000_000;

    /// Nothing to the canary.
    pub const NONE: Self = Self {
        weight: 0,
        period: 1,
    };

    /// Everything to the canary.
    pub const ALL: Self = Self {
        weight: 1,
        period: 1,
    };

    /// `weight` of every `period` requests.
    ///
    /// # Errors
    ///
    /// A weight above the period, a period of 0 or above [`Stratum::PERIOD_MAX`].
    pub fn new(weight: u64, period: u64) -> Result<Self, ShareError> {
        let refused = ShareError { weight, period };
        if weight > period || period == 0 || period > Self::PERIOD_MAX {
            return Err(refused);
        }
        let common = gcd(weight, period);
        let part = |number: u64| u32::try_from(number / common).map_err(|_| refused.clone());
        Ok(Self {
            weight: part(weight)?,
            period: part(period)?,
        })
    }

    /// A share in percent as people write it: `5`, `0.05`, `5%`.
    ///
    /// # Errors
    ///
    /// What is not a plain decimal number from 0 to 100, with at most four places.
    pub fn percent(text: &str) -> Result<Self, NumberError> {
        let text = text.strip_suffix('%').unwrap_or(text).trim_end();
        let hundredths = number::fixed(text, 4)?;
        Self::new(hundredths, Self::PERIOD_MAX)
            .map_err(|_| NumberError::NoPercentage(text.to_owned()))
    }

    /// The share, from 0 to 1.
    pub fn share(self) -> f64 {
        f64::from(self.weight) / f64::from(self.period)
    }

    /// The canary's requests of one period, in lowest terms.
    pub fn weight(self) -> u32 {
        self.weight
    }

    /// The requests of one period, in lowest terms.
    pub fn period(self) -> u32 {
        self.period
    }

    /// Whether outcomes at this share say anything: both versions must get requests.
    pub fn tells(self) -> bool {
        0 < self.weight && self.weight < self.period
    }
}

impl PartialOrd for Stratum {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Stratum {
    /// By size; in lowest terms, equal size is equality.
    fn cmp(&self, other: &Self) -> Ordering {
        let cross = |a: u32, b: u32| u64::from(a) * u64::from(b);
        cross(self.weight, other.period).cmp(&cross(other.weight, self.period))
    }
}

/// In percent, such as `5%` or `0.05%`.
impl fmt::Display for Stratum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&number::percent(self.share()))
    }
}

impl TryFrom<Written> for Stratum {
    type Error = ShareError;

    fn try_from(written: Written) -> Result<Self, ShareError> {
        Self::new(written.weight, written.period)
    }
}

impl From<Stratum> for Written {
    fn from(stratum: Stratum) -> Self {
        Self {
            weight: stratum.weight.into(),
            period: stratum.period.into(),
        }
    }
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_are_exact_fractions() {
        let cases = [
            ("5", "1/20 5%"),
            ("5%", "1/20 5%"),
            ("0.05", "1/2000 0.05%"),
            ("33.3333", "333333/1000000 33.3333%"),
            ("100", "1/1 100%"),
            ("0", "0/1 0%"),
            ("101", "\"101\" is not a percentage from 0 to 100"),
            (
                "-1",
                "\"-1\" is not a number such as 10 or 0.05, with at most 4 decimals",
            ),
            (
                "0.00001",
                "\"0.00001\" is not a number such as 10 or 0.05, with at most 4 decimals",
            ),
        ];
        for (text, expected) in cases {
            let seen = match Stratum::percent(text) {
                Ok(share) => format!("{}/{} {share}", share.weight, share.period),
                Err(error) => error.to_string(),
            };
            assert_eq!(seen, expected, "{text}");
        }
    }

    #[test]
    fn equal_shares_are_one_stratum_and_order_is_by_size() {
        let [a, b, c] = [(5, 100), (1, 20), (1, 3)].map(|(w, p)| Stratum::new(w, p).unwrap());
        assert_eq!(a, b);
        assert!(b < c && Stratum::NONE < a && c < Stratum::ALL);
        assert!(a.tells() && !Stratum::NONE.tells() && !Stratum::ALL.tells());
    }

    #[test]
    fn a_stored_share_is_checked_when_it_is_read() {
        let stored = serde_json::to_string(&Stratum::new(5, 100).unwrap()).unwrap();
        assert_eq!(stored, r#"{"weight":1,"period":20}"#);
        assert!(serde_json::from_str::<Stratum>(r#"{"weight":3,"period":2}"#).is_err());
        assert!(serde_json::from_str::<Stratum>(r#"{"weight":0,"period":0}"#).is_err());
    }
}

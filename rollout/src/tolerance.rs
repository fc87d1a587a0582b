//! How much worse than stable is still accepted, as one line of text: `errors<1.25x+0.1%`.
//!
//! A canary is held against stable, never against a constant alone, so a ratio that is left out is 1: `errors<1%` is one
//! percentage point above stable.

use crate::number::{self, NumberError};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A line between two error rates: `ratio * stable + slack`.
///
/// As a tolerance, a canary on or below the line is not worse; as a margin, one on or above it is too bad to promote.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Tolerance {
    ratio: f64,
    slack: f64,
}

/// Why a text is no tolerance.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ToleranceError {
    /// The form is another.
    #[error("{0:?} is not a tolerance such as \"errors<1.25x+0.1%\" (either part may be left out)")]
    Form(String),
    /// A part is not a number.
    #[error(transparent)]
    Number(#[from] NumberError),
    /// A line on which nothing may ever fail decides nothing.
    #[error("a tolerance of nothing at all cannot be tested: allow some ratio or some percentage")]
    Nothing,
    /// Every canary would do.
    #[error("a ratio above {max} or a slack of 100% and more accepts everything", max = Tolerance::RATIO_MAX)]
    Everything,
}

impl Tolerance {
    /// The largest ratio taken. A canary that may fail a hundred times as often as stable is not being judged.
    pub const RATIO_MAX: f64 = 100.0;

    /// What is not worse unless the plan says otherwise.
    pub const DEFAULT: Self = Self {
        ratio: 1.25,
        slack: 0.001,
    };

    /// What is too bad to promote unless the plan says otherwise.
    pub const DEFAULT_MARGIN: Self = Self {
        ratio: 1.5,
        slack: 0.005,
    };

    /// The line `ratio * stable + slack`, both as plain factors (`slack` 0.001 for 0.1 %).
    ///
    /// # Errors
    ///
    /// Negative or not a number, or so little or so much that there is nothing to test.
    pub fn new(ratio: f64, slack: f64) -> Result<Self, ToleranceError> {
        let allowed = (0.0..=Self::RATIO_MAX).contains(&ratio) && (0.0..1.0).contains(&slack);
        match allowed {
            false => Err(ToleranceError::Everything),
            true if ratio == 0.0 && slack == 0.0 => Err(ToleranceError::Nothing),
            true => Ok(Self { ratio, slack }),
        }
    }

    /// Any ratio above 0, without slack: the lines that an interval is searched among.
    pub(crate) fn ratio_alone(ratio: f64) -> Self {
        Self { ratio, slack: 0.0 }
    }

    /// The margin of a plan that names none: the usual one, or as much wider as the tolerance asks for.
    pub fn default_margin(self) -> Self {
        let wider = (2.0 * self.slack).min(f64::midpoint(1.0, self.slack));
        Self {
            ratio: self.ratio.max(Self::DEFAULT_MARGIN.ratio),
            slack: wider.max(Self::DEFAULT_MARGIN.slack),
        }
    }

    /// How many times stable's rate.
    pub fn ratio(self) -> f64 {
        self.ratio
    }

    /// How much on top, from 0 to 1.
    pub fn slack(self) -> f64 {
        self.slack
    }

    /// Whether every canary that `self` accepts is accepted by `other` too.
    pub fn within(self, other: Self) -> bool {
        self.ratio <= other.ratio && self.slack <= other.slack
    }

    /// The line in this crate's written form without `errors<`, such as `1.25x+0.1%`.
    fn line(self) -> String {
        let ratio = format!("{}x", number::trimmed(self.ratio, 6));
        let slack = number::percent(self.slack);
        match (self.ratio, self.slack) {
            (_, 0.0) => ratio,
            (1.0, _) => slack,
            _ => format!("{ratio}+{slack}"),
        }
    }
}

impl FromStr for Tolerance {
    type Err = ToleranceError;

    fn from_str(text: &str) -> Result<Self, ToleranceError> {
        let form = || ToleranceError::Form(text.to_owned());
        let line = text.trim().strip_prefix("errors").ok_or_else(form)?;
        let line = line.trim_start().strip_prefix('<').ok_or_else(form)?.trim();
        let (ratio, slack) = match line.split_once('+') {
            Some((ratio, slack)) => (Some(ratio.trim_end()), Some(slack.trim_start())),
            None if line.ends_with('x') => (Some(line), None),
            None => (None, Some(line)),
        };
        let ratio = ratio.map(|ratio| ratio.strip_suffix('x').ok_or_else(form));
        let slack = slack.map(|slack| slack.strip_suffix('%').ok_or_else(form));
        let ratio = ratio.transpose()?.map_or(Ok(1.0), number::decimal)?;
        let slack = slack.transpose()?.map_or(Ok(0.0), number::decimal)?;
        Self::new(ratio, slack / 100.0)
    }
}

impl fmt::Display for Tolerance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "errors<{}", self.line())
    }
}

impl TryFrom<String> for Tolerance {
    type Error = ToleranceError;

    fn try_from(text: String) -> Result<Self, ToleranceError> {
        text.parse()
    }
}

impl From<Tolerance> for String {
    fn from(tolerance: Tolerance) -> Self {
        tolerance.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn either_part_may_be_left_out() {
        let cases = [
            ("errors<1.25x+0.1%", Ok((1.25, 0.001))),
            ("errors < 1.5x + 0.5%", Ok((1.5, 0.005))),
            ("errors<1%", Ok((1.0, 0.01))),
            ("errors<2x", Ok((2.0, 0.0))),
            ("errors<0x+0%", Err(ToleranceError::Nothing)),
            ("errors<0x+1%", Ok((0.0, 0.01))),
            ("errors<101x", Err(ToleranceError::Everything)),
            ("errors<100%", Err(ToleranceError::Everything)),
        ];
        for (text, expected) in cases {
            let seen = text.parse::<Tolerance>();
            assert_eq!(seen.map(|t| (t.ratio(), t.slack())), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_tolerance_is_refused() {
        for text in [
            "",
            "errors",
            "errors<",
            "errors>1%",
            "errors<1",
            "errors<1x+1x",
            "p99<1%",
            "errors<-1%",
            "errors<NaN%",
            "errors<1e3x",
        ] {
            assert!(text.parse::<Tolerance>().is_err(), "{text}");
        }
    }

    #[test]
    fn it_is_written_as_it_is_read() {
        for text in [
            "errors<1.25x+0.1%",
            "errors<1%",
            "errors<2x",
            "errors<1.000001x+0.0003%",
        ] {
            let tolerance: Tolerance = text.parse().unwrap();
            assert_eq!(tolerance.to_string(), text);
        }
    }
}

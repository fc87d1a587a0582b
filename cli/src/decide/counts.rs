//! The counts of one stratum as they are typed: `weight=5,canary-bad=3,stable-bad=2,good=600`.

use anyhow::{Context as _, bail};
use haldane_rollout::{Arms, Counts, Stratum};
use std::str::FromStr;

/// The largest count taken: beyond, sums would not be exact.
const COUNT_MAX: u64 = 1 << 53;

/// A share, and both versions' outcomes at it.
#[derive(Debug, PartialEq)]
pub(super) struct Stratified {
    pub(super) share: Stratum,
    pub(super) arms: Arms,
}

impl FromStr for Stratified {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let mut share = None;
        let [mut canary_bad, mut stable_bad, mut good] = [None; 3];
        for part in text.split(',') {
            let (name, value) = part
                .split_once('=')
                .context("is not a list of NAME=VALUE")?;
            let (name, value) = (name.trim(), value.trim());
            let twice = match name {
                "weight" => share.replace(Stratum::percent(value)?).is_some(),
                "canary-bad" => canary_bad.replace(count(value)?).is_some(),
                "stable-bad" => stable_bad.replace(count(value)?).is_some(),
                "good" => good.replace(count(value)?).is_some(),
                _ => bail!("{name:?} is none of weight, canary-bad, stable-bad, good"),
            };
            if twice {
                bail!("{name} stands there twice");
            }
        }
        let share = share.context("names no weight")?;
        let [canary_bad, stable_bad, good] =
            [canary_bad, stable_bad, good].map(Option::unwrap_or_default);
        Ok(Self {
            share,
            arms: arms(share, canary_bad, stable_bad, good),
        })
    }
}

fn count(text: &str) -> anyhow::Result<u64> {
    match text.parse() {
        Ok(count) if count <= COUNT_MAX => Ok(count),
        _ => bail!("{text:?} is not a whole number up to {COUNT_MAX}"),
    }
}

/// The decision needs no more than three counts. How many of the good ones were the canary's follows from the split, which
/// is exact, within one request.
fn arms(share: Stratum, canary_bad: u64, stable_bad: u64, good: u64) -> Arms {
    let all = canary_bad + stable_bad + good;
    let canary = (all as f64 * share.share()).round() as u64;
    let canary = canary.clamp(canary_bad, canary_bad + good);
    let counts = |requests, bad| Counts {
        requests,
        bad,
        slow: Vec::new(),
    };
    Arms {
        canary: counts(canary, canary_bad),
        stable: counts(all - canary, stable_bad),
        ..Arms::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read_or_refused_by_name() {
        let cases = [
            (
                "weight=5,canary-bad=3,stable-bad=2,good=600",
                "5% canary 3/30 stable 2/575",
            ),
            (" good = 10 , weight = 50% ", "50% canary 0/5 stable 0/5"),
            ("weight=5,canary-bad=3", "5% canary 3/3 stable 0/0"),
            ("canary-bad=3", "names no weight"),
            ("weight=5,weight=5", "weight stands there twice"),
            (
                "weight=5,bad=3",
                "\"bad\" is none of weight, canary-bad, stable-bad, good",
            ),
            (
                "weight=5,good=-1",
                "\"-1\" is not a whole number up to 9007199254740992",
            ),
            (
                "weight=5,good=NaN",
                "\"NaN\" is not a whole number up to 9007199254740992",
            ),
            ("weight", "is not a list of NAME=VALUE"),
        ];
        for (text, expected) in cases {
            let seen = match text.parse::<Stratified>() {
                Ok(Stratified {
                    share,
                    arms: Arms { canary, stable, .. },
                }) => format!(
                    "{share} canary {}/{} stable {}/{}",
                    canary.bad, canary.requests, stable.bad, stable.requests
                ),
                Err(error) => error.to_string(),
            };
            assert_eq!(seen, expected, "{text}");
        }
    }
}

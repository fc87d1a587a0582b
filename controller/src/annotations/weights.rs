//! `weights`: the shares of the versions, such as `1.14=90, canary=10`.

use super::values::{list, version_name};
use crate::problem::Refused;
use haldane_routing::schedule::{PERIOD_MAX, VERSIONS_MAX};

/// How many digits may stand before the point, and how many behind: enough for every split that a period can
/// express, few enough that scaled weights never overflow.
const DIGITS_MAX: usize = 6;

/// What the annotation `haldane.dev/weights` says: versions and their shares in the order written, as the smallest whole
/// numbers.
///
/// # Errors
/// What is wrong with it, in a sentence.
pub fn read(text: &str) -> Result<Vec<(String, u64)>, String> {
    parse(text).map_err(|Refused(reason)| reason)
}

/// Versions and their shares in the order written, scaled to the smallest whole numbers.
pub(crate) fn parse(text: &str) -> Result<Vec<(String, u64)>, Refused> {
    let entries = list(text)?
        .into_iter()
        .map(entry)
        .collect::<Result<Vec<_>, _>>()?;
    check_names(&entries)?;
    let decimals = entries
        .iter()
        .map(|(_, weight)| weight.decimals.len())
        .max()
        .unwrap_or(0);
    let weights: Vec<_> = entries
        .iter()
        .map(|(_, weight)| weight.scaled(decimals))
        .collect();
    let reduced = reduce(&weights)?;
    Ok(entries
        .into_iter()
        .map(|(name, _)| name.to_owned())
        .zip(reduced)
        .collect())
}

fn check_names(entries: &[(&str, Decimal<'_>)]) -> Result<(), Refused> {
    if entries.len() > VERSIONS_MAX {
        return Refused::because(format!(
            "names {} versions, at most {VERSIONS_MAX} are possible",
            entries.len()
        ));
    }
    for (index, (name, _)) in entries.iter().enumerate() {
        if entries[..index].iter().any(|(earlier, _)| earlier == name) {
            return Refused::because(format!("version {name:?} stands there twice"));
        }
    }
    Ok(())
}

/// Divides by the greatest common divisor and holds the sum against the longest period there is.
pub(crate) fn reduce(weights: &[u64]) -> Result<Vec<u64>, Refused> {
    let divisor = weights.iter().copied().fold(0, gcd);
    if divisor == 0 {
        return Refused::because("all weights are 0: at least one version must get requests");
    }
    let reduced: Vec<_> = weights.iter().map(|weight| weight / divisor).collect();
    match reduced.iter().sum::<u64>() {
        period if period > PERIOD_MAX => Refused::because(format!(
            "these shares repeat only after {period} requests, at most {PERIOD_MAX} are possible: round them"
        )),
        _ => Ok(reduced),
    }
}

pub(crate) fn gcd(a: u64, b: u64) -> u64 {
    match b {
        0 => a,
        _ => gcd(b, a % b),
    }
}

/// A decimal number, kept as it was written: no binary fraction ever stands in for it.
#[derive(Clone, Copy)]
struct Decimal<'t> {
    whole: &'t str,
    decimals: &'t str,
}

impl Decimal<'_> {
    /// Times ten to the power of `decimals`.
    fn scaled(self, decimals: usize) -> u64 {
        let digits = self.whole.chars().chain(self.decimals.chars());
        let value = digits
            .filter_map(|digit| digit.to_digit(10))
            .fold(0, |value, digit| value * 10 + u64::from(digit));
        let missing = decimals.saturating_sub(self.decimals.len());
        (0..missing).fold(value, |value, _| value * 10)
    }
}

fn entry(text: &str) -> Result<(&str, Decimal<'_>), Refused> {
    let Some((name, weight)) = text.split_once('=') else {
        return Refused::because(format!(
            "{text:?} is not VERSION=WEIGHT, such as \"1.14=90, canary=10\""
        ));
    };
    let name = name.trim();
    version_name(name)?;
    Ok((name, decimal(name, weight.trim())?))
}

fn decimal<'t>(name: &str, text: &'t str) -> Result<Decimal<'t>, Refused> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let is_number = |digits: &str| {
        (1..=DIGITS_MAX).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
    };
    if is_number(whole) && is_number(decimals) {
        Ok(Decimal {
            whole,
            decimals: decimals.trim_end_matches('0'),
        })
    } else {
        Refused::because(format!(
            "the weight {text:?} of version {name:?} is not a number such as 10 or 0.05 (no sign, no '%')"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<&str, &str>) {
        let seen = parse(text).map(|weights| {
            let shown: Vec<_> = weights
                .iter()
                .map(|(name, weight)| format!("{name}={weight}"))
                .collect();
            shown.join(" ")
        });
        let seen = seen
            .as_ref()
            .map(String::as_str)
            .map_err(ToString::to_string);
        match expected {
            Ok(weights) => assert_eq!(seen, Ok(weights), "{text}"),
            Err(part) => assert!(
                seen.as_ref().is_err_and(|reason| reason.contains(part)),
                "{text}: {seen:?}"
            ),
        }
    }

    #[test]
    fn shares_become_the_smallest_whole_numbers() {
        let cases = [
            ("1.14=90, canary=10", Ok("1.14=9 canary=1")),
            ("a=1", Ok("a=1")),
            ("a=99.95,b=0.05", Ok("a=1999 b=1")),
            ("a=0.5,b=.5", Err("not a number")),
            ("a=100, b=0", Ok("a=1 b=0")),
            ("a=1.50, b=1.5", Ok("a=1 b=1")),
            ("a=1, b=1, c=1,", Ok("a=1 b=1 c=1")),
            ("a=0, b=0", Err("all weights are 0")),
            ("a=50, a=50", Err("twice")),
            ("a=-1, b=2", Err("no sign")),
            ("a=90%, b=10%", Err("no '%'")),
            ("a=99.999, b=0.001", Err("100000 requests")),
            ("a=12345678", Err("not a number")),
            ("a", Err("VERSION=WEIGHT")),
            ("=1", Err("name of a version")),
            ("a b=1", Err("name of a version")),
            ("", Err("empty")),
        ];
        for (text, expected) in cases {
            check(text, expected);
        }
    }
}

//! `canary` and `canary-*`: what makes an Ingress a canary of another.

use super::Reader;
use super::rollout::{self, Asked};
use super::values::{cookie_name, flag, header_name, header_value, number, one_of};
use crate::pattern;
use crate::problem::{Refused, Spot};

/// What ingress-nginx divides by unless told, and at least.
const TOTAL_MIN: u64 = 100;

/// The largest total taken (the Gateway API's largest weight).
const TOTAL_MAX: u64 = 1_000_000;

const OPTIONS: &[&str] = &[
    "canary-weight",
    "canary-weight-total",
    "canary-by-header",
    "canary-by-header-value",
    "canary-by-header-pattern",
    "canary-by-cookie",
];

/// Which requests of a header force a version.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum HeaderRule {
    /// This value: the canary. `always` and `never` mean nothing.
    Value(String),
    /// A value in which this is found: the canary. `always` and `never` mean nothing.
    Pattern(String),
    /// `always`: the canary; `never`: the main.
    Words,
}

/// What a canary asks for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CanarySettings {
    /// At most `total`.
    pub(crate) weight: u64,
    pub(crate) total: u64,
    pub(crate) header: Option<(String, HeaderRule)>,
    pub(crate) cookie: Option<String>,
    /// Whether users of a main with session affinity stay on the version they were given.
    pub(crate) sticky: bool,
    /// Where a weight that does not fit is reported.
    pub(crate) weight_spot: Spot,
    /// Who moves the weight, if not a person.
    pub(crate) rollout: Option<Asked>,
}

/// `None` for an ordinary Ingress. Anything that says `canary-...` without saying whether it is one is refused:
/// as an ordinary Ingress it would take all requests of its path.
pub(crate) fn read(reader: &mut Reader<'_>) -> Option<CanarySettings> {
    let options: Vec<_> = OPTIONS.iter().filter(|option| reader.has(option)).collect();
    match (reader.strict("canary", flag), options.first()) {
        (Some(given), _) if given.value => Some(settings(reader)),
        (Some(_), Some(option)) => {
            reader.warn(
                option,
                "has no effect: canary is \"false\", so this is an ordinary Ingress",
            );
            None
        }
        (None, Some(option)) if !reader.has("canary") => {
            reader.refuse(
                option,
                "needs canary: \"true\" beside it; without, this would be an ordinary Ingress",
            );
            None
        }
        _ => None,
    }
}

fn settings(reader: &mut Reader<'_>) -> CanarySettings {
    let total = reader.strict("canary-weight-total", |text| number(text, 0, TOTAL_MAX));
    let total = total.map_or(TOTAL_MIN, |given| given.value.max(TOTAL_MIN));
    let weight = reader.strict("canary-weight", |text| number(text, 0, total));
    let sticky = reader.shared("affinity-canary-behavior", behavior);
    CanarySettings {
        weight: weight.map_or(0, |given| given.value),
        total,
        header: header(reader),
        cookie: reader.shared("canary-by-cookie", cookie_name),
        sticky: sticky.unwrap_or(true),
        weight_spot: reader.spot("canary-weight"),
        rollout: rollout::read(reader),
    }
}

fn header(reader: &mut Reader<'_>) -> Option<(String, HeaderRule)> {
    let value = reader.shared("canary-by-header-value", header_value);
    let pattern = reader.shared("canary-by-header-pattern", pattern::search);
    let name = reader.shared("canary-by-header", canary_header);
    if value.is_some() && pattern.is_some() {
        reader.warn(
            "canary-by-header-pattern",
            "has no effect beside canary-by-header-value",
        );
    }
    if !reader.has("canary-by-header") && (value.is_some() || pattern.is_some()) {
        let option = if value.is_some() {
            "canary-by-header-value"
        } else {
            "canary-by-header-pattern"
        };
        reader.refuse(
            option,
            "needs canary-by-header beside it, which names the header",
        );
    }
    let rule = match (value, pattern) {
        (Some(value), _) => HeaderRule::Value(value),
        (None, Some(pattern)) => HeaderRule::Pattern(pattern),
        (None, None) => HeaderRule::Words,
    };
    name.map(|name| (name, rule))
}

/// `_` and `-` are the same there, and requests whose header names hold `_` are not passed on here.
fn canary_header(text: &str) -> Result<String, Refused> {
    header_name(&text.replace('_', "-"))
}

fn behavior(text: &str) -> Result<bool, Refused> {
    one_of(text, &[("sticky", true), ("legacy", false)])
}

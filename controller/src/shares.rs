//! Which share each version gets.

use crate::annotations::split::{Shares, SplitSettings};
use crate::annotations::weights::{gcd, reduce};
use crate::problem::{Problem, Refused};
use crate::versions::Group;
use haldane_routing::schedule::{PERIOD_MAX, VERSIONS_MAX};
use haldane_routing::spec::EndpointSpec;
use std::rc::Rc;

/// A version with its share.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Part {
    pub(crate) name: String,
    pub(crate) weight: u64,
    pub(crate) endpoints: Rc<[EndpointSpec]>,
}

/// The versions of one Service, the stable one first. At least one, and at least one weight is not 0.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Parts {
    pub(crate) parts: Vec<Part>,
    /// Whether the weights follow from the number of endpoints; then nobody minds if they are rounded.
    pub(crate) by_endpoints: bool,
}

/// A version that is only for testing must not get the share that its endpoints would have.
pub(crate) fn preview_alone(settings: &SplitSettings) -> Option<Problem> {
    let preview = settings
        .preview
        .as_ref()
        .filter(|_| settings.shares.is_none())?;
    let message = "needs active (or weights) beside it: otherwise this version would get its share; requests get 503";
    Some(preview.spot.error(message))
}

/// Shares the requests of one Service out. `service` names the version where nothing else does.
pub(crate) fn shares(
    groups: Vec<Group>,
    service: &str,
    settings: &SplitSettings,
) -> Result<Parts, Refused> {
    let groups = with_named(groups, service, settings);
    if groups.len() > VERSIONS_MAX {
        let message = "versions are in its pods' labels, at most";
        return Refused::because(format!(
            "{} {message} {VERSIONS_MAX} are possible: set version-label",
            groups.len()
        ));
    }
    let weights = match &settings.shares {
        Some(given) => asked(&groups, &given.value),
        None => by_endpoints(&groups),
    };
    let part = |(group, weight): (Group, u64)| Part {
        name: group.name,
        weight,
        endpoints: group.endpoints,
    };
    Ok(Parts {
        parts: groups.into_iter().zip(weights).map(part).collect(),
        by_endpoints: settings.shares.is_none(),
    })
}

/// The versions that are asked for by name first, in the order written, whether a pod carries them or not.
fn with_named(mut groups: Vec<Group>, service: &str, settings: &SplitSettings) -> Vec<Group> {
    let mut ordered: Vec<Group> = Vec::new();
    for (name, _) in settings.named() {
        if ordered.iter().any(|group| group.name == name) {
            continue;
        }
        match groups.iter().position(|group| group.name == name) {
            Some(index) => ordered.push(groups.remove(index)),
            None => ordered.push(Group::empty(name)),
        }
    }
    ordered.append(&mut groups);
    // Without shares none is first by intent; but a version without endpoints is not the stable one.
    if settings.shares.is_none() {
        ordered.sort_by(|a, b| {
            (a.endpoints.is_empty(), &a.name).cmp(&(b.endpoints.is_empty(), &b.name))
        });
    }
    if ordered.is_empty() {
        ordered.push(Group::empty(service));
    }
    ordered
}

/// One warning for each version that somebody asks for and no pod carries.
pub(crate) fn warn_missing(
    groups: &[Group],
    settings: &SplitSettings,
    problems: &mut Vec<Problem>,
) {
    for (name, spot) in settings.named() {
        if !groups.iter().any(|group| group.name == name) {
            let known: Vec<_> = groups.iter().map(|group| group.name.as_str()).collect();
            let known = if known.is_empty() {
                "none".to_owned()
            } else {
                known.join(", ")
            };
            let message = format!("no endpoint is of version {name:?}; there are: {known}");
            problems.push(spot.warning(message));
        }
    }
}

fn asked(groups: &[Group], shares: &Shares) -> Vec<u64> {
    let weight = |name: &str| match shares {
        Shares::Weights(weights) => weights
            .iter()
            .find(|(known, _)| known == name)
            .map_or(0, |(_, weight)| *weight),
        Shares::Active(active) => u64::from(active == name),
    };
    groups.iter().map(|group| weight(&group.name)).collect()
}

/// What a Service does by itself: every endpoint gets the same, so a version gets as much as it has endpoints.
fn by_endpoints(groups: &[Group]) -> Vec<u64> {
    let count = |last_resort| {
        groups
            .iter()
            .map(|group| group.serving(last_resort))
            .collect::<Vec<_>>()
    };
    let found = [count(false), count(true)]
        .into_iter()
        .find(|counts| counts.iter().sum::<u64>() > 0);
    rounded(&found.unwrap_or_else(|| vec![1; groups.len()]), PERIOD_MAX)
}

/// Makes the sum at most `sum_max` (which is more than there are weights), keeping what is not 0 above 0.
pub(crate) fn rounded(weights: &[u64], sum_max: u64) -> Vec<u64> {
    let divisor = weights.iter().copied().fold(0, gcd).max(1);
    let sum = weights.iter().sum::<u64>() / divisor;
    let room = sum_max.saturating_sub(weights.len() as u64).max(1);
    let round = |weight: u64| match weight / divisor {
        reduced if sum <= sum_max => reduced,
        0 => 0,
        reduced => (reduced * room / sum).max(1),
    };
    weights.iter().map(|weight| round(*weight)).collect()
}

/// The smallest whole numbers in the same proportion, if a period can hold them.
pub(crate) fn reduce_parts(parts: &mut [Part]) -> Result<(), Refused> {
    let weights: Vec<_> = parts.iter().map(|part| part.weight).collect();
    for (part, weight) in parts.iter_mut().zip(reduce(&weights)?) {
        part.weight = weight;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_keeps_the_sum_in_bounds_and_nothing_vanishes() {
        let cases: [(&[u64], u64, &[u64]); 6] = [
            (&[3, 4], 10_000, &[3, 4]),
            (&[6, 8], 10_000, &[3, 4]),
            (&[0, 5], 10, &[0, 1]),
            (&[99_999, 1], 10_000, &[9997, 1]),
            (&[1, 2, 0], 10, &[1, 2, 0]),
            (&[7, 13], 10, &[2, 5]),
        ];
        for (weights, sum_max, expected) in cases {
            let seen = rounded(weights, sum_max);
            assert_eq!(seen, expected, "{weights:?}");
            assert!(seen.iter().sum::<u64>() <= sum_max, "{weights:?}");
        }
    }
}

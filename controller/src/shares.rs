//! Which share each version gets.

use crate::annotations::split::{Shares, SplitSettings};
use crate::annotations::weights::{gcd, reduce};
use crate::decided::Shares as Decided;
use crate::problem::{Problem, Refused};
use crate::service::Resolved;
use crate::versions::Group;
use haldane_rollout::Stratum;
use haldane_routing::schedule::{PERIOD_MAX, VERSIONS_MAX};
use haldane_routing::spec::{EndpointSpec, OnEmpty};
use std::cmp::Reverse;
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
    let groups = within_bounds(with_named(groups, service, settings))?;
    let weights = match &settings.shares {
        Some(given) => asked(&groups, &given.value),
        None => by_endpoints(&groups),
    };
    Ok(Parts {
        by_endpoints: settings.shares.is_none(),
        ..with_weights(groups, weights)
    })
}

fn within_bounds(groups: Vec<Group>) -> Result<Vec<Group>, Refused> {
    if groups.len() > VERSIONS_MAX {
        let message = "versions are in its pods' labels, at most";
        return Refused::because(format!(
            "{} {message} {VERSIONS_MAX} are possible: set version-label",
            groups.len()
        ));
    }
    Ok(groups)
}

fn with_weights(groups: Vec<Group>, weights: Vec<u64>) -> Parts {
    let part = |(group, weight): (Group, u64)| Part {
        name: group.name,
        weight,
        endpoints: group.endpoints,
    };
    Parts {
        parts: groups.into_iter().zip(weights).map(part).collect(),
        by_endpoints: false,
    }
}

/// The versions of a Service with the shares that were decided, the stable one first. Before anything was decided, one of
/// those that are there has all.
pub(crate) fn decided(main: &Resolved, decided: Option<&Decided>) -> Result<Parts, Refused> {
    let settings = &main.split;
    let mut groups = within_bounds(with_named(main.groups.clone(), &main.service, settings))?;
    let stable = match decided {
        Some(decided) => decided.stable.clone(),
        None => first(&groups, settings),
    };
    let canary = decided.and_then(|decided| decided.canary.clone());
    for name in canary.iter().chain([&stable]) {
        to_front(&mut groups, name);
    }
    let share = decided.map_or(Stratum::NONE, |decided| decided.share);
    let weight = |name: &str| match name {
        _ if *name == stable => u64::from(share.period() - share.weight()),
        _ if Some(name) == canary.as_deref() => u64::from(share.weight()),
        _ => 0,
    };
    let decided_weights: Vec<_> = groups.iter().map(|group| weight(&group.name)).collect();
    let stranded = stranded(&groups, settings, &decided_weights, decided);
    Ok(with_weights(groups, stranded.unwrap_or(decided_weights)))
}

/// Who has all before anything was decided: the largest of the weights that are written, else the version with the most
/// ready pods, of several the one whose youngest pod is the oldest.
fn first(groups: &[Group], settings: &SplitSettings) -> String {
    let written = settings
        .shares
        .as_ref()
        .map(|given| asked(groups, &given.value));
    let place = |index: usize, group: &Group| {
        let weight = written.as_ref().map_or(0, |weights| weights[index]);
        let age = Reverse(group.ready.born);
        (
            weight,
            group.ready.pods,
            group.serving(true),
            age,
            Reverse(index),
        )
    };
    let all = groups.iter().enumerate();
    let first = all.max_by_key(|(index, group)| place(*index, group));
    first
        .map(|(_, group)| group.name.clone())
        .unwrap_or_default()
}

fn to_front(groups: &mut Vec<Group>, name: &str) {
    let place = groups.iter().position(|group| group.name == name);
    let group = place.map_or_else(|| Group::empty(name), |place| groups.remove(place));
    groups.insert(0, group);
}

/// Where nothing that has a share has an endpoint, another version is better than no answer: the one that is released, or else
/// the one with most of them, but none that was aborted. It gets everything, so that nobody compares. `on-empty: hold` asks for no answer.
fn stranded(
    groups: &[Group],
    settings: &SplitSettings,
    weights: &[u64],
    decided: Option<&Decided>,
) -> Option<Vec<u64>> {
    let mut shared = groups
        .iter()
        .zip(weights)
        .filter(|(_, weight)| **weight > 0);
    let is_empty = shared.all(|(group, _)| group.endpoints.is_empty());
    if !is_empty || settings.on_empty == Some(OnEmpty::Hold) {
        return None;
    }
    let there = groups.iter().filter(|group| !group.endpoints.is_empty());
    let aborted =
        |group: &Group| decided.is_some_and(|decided| decided.aborted.contains(&group.name));
    let released = |group: &Group| {
        decided.is_some_and(|decided| decided.canary.as_deref() == Some(&group.name))
    };
    let others = there.filter(|group| !aborted(group));
    let next = others.max_by_key(|group| {
        let serving = (group.serving(false), group.serving(true));
        (released(group), serving)
    })?;
    let weight = |group: &Group| u64::from(group.name == next.name);
    Some(groups.iter().map(weight).collect())
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
    use haldane_routing::spec::{Address, EndpointState};

    #[test]
    fn where_nothing_that_has_a_share_is_there_another_that_was_not_aborted_has_all() {
        let endpoint = |port| EndpointSpec {
            address: Address::Socket(([10, 0, 0, 1], port).into()),
            state: EndpointState::Ready,
        };
        let group = |name: &str, endpoints: u16| Group {
            endpoints: (0..endpoints).map(endpoint).collect(),
            ..Group::empty(name)
        };
        // endpoints of stable, of 2, 3 and 4; which was released last, which were aborted; who has all
        let cases = [
            ([1, 1, 1, 1], "4", vec!["2"], None),
            ([0, 2, 3, 1], "4", vec![], Some("4")),
            ([0, 2, 3, 0], "4", vec![], Some("3")),
            ([0, 2, 3, 1], "4", vec!["4"], Some("3")),
            ([0, 2, 3, 1], "4", vec!["3", "4"], Some("2")),
            ([0, 2, 0, 0], "4", vec!["2", "3"], None),
        ];
        for (there, canary, aborted, expected) in cases {
            let groups: Vec<_> = ["1", "2", "3", "4"]
                .into_iter()
                .zip(there)
                .map(|(name, endpoints)| group(name, endpoints))
                .collect();
            let decided = Decided {
                label: None,
                stable: "1".to_owned(),
                canary: Some(canary.to_owned()),
                share: Stratum::NONE,
                aborted: aborted.iter().map(ToString::to_string).collect(),
            };
            let settings = SplitSettings::default();
            let weights = stranded(&groups, &settings, &[1, 0, 0, 0], Some(&decided));
            let has_all = weights.and_then(|weights| weights.iter().position(|weight| *weight > 0));
            let has_all = has_all.map(|place| groups[place].name.as_str());
            assert_eq!(has_all, expected, "{there:?} {aborted:?}");
        }
    }

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

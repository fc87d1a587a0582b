//! The shares of a rule: one schedule over all versions, and one over those that have endpoints.

use super::{Forward, Resolver};
use crate::fault::{FaultReason, Faults};
use crate::forward::line::Line;
use crate::schedule::{Schedule, VersionIndex};
use crate::spec::VersionSpec;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

/// Who gets how much.
#[derive(Clone, Debug)]
pub(super) struct Split {
    /// By the weights as written.
    pub(super) all: Arc<Shares>,
    /// By the same weights, but 0 for versions that others stand in for; `None` where nobody is left.
    pub(super) live: Option<Arc<Shares>>,
}

/// Weights, with the schedule and the line that follow from them.
#[derive(Debug)]
pub(super) struct Shares {
    names: Box<[Box<str>]>,
    pub(super) weights: Box<[u64]>,
    pub(super) schedule: Schedule,
    pub(super) line: Line,
}

impl Split {
    pub(super) fn parse(
        specs: &[VersionSpec],
        resolver: &Resolver<'_>,
        before: Option<&Forward>,
        faults: &mut Faults,
    ) -> Option<Self> {
        let seed = seed(resolver);
        let kept = |shares: &Arc<Shares>, weights: &[u64]| {
            shares.is_of(specs, weights).then(|| shares.clone())
        };
        let weights: Vec<u64> = specs.iter().map(|spec| spec.weight).collect();
        let old = before.and_then(|before| kept(&before.own.split.all, &weights));
        let all = match old {
            Some(all) => all,
            None => Arc::new(faults.note(Shares::new(specs, &weights, seed))?),
        };
        let any_ready = any_ready(specs, resolver);
        let stands = |spec: &VersionSpec| {
            if any_ready {
                resolver.is_ready(&spec.backend)
            } else {
                resolver.is_live(&spec.backend)
            }
        };
        if specs.iter().all(stands) {
            return Some(Self {
                live: Some(all.clone()),
                all,
            });
        }
        // Never the shares of all, also where only versions of weight 0 are empty: who stands in for a forced version
        // must not take a ticket of the split.
        let weight = |spec: &VersionSpec| if stands(spec) { spec.weight } else { 0 };
        let live: Vec<u64> = specs.iter().map(weight).collect();
        let apart = |split: &'_ Self| split.live.clone().filter(|l| !Arc::ptr_eq(l, &split.all));
        let old = before.and_then(|before| kept(&apart(&before.own.split)?, &live));
        // With all weights zero, nobody is left; no other error is possible, as fewer versions have no longer a period.
        let live = old.or_else(|| Shares::new(specs, &live, !seed).ok().map(Arc::new));
        Some(Self { all, live })
    }
}

/// The one version that has a weight, if no other has.
pub(super) fn only(specs: &[VersionSpec]) -> Option<VersionIndex> {
    let mut weighty = (0..specs.len()).filter(|at| specs[*at].weight > 0);
    let first = weighty.next().and_then(VersionIndex::new);
    first.filter(|_| weighty.next().is_none())
}

/// Whether a version with a weight has a ready endpoint.
pub(super) fn any_ready(specs: &[VersionSpec], resolver: &Resolver<'_>) -> bool {
    let mut shared = specs.iter().filter(|spec| spec.weight > 0);
    shared.any(|spec| resolver.is_ready(&spec.backend))
}

/// Every rule draws its own schedule: rules with equal weights must not move in step.
fn seed(resolver: &Resolver<'_>) -> u64 {
    let mut hasher = DefaultHasher::new();
    (resolver.seed, resolver.rule).hash(&mut hasher);
    hasher.finish()
}

impl Shares {
    fn new(specs: &[VersionSpec], weights: &[u64], seed: u64) -> Result<Self, FaultReason> {
        let schedule = Schedule::new(weights, seed).map_err(FaultReason::Weights)?;
        Ok(Self {
            names: specs.iter().map(|spec| spec.name.as_str().into()).collect(),
            weights: weights.into(),
            schedule,
            line: Line::new(weights),
        })
    }

    fn is_of(&self, specs: &[VersionSpec], weights: &[u64]) -> bool {
        let names = specs.iter().map(|spec| spec.name.as_str());
        *self.weights == *weights && self.names.iter().map(|name| &**name).eq(names)
    }
}

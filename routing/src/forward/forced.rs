//! Forced routing: requests that must go to one version, whatever the shares.

use crate::condition::{Condition, all_hold};
use crate::fault::{FaultReason, Faults};
use crate::request::RequestView;
use crate::schedule::VersionIndex;
use crate::spec::{ConditionSpec, ForcedSpec, VersionSpec};

/// The most entries of one rule: each is held against every request in turn.
const FORCED_MAX: usize = 128;

/// The most alternatives of one entry.
const ALTERNATIVES_MAX: usize = 128;

/// One version and the requests that must go to it.
#[derive(Debug)]
pub(super) struct Forced {
    pub(super) version: VersionIndex,
    any_of: Box<[Box<[Condition]>]>,
}

impl Forced {
    pub(super) fn parse_all(
        specs: &[ForcedSpec],
        versions: &[VersionSpec],
        faults: &mut Faults,
    ) -> Option<Box<[Self]>> {
        let forced = faults.each("forced", specs, FORCED_MAX, |spec, faults| {
            let version = faults.check("version", find(&spec.version, versions));
            let any_of = faults.within("any_of", |faults| some(&spec.any_of, faults));
            let any_of = any_of.and_then(|()| {
                faults.each("any_of", &spec.any_of, ALTERNATIVES_MAX, |all, faults| {
                    alternative(all, faults)
                })
            });
            Some(Self {
                version: version?,
                any_of: any_of?.into(),
            })
        });
        forced.map(Vec::into_boxed_slice)
    }

    /// The first alternative that holds.
    pub(super) fn holding(&self, request: &RequestView<'_>) -> Option<&[Condition]> {
        let mut alternatives = self.any_of.iter().map(|all| &**all);
        alternatives.find(|all| all_hold(all, request))
    }

    pub(super) fn conditions(&self) -> impl Iterator<Item = &Condition> {
        self.any_of.iter().flatten()
    }
}

fn find(name: &str, versions: &[VersionSpec]) -> Result<VersionIndex, FaultReason> {
    let at = versions.iter().position(|version| version.name == name);
    let version = at.and_then(VersionIndex::new);
    version.ok_or_else(|| FaultReason::UnknownVersion(name.to_owned()))
}

/// No condition at all would hold always, and force everybody; a weight says that better.
fn alternative(conditions: &[ConditionSpec], faults: &mut Faults) -> Option<Box<[Condition]>> {
    some(conditions, faults)?;
    Condition::parse_all("", conditions, faults)
}

fn some<T>(items: &[T], faults: &mut Faults) -> Option<()> {
    if items.is_empty() {
        faults.add(FaultReason::Nothing);
        return None;
    }
    Some(())
}

//! Where a request goes once more, by a table that may have come after the one its version was chosen by.
//!
//! A second attempt takes no ticket, neither of the split nor of those that stand in for an empty version.

use super::{By, Forward};
use crate::schedule::VersionIndex;
use crate::spec::OnEmpty;

impl Forward {
    /// Where a request goes once more that was on its way to the version of this name.
    ///
    /// It stays with its version as long as that stands, as at the first choice, and takes such requests: one whose
    /// weight went to 0 takes only forced ones. Otherwise another takes its place, drawn by `random` (uniform over all `u32`) in proportion to
    /// the weights. `None` where there is no other, or the version has no endpoint and [`OnEmpty::Hold`] is set.
    #[must_use]
    pub fn again(&self, version: &str, by: By, random: u32) -> Option<VersionIndex> {
        let at = self.versions().iter().position(|v| v.name() == version);
        let at = at.and_then(VersionIndex::new).filter(|at| self.stands(*at));
        match at {
            Some(at) if by == By::Match || self.versions()[at.index()].weight() > 0 => Some(at),
            None if self.on_empty() == OnEmpty::Hold => None,
            Some(_) | None => Some(self.own.split.live.as_ref()?.line.owner(random)),
        }
    }
}

//! The choice of a version for one request: forced, sticky, split, and what to do when the version has no endpoint.
//!
//! Only a split takes a ticket. A choice is made once for a request: retries stay with it.

use super::{Forward, Sticky, TicketKey, ticket};
use crate::condition::Condition;
use crate::request::RequestView;
use crate::schedule::VersionIndex;
use crate::spec::OnEmpty;
use serde::Serialize;

/// What decided about the version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// Forced routing.
    Match,
    /// A user's ticket or header.
    Sticky,
    /// The shares.
    Split,
    /// The version that was due has no endpoint, and another took its place.
    Failover,
}

impl By {
    /// As metrics and logs have it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Match => "match",
            Self::Sticky => "sticky",
            Self::Split => "split",
            Self::Failover => "failover",
        }
    }
}

/// Where a request goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The version that serves it; it has endpoints.
    pub version: VersionIndex,
    /// What decided.
    pub by: By,
    /// The version that was due, and is charged; another than `version` only with [`By::Failover`].
    pub drawn: VersionIndex,
    /// The value of a new sticky cookie, to be set on the response.
    pub set_ticket: Option<String>,
}

/// The version that was due has no endpoint, and no other may take its place: 503.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Empty {
    /// The version that was due, and is charged.
    pub drawn: VersionIndex,
    /// What decided on it.
    pub by: By,
}

/// What a request calls for, before anything is drawn or looked for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Call<'a> {
    /// This version, as these conditions hold.
    Forced(VersionIndex, &'a [Condition]),
    /// The version that the user's position belongs to.
    Sticky(VersionIndex),
    /// Whoever's turn it is.
    Split,
}

impl Forward {
    /// Chooses the version: forced routing, then a sticky user's position, then the split, which takes a ticket.
    ///
    /// `random` is uniform over all `u64`; it is called only when a sticky cookie is issued.
    ///
    /// # Errors
    ///
    /// The version has no endpoint, and [`OnEmpty::Hold`] is set or no other version with weight has one.
    pub fn choose(
        &self,
        request: &RequestView<'_>,
        key: &TicketKey,
        random: impl FnOnce() -> u64,
    ) -> Result<Choice, Empty> {
        match self.call(request, key) {
            Call::Forced(version, _) => self.served(version, By::Match),
            Call::Sticky(version) => self.served(version, By::Sticky),
            Call::Split => {
                let version = self.next();
                let mut choice = self.served(version, By::Split)?;
                choice.set_ticket = self.ticket(version, key, random);
                Ok(choice)
            }
        }
    }

    /// What the request calls for. Takes no ticket.
    pub(crate) fn call<'a>(&'a self, request: &RequestView<'_>, key: &TicketKey) -> Call<'a> {
        for forced in &self.options().forced {
            if let Some(conditions) = forced.holding(request) {
                return Call::Forced(forced.version, conditions);
            }
        }
        match self.position(request, key) {
            Some(position) => Call::Sticky(self.own.split.all.line.owner(position)),
            None => Call::Split,
        }
    }

    /// The version that the next request goes to.
    fn next(&self) -> VersionIndex {
        let drawn = || self.own.split.all.schedule.next().1;
        self.common.only.unwrap_or_else(drawn)
    }

    fn position(&self, request: &RequestView<'_>, key: &TicketKey) -> Option<u32> {
        let scope = &self.own.scope;
        match self.sticky()? {
            Sticky::Cookie(name) => key.verify(scope, request.cookie(name)?),
            Sticky::Header(name) => Some(ticket::position_of(scope, &request.header(name)?)),
        }
    }

    /// A ticket for a new user: the version was drawn exactly, the place inside its region is random.
    fn ticket(
        &self,
        version: VersionIndex,
        key: &TicketKey,
        random: impl FnOnce() -> u64,
    ) -> Option<String> {
        let Some(Sticky::Cookie(_)) = self.sticky() else {
            return None;
        };
        let position = self.own.split.all.line.point_of(version, random())?;
        Some(key.issue(&self.own.scope, position))
    }

    /// The version itself or, where it has no endpoint, whoever takes its place.
    fn served(&self, drawn: VersionIndex, by: By) -> Result<Choice, Empty> {
        let choice = |version, by| Choice {
            version,
            by,
            drawn,
            set_ticket: None,
        };
        if self.stands(drawn) {
            return Ok(choice(drawn, by));
        }
        match (self.on_empty(), &self.own.split.live) {
            (OnEmpty::Failover, Some(live)) => Ok(choice(live.schedule.next().1, By::Failover)),
            (OnEmpty::Failover, None) | (OnEmpty::Hold, _) => Err(Empty { drawn, by }),
        }
    }

    /// Whether a version gets its requests itself. On failover one whose endpoints all terminate does not, as long as
    /// another version with a share has a ready one.
    pub(crate) fn stands(&self, version: VersionIndex) -> bool {
        let version = &self.versions()[version.index()];
        match self.on_empty() {
            OnEmpty::Failover if self.common.any_ready => version.is_ready(),
            OnEmpty::Failover | OnEmpty::Hold => !version.endpoints().is_empty(),
        }
    }

    /// The weights that stand in for an empty version: those of the versions with endpoints; `None` on hold, or where
    /// there are none.
    pub(crate) fn failover_weights(&self) -> Option<&[u64]> {
        match self.on_empty() {
            OnEmpty::Failover => self.own.split.live.as_ref().map(|live| &*live.weights),
            OnEmpty::Hold => None,
        }
    }
}

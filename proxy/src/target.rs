//! Where the attempts of a request go: its version, and another once the table in force has that no more.
//!
//! The first attempt goes by the snapshot that the request was routed by. Each further one looks at the snapshot in
//! force, for an acknowledged table must not be answered by what an older one said. It takes no ticket.

use crate::answer::Routed;
use crate::local_rule::LocalRule;
use crate::snapshot::{LiveBackend, Local, Unsent};
use crate::worker::Worker;
use haldane_routing::{BackendIndex, By, Choice, Forward, RuleIndex, VersionIndex};
use std::rc::Rc;

/// A version, as one snapshot has it.
pub(crate) struct Target {
    local: Rc<Local>,
    rule: RuleIndex,
    version: VersionIndex,
    backend: BackendIndex,
}

/// What following the table in force came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Followed {
    Stayed,
    /// Another version has taken the place.
    Moved,
    /// Nobody takes the request any more.
    Nowhere,
}

impl Target {
    pub(crate) fn of(routed: &Routed, forward: &Forward, choice: &Choice) -> Self {
        Self {
            local: routed.local.clone(),
            rule: routed.index(),
            version: choice.version,
            backend: forward.versions()[choice.version.index()].backend(),
        }
    }

    /// The version's endpoints.
    pub(crate) fn backend(&self) -> &LiveBackend {
        &self.local.snapshot.backends[self.backend.index()]
    }

    /// The next attempt is not on the wire yet, until the guard is dropped.
    pub(crate) fn unsent(&self) -> Unsent {
        self.local.unsent()
    }

    /// Looks at the table in force.
    pub(crate) fn follow(&mut self, worker: &Worker, by: By) -> Followed {
        let local = worker.current();
        if Rc::ptr_eq(&local, &self.local) {
            return Followed::Stayed;
        }
        let random = rand::RngExt::random(&mut *worker.rng.borrow_mut());
        let Some(next) = self.next(local, worker, by, random) else {
            return Followed::Nowhere;
        };
        let stayed = next.name() == self.name();
        *self = next;
        if stayed {
            Followed::Stayed
        } else {
            Followed::Moved
        }
    }

    /// The place of the same request in another table.
    fn next(&self, local: Rc<Local>, worker: &Worker, by: By, random: u32) -> Option<Self> {
        let index = local.snapshot.table.index_of(self.rule().rule().id())?;
        let forward = local.rule(index, worker).forward()?;
        let version = forward.again(self.name()?, by, random)?;
        Some(Self {
            backend: forward.versions()[version.index()].backend(),
            version,
            local,
            rule: index,
        })
    }

    fn rule(&self) -> &LocalRule {
        self.local.kept(self.rule)
    }

    fn name(&self) -> Option<&str> {
        let version = &self.rule().forward()?.versions()[self.version.index()];
        Some(version.name())
    }
}

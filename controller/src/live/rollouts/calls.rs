//! What rollouts say to others: decisions to hooks that are told, and the question before a step to those that are asked.

use super::told::Told;
use crate::live::hooks::{Found, Hooked, Hooks};
use crate::live::name::ObjectName;
use crate::rollouts::turn::Rollout;
use crate::webhooks::{Answer, Gates, Notice, Regarding, Webhooks};
use jiff::Timestamp;
use std::collections::HashSet;
use std::time::Instant;

/// What a gate is asked about.
const STEP_DUE: &str = "StepDue";

/// The hooks of all rollouts.
pub(crate) struct Calls {
    webhooks: Webhooks,
    gates: Gates,
}

/// A rollout, as far as others are told of it.
pub(crate) struct Subject<'s> {
    pub(crate) object: &'s ObjectName,
    pub(crate) service: &'s str,
    pub(crate) rollout: &'s Rollout,
}

impl Calls {
    pub(crate) fn new(webhooks: Webhooks) -> Self {
        let gates = Gates::new(webhooks.clone());
        Self { webhooks, gates }
    }

    /// Why the canary may not get what it has in `subject`, as far as its gate goes.
    pub(crate) fn obstacle(
        &mut self,
        hooks: &Hooks,
        subject: &Subject<'_>,
        why: &str,
        now: Timestamp,
    ) -> Option<String> {
        let gate = hooks.get(subject.object)?.gate.as_ref()?;
        let hook = match &gate.hook {
            Ok(hook) => hook,
            Err(fault) => return Some(format!("its {} is at fault: {fault}", gate.name)),
        };
        let notice = subject.notice(STEP_DUE, why, now);
        match self.gates.look(hook, &notice, Instant::now()) {
            Answer::Open => None,
            answer => Some(answer.to_string()),
        }
    }

    /// Tells what happened, if the object names a hook for it.
    pub(crate) fn tell(&self, hooks: &Hooks, subject: &Subject<'_>, told: &Told) {
        let notify = |hooked: &Hooked| hooked.notify.clone();
        let Some(Found { name, hook }) = hooks.get(subject.object).and_then(notify) else {
            return;
        };
        let event = told.notice.what.as_str();
        match hook {
            Ok(hook) => {
                let notice = subject.notice(event, &told.notice.note, told.at);
                self.webhooks.tell(&name, hook, notice);
            }
            Err(fault) => {
                tracing::warn!(hook = %name, event, error = %fault, "a webhook was not told");
            }
        }
    }

    /// Forgets what gates said of others than these.
    pub(crate) fn retain<'o>(&mut self, there: impl Iterator<Item = &'o ObjectName>) {
        let there: HashSet<_> = there.map(regarding).collect();
        self.gates.retain(|object| there.contains(object));
    }
}

impl Subject<'_> {
    fn notice(&self, event: &str, reason: &str, at: Timestamp) -> Notice {
        let shares = self.rollout.saved.shares();
        Notice {
            event: event.to_owned(),
            object: regarding(self.object),
            service: self.service.to_owned(),
            stable: shares.stable,
            canary: shares.canary.unwrap_or_default(),
            weight: shares.share.to_string(),
            reason: reason.to_owned(),
            at,
        }
    }
}

fn regarding(object: &ObjectName) -> Regarding {
    Regarding {
        kind: object.kind.as_str().to_owned(),
        namespace: object.namespace.clone(),
        name: object.name.clone(),
    }
}

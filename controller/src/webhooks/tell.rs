//! Telling: a short queue for each hook, in order, and another try for what may pass.

use super::call::{CallFault, Caller, Patience};
use super::hook::{Hook, HookName};
use super::notice::Notice;
use prometheus::{IntCounterVec, Opts, Registry};
use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::sleep;

/// How many notices wait for one hook: two whole ladders. What is beyond is dropped and counted; Events have it all.
const WAITING_MAX: usize = 32;
/// How many hooks have notices waiting; more namespaces than this do not release at one time.
const HOOKS_MAX: usize = 1000;
/// How often a notice is tried: over the last pause a receiver that restarts is back.
const TRIES_MAX: u32 = 5;
/// What calls are for, and what can come of them.
const OUTCOMES: [(&str, &str); 5] = [
    ("notice", "done"),
    ("notice", "failed"),
    ("notice", "dropped"),
    ("gate", "open"),
    ("gate", "closed"),
];

/// How calls went, by what they were for and what came of them.
#[derive(Clone, Debug)]
pub struct Counts(IntCounterVec);

impl Counts {
    /// Registers them, each at 0: to Prometheus a counter that appears with its first failure did not grow, and an alert
    /// would miss that one.
    ///
    /// # Errors
    /// When they are registered already.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let about = "Calls of webhooks: notices and gates, by what came of them";
        let opts = Opts::new("webhooks_total", about);
        let counts = IntCounterVec::new(opts, &["what", "result"])?;
        registry.register(Box::new(counts.clone()))?;
        for (what, result) in OUTCOMES {
            counts.with_label_values(&[what, result]).inc_by(0);
        }
        Ok(Self(counts))
    }

    fn count(&self, what: &str, result: &str) {
        self.0.with_label_values(&[what, result]).inc();
    }
}

/// Tells hooks what happened. Clones share their queues.
#[derive(Clone, Debug)]
pub struct Webhooks {
    caller: Arc<Caller>,
    counts: Counts,
    queues: Arc<Mutex<HashMap<HookName, VecDeque<Delivery>>>>,
}

#[derive(Debug)]
struct Delivery {
    hook: Hook,
    notice: Notice,
}

impl Webhooks {
    /// Tells by `caller`.
    pub fn new(caller: Caller, counts: Counts) -> Self {
        Self {
            caller: Arc::new(caller),
            counts,
            queues: Arc::default(),
        }
    }

    /// Tells `notice` after everything that this hook was to be told before. Never waits; must be called on a runtime.
    pub fn tell(&self, name: &HookName, hook: Hook, notice: Notice) {
        let delivery = Delivery { hook, notice };
        let mut queues = self.queues();
        let is_full = queues.len() >= HOOKS_MAX;
        match queues.entry(name.clone()) {
            Entry::Occupied(mut queue) if queue.get().len() < WAITING_MAX => {
                queue.get_mut().push_back(delivery);
            }
            Entry::Vacant(place) if !is_full => {
                place.insert(VecDeque::from([delivery]));
                tokio::spawn(self.clone().deliver(name.clone()));
            }
            _ => self.counts.count("notice", "dropped"),
        }
    }

    /// Asks a gate, once.
    pub(super) async fn ask(&self, hook: &Hook, notice: &Notice) -> Result<(), CallFault> {
        let answer = self.caller.post(hook, notice).await;
        let result = if answer.is_ok() { "open" } else { "closed" };
        self.counts.count("gate", result);
        answer
    }

    pub(super) fn patience(&self) -> Patience {
        self.caller.patience
    }

    /// Until nothing waits for this hook.
    async fn deliver(self, name: HookName) {
        while let Some(delivery) = self.next(&name) {
            let Delivery { hook, notice } = delivery;
            let event = &notice.event;
            match self.insist(&hook, &notice).await {
                Ok(()) => self.counts.count("notice", "done"),
                Err(fault) => {
                    self.counts.count("notice", "failed");
                    tracing::warn!(hook = %name, event, error = %fault, "a webhook was not told");
                }
            }
        }
    }

    /// The next to deliver. A queue that is empty goes, and who finds none begins another.
    fn next(&self, name: &HookName) -> Option<Delivery> {
        let mut queues = self.queues();
        let next = queues.get_mut(name)?.pop_front();
        if next.is_none() {
            queues.remove(name);
        }
        next
    }

    async fn insist(&self, hook: &Hook, notice: &Notice) -> Result<(), CallFault> {
        let mut pause = self.caller.patience.pause;
        for _ in 1..TRIES_MAX {
            match self.caller.post(hook, notice).await {
                Err(fault) if fault.may_pass() => sleep(jittered(pause)).await,
                done => return done,
            }
            pause *= 2;
        }
        self.caller.post(hook, notice).await
    }

    /// Whoever panicked while holding it left it whole: nothing is done meanwhile but pushing and popping.
    fn queues(&self) -> MutexGuard<'_, HashMap<HookName, VecDeque<Delivery>>> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Half of it to all of it, so that those who failed together do not come back together.
fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(rand::random_range(0.5..1.0))
}

#[cfg(test)]
mod tests;

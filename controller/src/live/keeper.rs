//! Keeps the index and makes tables from it.
//!
//! Runs on a thread of its own and never awaits: it takes every change that is there, builds once, and looks again. So a
//! change starts a build at once, and those that come during it make one more. Knows nothing of leases, proxies or writes.

use super::change::{Change, Scope, Seen};
use super::doubt::{Doubt, Verdict};
use super::form::Form;
use super::good::{Built, LastGood, Say};
use super::hooks::{self, Hooks};
use super::leaving::Leaving;
use super::metrics::Metrics;
use super::name::{Kind, ObjectName};
use super::parts::{Fault, Parts, Step, faults};
use super::secrets;
use super::store::{Put, Store};
use crate::decided::Decided;
use crate::release::Releases;
use crate::translate::Options;
use haldane_routing::spec::TableSpec;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::{mpsc, oneshot, watch};

/// How many changes are taken before a build, however many are waiting: so that a flood of them cannot put it off for ever.
const BATCH_MAX: usize = 10_000;

/// How many Secrets are watched: each is a connection of its own. Others count as not there.
pub(crate) const SECRETS_MAX: usize = 1_000;

/// What the last build came to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    /// Counts the tables of this process that differed from the one before.
    pub(crate) number: u64,
    pub(crate) table: Arc<TableSpec>,
    pub(crate) faults: Arc<Vec<Fault>>,
    pub(crate) parts: Arc<Parts>,
    /// The earlier forms that are served in place of invalid ones, without Secrets.
    pub(crate) held: Arc<Vec<Form>>,
    /// The rollouts that are asked for, and what there is to decide by.
    pub(crate) releases: Arc<Releases>,
    /// The webhooks that objects with rollouts name.
    pub(crate) hooks: Arc<Hooks>,
}

/// Where a keeper's decisions go.
pub(crate) struct Outlets {
    /// `None` until everything has been listed.
    pub(crate) outcome: watch::Sender<Option<Outcome>>,
    /// The Secrets to watch.
    pub(crate) secrets: watch::Sender<BTreeSet<ObjectName>>,
    /// Asks a watch to list once more.
    pub(crate) again: HashMap<Scope, Arc<tokio::sync::Notify>>,
    pub(crate) metrics: Metrics,
}

/// The index, and what is remembered between builds.
pub(crate) struct Keeper {
    options: Options,
    decided: Decided,
    store: Store,
    good: LastGood,
    doubt: Doubt,
    leaving: Leaving,
    /// Watches that have not listed yet.
    unlisted: BTreeSet<Scope>,
    /// The Secrets that each of our Ingresses names.
    needed: HashMap<ObjectName, BTreeSet<ObjectName>>,
    /// The Secrets that were looked for, found or not.
    settled: HashSet<ObjectName>,
    current: Option<Outcome>,
    outlets: Outlets,
}

impl Keeper {
    /// `watches` are those without which nothing is published.
    pub(crate) fn new(options: Options, outlets: Outlets) -> Self {
        Self {
            options,
            decided: Decided::default(),
            store: Store::default(),
            good: LastGood::default(),
            doubt: Doubt::default(),
            leaving: Leaving::default(),
            unlisted: outlets.again.keys().cloned().collect(),
            needed: HashMap::new(),
            settled: HashSet::new(),
            current: None,
            outlets,
        }
    }

    /// Works until nobody sends changes any more. What is `remembered` is waited for first.
    pub(crate) fn run(
        mut self,
        remembered: oneshot::Receiver<Vec<Form>>,
        mut seen: mpsc::Receiver<Seen>,
    ) {
        let Ok(forms) = remembered.blocking_recv() else {
            return;
        };
        self.good.recall(forms);
        while let Some(first) = seen.blocking_recv() {
            let mut altered = self.take(first);
            for _ in 1..BATCH_MAX {
                let Ok(next) = seen.try_recv() else { break };
                altered |= self.take(next);
            }
            self.outlets.metrics.pending(seen.len());
            if altered {
                self.look();
            }
        }
    }

    /// Whether anything is otherwise than before.
    fn take(&mut self, seen: Seen) -> bool {
        let Seen { scope, change } = seen;
        match change {
            Change::Applied(form) => self.put(form),
            Change::Deleted(name) => self.remove(&name),
            Change::Listed(forms) => self.list(scope, forms),
            Change::Forbidden => self.settle(&scope),
            Change::Left => self.leave(&scope),
            Change::Decided(decided) => self.heed(decided),
        }
    }

    fn put(&mut self, form: Form) -> bool {
        let name = form.name();
        self.leaving.forget(&name);
        match self.store.put(form) {
            Put::Same => return false,
            Put::New => {
                let metadata = self.store.metadata(&name);
                let uid = metadata.and_then(|metadata| metadata.uid.as_deref());
                self.good.appeared(&name, uid);
            }
            Put::Was(was) => self.good.changed(&name, Some(was)),
        }
        true
    }

    fn remove(&mut self, name: &ObjectName) -> bool {
        let was = match name.kind {
            Kind::Pod => return self.leave_pod(name),
            _ => self.store.remove(name),
        };
        // Who deletes an Ingress means it; what a deleted Secret held may be all that keeps strangers out.
        match name.kind {
            _ if was.is_none() => return false,
            Kind::Secret => self.good.changed(name, was),
            _ => self.good.forget(name),
        }
        true
    }

    /// What the leader decided; a controller that does not lead goes by what is written down.
    fn heed(&mut self, decided: Decided) -> bool {
        let differs = self.decided != decided;
        self.decided = decided;
        differs
    }

    fn leave_pod(&mut self, name: &ObjectName) -> bool {
        let is_known = self.store.metadata(name).is_some();
        if is_known {
            self.leaving.add(name.clone());
        }
        is_known
    }

    fn list(&mut self, scope: Scope, forms: Vec<Form>) -> bool {
        let listed: HashSet<_> = forms.iter().map(Form::name).collect();
        let known = self.store.names(scope.kind, scope.namespace.as_deref());
        let is_gone = |name: &ObjectName| scope.contains(name) && !listed.contains(name);
        for name in known.into_iter().filter(is_gone) {
            match name.kind {
                Kind::Pod => self.leaving.add(name),
                // A list may be wrong: what was remembered of the object is kept until it is believed.
                _ => self.good.changed(&name, self.store.remove(&name)),
            }
        }
        for form in forms {
            self.put(form);
        }
        self.settle(&scope);
        if scope.name.is_none() && !self.unlisted.remove(&scope) {
            self.doubt.listed(scope);
        }
        // Even a list of what is known may be what a doubted one waits for.
        true
    }

    /// A Secret has been looked for.
    fn settle(&mut self, scope: &Scope) -> bool {
        let secret = secret_of(scope);
        secret.is_some_and(|secret| self.settled.insert(secret))
    }

    /// A Secret that no Ingress names any more.
    fn leave(&mut self, scope: &Scope) -> bool {
        // It may be named again by now, and then the next watch has begun.
        let unwanted = |secret: &ObjectName| !self.outlets.secrets.borrow().contains(secret);
        if let Some(secret) = secret_of(scope).filter(unwanted) {
            self.store.remove(&secret);
            self.good.forget(&secret);
            self.settled.remove(&secret);
        }
        false
    }

    fn look(&mut self) {
        self.need_secrets();
        let waiting = self.waiting();
        let is_first = self.current.is_none();
        if !self.unlisted.is_empty() || is_first && !waiting.is_empty() {
            return;
        }
        for pod in self.leaving.gone(self.store.objects()) {
            self.store.remove(&pod);
        }
        let begun = Instant::now();
        let remembered = self.doubt.is_open().then(|| self.good.clone());
        let say = Say {
            options: &self.options,
            decided: &self.decided,
        };
        let built = self.good.build(&mut self.store, &waiting, say);
        let changed = self.judge(built, remembered);
        self.outlets.metrics.built(begun.elapsed(), changed);
    }

    /// Says which Secrets are to be watched.
    fn need_secrets(&mut self) {
        self.needed = secrets::needed(&self.store, &self.options);
        let all: BTreeSet<_> = self.needed.values().flatten().cloned().collect();
        if all.len() > SECRETS_MAX {
            tracing::warn!(
                named = all.len(),
                watched = SECRETS_MAX,
                "too many Secrets are named"
            );
        }
        // Those that a table hangs on come first.
        let wanted = all.into_iter().chain(hooks::needed(&self.store));
        let mut wanted: Vec<_> = wanted.collect();
        wanted.truncate(SECRETS_MAX);
        let wanted = BTreeSet::from_iter(wanted);
        self.outlets.secrets.send_if_modified(|watched| {
            let differs = *watched != wanted;
            *watched = wanted;
            differs
        });
    }

    /// Ingresses that name a Secret that nobody has looked for yet, but will.
    fn waiting(&self) -> BTreeSet<ObjectName> {
        let wanted = self.outlets.secrets.borrow();
        let is_open = |name: &ObjectName| wanted.contains(name) && !self.settled.contains(name);
        let unsettled = |secrets: &BTreeSet<_>| secrets.iter().any(is_open);
        let waiting = self.needed.iter().filter(|(_, secrets)| unsettled(secrets));
        waiting.map(|(ingress, _)| ingress.clone()).collect()
    }

    /// Publishes what was built, if it is believed; whether the table is another. If it is not, what was remembered before
    /// stays so.
    fn judge(&mut self, built: Built, remembered: Option<LastGood>) -> bool {
        let before = self.current.clone().unwrap_or_default();
        if let Verdict::Ask(scopes) = self.doubt.judge(&before.table, &built.translation.table) {
            self.good = remembered.unwrap_or_default();
            self.ask_again(&scopes);
            return false;
        }
        let changed = self.current.is_none() || *before.table != built.translation.table;
        self.publish(before, built, changed);
        changed
    }

    fn ask_again(&self, scopes: &[Scope]) {
        self.outlets.metrics.doubted();
        for scope in scopes {
            tracing::warn!(watch = %scope, "a list takes most routes away; it is asked for again");
            if let Some(again) = self.outlets.again.get(scope) {
                again.notify_one();
            }
        }
    }

    fn publish(&mut self, before: Outcome, built: Built, changed: bool) {
        let Built {
            mut translation,
            held,
            forms,
        } = built;
        let hooks = hooks::read(&self.store);
        let settled = |secret: &ObjectName| self.settled.contains(secret);
        translation
            .problems
            .extend(hooks::problems(&hooks, settled));
        let number = before.number + u64::from(changed);
        let step = Step {
            before: &before.table,
            after: &translation.table,
            number,
            problems: &translation.problems,
            held: &held,
            options: &self.options,
        };
        let parts = step.parts(&before.parts, &self.store);
        self.outlets.metrics.problems(&translation.problems);
        let outcome = Outcome {
            number,
            table: if changed {
                Arc::new(translation.table)
            } else {
                before.table
            },
            faults: Arc::new(faults(&translation.problems, &self.store, &held)),
            parts: Arc::new(parts),
            held: Arc::new(forms),
            releases: Arc::new(translation.releases),
            hooks: Arc::new(hooks),
        };
        self.current = Some(outcome.clone());
        self.outlets.outcome.send_replace(Some(outcome));
    }
}

/// The Secret that a watch looks at.
fn secret_of(scope: &Scope) -> Option<ObjectName> {
    let name = scope.name.as_deref()?;
    let namespace = scope.namespace.as_deref().unwrap_or_default();
    (scope.kind == Kind::Secret).then(|| ObjectName::new(Kind::Secret, namespace, name))
}

#[cfg(test)]
mod tests;

//! An object that is invalid changes nothing: what it was when it was last valid stays in force.
//!
//! What is remembered is what was written, not what came of it: endpoints, neighbours and certificates go on changing
//! around an object that is held.

use super::form::Form;
use super::name::{Kind, ObjectName};
use super::secrets;
use super::store::{Store, Undo};
use crate::annotations::HALDANE;
use crate::decided::Decided;
use crate::problem::Problem;
use crate::translate::{Options, Translation, translate_decided};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Earlier forms of objects, for as long as they may be needed.
#[derive(Clone, Default)]
pub(crate) struct LastGood {
    /// What objects that changed since the last table were in it; `None`: they were not there.
    before: HashMap<ObjectName, Option<Form>>,
    /// The last valid form of objects that are invalid now.
    held: BTreeMap<ObjectName, Form>,
    /// Objects that were invalid in the last table, held or not.
    faulty: BTreeSet<ObjectName>,
}

/// What has a say in a table beside the objects.
#[derive(Clone, Copy)]
pub(crate) struct Say<'s> {
    pub(crate) options: &'s Options,
    pub(crate) decided: &'s Decided,
}

impl Say<'_> {
    fn translate(self, store: &Store) -> Translation {
        translate_decided(store.objects(), self.options, self.decided)
    }
}

/// A table, with what is wrong and what was done about it.
#[derive(Debug, Default)]
pub(crate) struct Built {
    pub(crate) translation: Translation,
    /// The objects that are served as they were when they were last valid.
    pub(crate) held: BTreeSet<ObjectName>,
    /// The earlier forms in use, but for Secrets, by name.
    pub(crate) forms: Vec<Form>,
}

impl LastGood {
    /// An object is about to be otherwise than it was.
    pub(crate) fn changed(&mut self, name: &ObjectName, was: Option<Form>) {
        let matters = matches!(name.kind, Kind::Ingress | Kind::Service | Kind::Secret);
        if matters && !self.faulty.contains(name) && !self.held.contains_key(name) {
            self.before.entry(name.clone()).or_insert(was);
        }
    }

    /// What was held when the controllers stopped counts as what was in the last table.
    pub(crate) fn recall(&mut self, forms: Vec<Form>) {
        let named = forms.into_iter().map(|form| (form.name(), Some(form)));
        self.before.extend(named);
    }

    /// An object is there that was not. What is remembered of another one of its name means nothing to it.
    pub(crate) fn appeared(&mut self, name: &ObjectName, uid: Option<&str>) {
        let is_another = |form: &Form| form.metadata().uid.as_deref() != uid;
        let was = self.before.get(name).and_then(Option::as_ref);
        if was.is_some_and(is_another) {
            self.before.remove(name);
        }
        self.changed(name, None);
    }

    /// The forms that a controller which starts later needs to know. Secrets stay in memory: whoever may read what is
    /// written for it need not be allowed to read them.
    fn to_keep(&self) -> Vec<Form> {
        let kept = self.held.values();
        kept.filter(|form| form.name().kind != Kind::Secret)
            .cloned()
            .collect()
    }

    /// An object was taken away on purpose.
    pub(crate) fn forget(&mut self, name: &ObjectName) {
        self.before.remove(name);
        self.held.remove(name);
        self.faulty.remove(name);
    }

    /// Translates. Objects that are `waiting` for something are taken as they were in the last table.
    pub(crate) fn build(
        &mut self,
        store: &mut Store,
        waiting: &BTreeSet<ObjectName>,
        say: Say<'_>,
    ) -> Built {
        let paused: Vec<_> = waiting
            .iter()
            .map(|name| {
                let earlier = self.earlier(name);
                let earlier = earlier.map(|form| form.with_decisions_of(store.metadata(name)));
                store.swap(name, earlier)
            })
            .collect();
        let first = say.translate(store);
        self.faulty = faulty(&first.problems);
        let (mut built, held) = self.with_earlier_forms(first, store, say);
        undo(store, paused);
        self.held = held;
        built.forms = self.to_keep();
        self.before.retain(|name, _| waiting.contains(name));
        built
    }

    /// Faulty objects first; if that does not mend an Ingress, the Secrets that it names.
    fn with_earlier_forms(
        &self,
        first: Translation,
        store: &mut Store,
        say: Say<'_>,
    ) -> (Built, BTreeMap<ObjectName, Form>) {
        let mut held = self.earlier_of(&self.faulty);
        for (name, form) in &mut held {
            obey(form, store.metadata(name));
        }
        let mut swaps = put_all(store, &held);
        let mut second = retranslated(&swaps, store, say);
        let present = second.as_ref().unwrap_or(&first);
        let secrets = self.secrets_of(&faulty(&present.problems), store);
        let more = self.earlier_of(&secrets);
        if !more.is_empty() {
            swaps.extend(put_all(store, &more));
            second = retranslated(&swaps, store, say).or(second);
            held.extend(more);
        }
        undo(store, swaps);
        let still = second.as_ref().map(|second| faulty(&second.problems));
        let mended =
            |name: &&ObjectName| still.as_ref().is_some_and(|still| !still.contains(*name));
        let built = Built {
            held: self.faulty.iter().filter(mended).cloned().collect(),
            translation: merged(first, second),
            forms: Vec::new(),
        };
        (built, held)
    }

    fn earlier(&self, name: &ObjectName) -> Option<Form> {
        let before = || self.before.get(name).cloned().flatten();
        self.held.get(name).cloned().or_else(before)
    }

    fn earlier_of(&self, names: &BTreeSet<ObjectName>) -> BTreeMap<ObjectName, Form> {
        let earlier = |name: &ObjectName| Some((name.clone(), self.earlier(name)?));
        names.iter().filter_map(earlier).collect()
    }

    /// The Secrets that faulty Ingresses name.
    fn secrets_of(&self, faulty: &BTreeSet<ObjectName>, store: &Store) -> BTreeSet<ObjectName> {
        let objects = store.objects().ingresses.iter();
        let ingresses =
            objects.filter(|ingress| faulty.contains(&super::form::name_of(&ingress.object)));
        ingresses
            .flat_map(|ingress| secrets::named_by(&ingress.object))
            .collect()
    }
}

/// The order to abort is taken from what is written now, whatever else is wrong there: it only takes from a version, and whoever
/// gives it is in a hurry.
fn obey(form: &mut Form, now: Option<&ObjectMeta>) {
    let key = format!("{HALDANE}abort");
    let annotations = now.and_then(|now| now.annotations.as_ref());
    let given = annotations.and_then(|annotations| annotations.get(&key));
    let earlier = form.metadata_mut().annotations.get_or_insert_default();
    match given {
        Some(order) if order.trim().is_empty() => {}
        Some(order) => {
            earlier.insert(key, order.clone());
        }
        None => {
            earlier.remove(&key);
        }
    }
}

fn put_all(store: &mut Store, forms: &BTreeMap<ObjectName, Form>) -> Vec<Undo> {
    forms
        .iter()
        .map(|(name, form)| {
            let form = form.clone().with_decisions_of(store.metadata(name));
            store.swap(name, Some(form))
        })
        .collect()
}

/// The last change is the first to be taken back.
fn undo(store: &mut Store, swaps: Vec<Undo>) {
    for swap in swaps.into_iter().rev() {
        store.undo(swap);
    }
}

fn retranslated(swaps: &[Undo], store: &Store, say: Say<'_>) -> Option<Translation> {
    (!swaps.is_empty()).then(|| say.translate(store))
}

/// What is served comes from the second translation; what is wrong, from both.
fn merged(first: Translation, second: Option<Translation>) -> Translation {
    let Some(second) = second else { return first };
    let mut problems = first.problems;
    for problem in &second.problems {
        if problem.is_error() && !problems.contains(problem) {
            problems.push(problem.clone());
        }
    }
    Translation { problems, ..second }
}

fn faulty(problems: &[Problem]) -> BTreeSet<ObjectName> {
    let errors = problems.iter().filter(|problem| problem.is_error());
    errors
        .filter_map(|problem| problem.object.parse().ok())
        .collect()
}

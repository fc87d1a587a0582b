//! Who owns which host and path.
//!
//! What is written in rules comes first, older Ingresses before newer ones; then what follows from it (default backends,
//! other hosts for the same rules). Whoever comes second to a place does not get it, and is told.

use crate::canary::Attached;
use crate::ingress::{Key, KnownIngress};
use crate::problem::{Problem, Spot};
use haldane_routing::spec::RedirectSpec;
use k8s_openapi::api::networking::v1::IngressBackend;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// What is done with the requests of a place.
#[derive(Clone, Debug)]
pub(crate) enum Purpose<'a> {
    /// Pass them on.
    Forward(&'a IngressBackend),
    /// Pass them on to the version that is being tested.
    Preview(&'a IngressBackend),
    /// Redirect them; the word says why.
    Redirect(RedirectSpec, &'static str),
}

/// A host and path, and who owns it.
#[derive(Clone, Debug)]
pub(crate) struct Place<'a> {
    pub(crate) key: Key,
    /// Other hosts on which the same rule applies, with the same split.
    pub(crate) aliases: Vec<String>,
    pub(crate) owner: Rc<KnownIngress<'a>>,
    pub(crate) spot: Spot,
    pub(crate) purpose: Purpose<'a>,
    /// In the order of age.
    pub(crate) canaries: Vec<Attached<'a>>,
}

impl<'a> Place<'a> {
    pub(crate) fn new(
        owner: &Rc<KnownIngress<'a>>,
        key: Key,
        spot: Spot,
        purpose: Purpose<'a>,
    ) -> Self {
        Self {
            key,
            aliases: Vec::new(),
            owner: Rc::clone(owner),
            spot,
            purpose,
            canaries: Vec::new(),
        }
    }
}

/// All places, each with one owner.
#[derive(Default)]
pub(crate) struct Places<'a> {
    places: Vec<Place<'a>>,
    taken: BTreeMap<Key, usize>,
}

impl<'a> Places<'a> {
    pub(crate) fn get_mut(&mut self, key: &Key) -> Option<&mut Place<'a>> {
        let index = *self.taken.get(key)?;
        self.places.get_mut(index)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Place<'a>> {
        self.places.iter()
    }

    /// Every host that some rule names.
    pub(crate) fn hosts(&self) -> BTreeSet<String> {
        self.taken.keys().map(|key| key.host.clone()).collect()
    }

    /// Takes a place, unless another has it.
    pub(crate) fn claim(&mut self, place: Place<'a>, problems: &mut Vec<Problem>) {
        match self.taken.get(&place.key) {
            Some(index) => problems.push(taken(
                &place.spot,
                &place.key,
                &place.owner,
                &self.places[*index],
            )),
            None => self.add(place),
        }
    }

    /// Takes a place that nobody wrote down, if it is free; if not, that is as it should be.
    pub(crate) fn claim_if_free(&mut self, place: Place<'a>) {
        if !self.taken.contains_key(&place.key) {
            self.add(place);
        }
    }

    /// Gives every place of `owner` another host.
    pub(crate) fn add_alias(
        &mut self,
        owner: &Rc<KnownIngress<'a>>,
        host: &str,
        spot: &Spot,
        problems: &mut Vec<Problem>,
    ) {
        for index in 0..self.places.len() {
            let place = &self.places[index];
            let is_own =
                Rc::ptr_eq(&place.owner, owner) && matches!(place.purpose, Purpose::Forward(_));
            // The default backend already answers on every host.
            if !is_own
                || place.key.host.is_empty()
                || place.aliases.iter().any(|alias| alias == host)
            {
                continue;
            }
            let key = Key {
                host: host.to_owned(),
                ..place.key.clone()
            };
            match self.taken.get(&key) {
                // Two hosts of the Ingress have this path: the first one lends it to the alias.
                Some(other) if Rc::ptr_eq(&self.places[*other].owner, owner) => {}
                Some(other) => problems.push(taken(spot, &key, owner, &self.places[*other])),
                None => {
                    self.taken.insert(key, index);
                    self.places[index].aliases.push(host.to_owned());
                }
            }
        }
    }

    fn add(&mut self, place: Place<'a>) {
        self.taken.insert(place.key.clone(), self.places.len());
        self.places.push(place);
    }
}

fn taken(spot: &Spot, key: &Key, claimant: &Rc<KnownIngress<'_>>, holder: &Place<'_>) -> Problem {
    let host = if key.host.is_empty() {
        "every host"
    } else {
        &key.host
    };
    let path = &key.path;
    let by = if Rc::ptr_eq(claimant, &holder.owner) {
        "by another rule of this Ingress".to_owned()
    } else {
        format!("by Ingress {}, which is older", holder.owner.title())
    };
    spot.warning(format!(
        "{path:?} on {host} is served already {by}; this one gets no requests"
    ))
}

//! Every object that was seen, where translation can read it and a change finds its place at once.
//!
//! A plain value: nothing here waits for anything.

use super::form::{Form, Formed, name_of};
use super::name::{Kind, ObjectName};
use crate::objects::{Objects, Sourced};
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use std::collections::HashMap;

/// The objects, and where each stands.
#[derive(Default)]
pub(crate) struct Store {
    objects: Objects,
    places: HashMap<ObjectName, usize>,
}

/// What came of putting an object in.
#[derive(Debug, PartialEq)]
pub(crate) enum Put {
    /// It was there in this very form.
    Same,
    /// It is new.
    New,
    /// It was there in another form.
    Was(Form),
}

/// What [`Store::swap`] changed, to be given back to it.
#[must_use]
pub(crate) enum Undo {
    Nothing,
    Swap(ObjectName, Option<Form>),
}

impl Store {
    /// What translation reads.
    pub(crate) fn objects(&self) -> &Objects {
        &self.objects
    }

    pub(crate) fn put(&mut self, form: Form) -> Put {
        match form {
            Form::Ingress(object) => self.put_kept(*object),
            Form::IngressClass(object) => self.put_kept(*object),
            Form::Service(object) => self.put_kept(*object),
            Form::EndpointSlice(object) => self.put_kept(*object),
            Form::Pod(object) => self.put_kept(*object),
            Form::Secret(object) => self.put_kept(*object),
        }
    }

    pub(crate) fn remove(&mut self, name: &ObjectName) -> Option<Form> {
        let place = self.places.remove(name)?;
        let objects = &mut self.objects;
        let (removed, moved) = match name.kind {
            Kind::Ingress => take_out(&mut objects.ingresses, place),
            Kind::IngressClass => take_out(&mut objects.ingress_classes, place),
            Kind::Service => take_out(&mut objects.services, place),
            Kind::EndpointSlice => take_out(&mut objects.endpoint_slices, place),
            Kind::Pod => take_out(&mut objects.pods, place),
            Kind::Secret => take_out(&mut objects.secrets, place),
        };
        if let Some(moved) = moved {
            self.places.insert(moved, place);
        }
        Some(removed)
    }

    /// Makes the object what is given, or removes it.
    pub(crate) fn swap(&mut self, name: &ObjectName, form: Option<Form>) -> Undo {
        let was = match form.map(|form| self.put(form)) {
            None if !self.places.contains_key(name) => return Undo::Nothing,
            Some(Put::Same) => return Undo::Nothing,
            None => self.remove(name),
            Some(Put::Was(was)) => Some(was),
            Some(Put::New) => None,
        };
        Undo::Swap(name.clone(), was)
    }

    /// Takes back a swap.
    pub(crate) fn undo(&mut self, undo: Undo) {
        if let Undo::Swap(name, was) = undo {
            // What the swap had put in is not needed any more.
            let _ = self.swap(&name, was);
        }
    }

    /// The objects of a kind in a namespace; `None` is every namespace.
    pub(crate) fn names(&self, kind: Kind, namespace: Option<&str>) -> Vec<ObjectName> {
        let wanted = |name: &&ObjectName| {
            name.kind == kind && namespace.is_none_or(|namespace| name.namespace == namespace)
        };
        self.places.keys().filter(wanted).cloned().collect()
    }

    /// What the object says about itself.
    pub(crate) fn metadata(&self, name: &ObjectName) -> Option<&ObjectMeta> {
        let place = *self.places.get(name)?;
        let objects = &self.objects;
        Some(match name.kind {
            Kind::Ingress => &objects.ingresses[place].object.metadata,
            Kind::IngressClass => &objects.ingress_classes[place].object.metadata,
            Kind::Service => &objects.services[place].object.metadata,
            Kind::EndpointSlice => &objects.endpoint_slices[place].object.metadata,
            Kind::Pod => &objects.pods[place].object.metadata,
            Kind::Secret => &objects.secrets[place].object.metadata,
        })
    }

    /// A Secret, if it is there.
    pub(crate) fn secret(&self, name: &ObjectName) -> Option<&Secret> {
        let place = *self.places.get(name)?;
        let found = self.objects.secrets.get(place);
        found
            .filter(|_| name.kind == Kind::Secret)
            .map(|found| &found.object)
    }

    fn put_kept<T: Formed>(&mut self, object: T) -> Put {
        let list = T::list(&mut self.objects);
        let name = name_of(&object);
        let Some(place) = self.places.get(&name) else {
            self.places.insert(name, list.len());
            list.push(Sourced::from(object));
            return Put::New;
        };
        let known = &mut list[*place].object;
        if *known == object {
            return Put::Same;
        }
        Put::Was(std::mem::replace(known, object).into_form())
    }
}

/// The last object of the list takes the place; its name is returned.
fn take_out<T: Formed>(list: &mut Vec<Sourced<T>>, place: usize) -> (Form, Option<ObjectName>) {
    let removed = list.swap_remove(place).object.into_form();
    let moved = list.get(place).map(|moved| name_of(&moved.object));
    (removed, moved)
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::core::v1::Service;

    fn service(name: &str, label: &str) -> Form {
        let mut service = Service::default();
        service.metadata.name = Some(name.to_owned());
        service.metadata.namespace = Some("shop".to_owned());
        let labels = [("x".to_owned(), label.to_owned())];
        service.metadata.labels = Some(labels.into());
        service.into_form()
    }

    fn names(store: &Store) -> Vec<String> {
        let services = store.objects().services.iter();
        services
            .map(|service| name_of(&service.object).to_string())
            .collect()
    }

    #[test]
    fn objects_keep_their_places_when_others_go() {
        let mut store = Store::default();
        for name in ["a", "b", "c"] {
            assert_eq!(store.put(service(name, "1")), Put::New);
        }
        let first = service("a", "1");
        assert_eq!(store.remove(&first.name()), Some(first));
        assert_eq!(names(&store), ["Service shop/c", "Service shop/b"]);
        assert_eq!(store.put(service("c", "1")), Put::Same);
        assert_eq!(store.put(service("c", "2")), Put::Was(service("c", "1")));
        assert_eq!(store.names(Kind::Service, Some("shop")).len(), 2);
        assert_eq!(store.names(Kind::Service, Some("other")).len(), 0);
    }

    #[test]
    fn a_swap_is_taken_back_whole() {
        let (old, new) = (service("a", "1"), service("a", "2"));
        for present in [None, Some(new.clone())] {
            for other in [None, Some(old.clone()), Some(new.clone())] {
                let mut store = Store::default();
                present.clone().map(|form| store.put(form));
                let undo = store.swap(&new.name(), other);
                store.undo(undo);
                let after = store.remove(&new.name());
                assert_eq!(after, present);
            }
        }
    }
}

//! Events: each problem told once, at the object that has it.
//!
//! An Event's name follows from what it says, so that a controller that starts again, or another one that takes over, is
//! refused by the API server when it would tell the same once more.

use super::name::{Kind, ObjectName};
use super::parts::Fault;
use super::reason::Reason;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff::Timestamp;
use std::collections::{HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher as _};

/// How many problems may wait to be told; more than this many at once are not read one by one by anybody.
const DUE_MAX: usize = 10_000;

/// The longest note that the API server takes, in bytes.
pub(super) const NOTE_BYTES_MAX: usize = 1024;

/// How much of the object's name an Event's name has, in bytes: what is left is for the number behind it.
const NAME_BYTES_MAX: usize = 230;

/// Who tells.
pub(super) const REPORTER: &str = "haldane.dev/controller";

/// What was told, and what is still to be.
#[derive(Debug, Default)]
pub(crate) struct Events {
    /// The problems that there are; each was told or is due.
    known: HashSet<Fault>,
    due: VecDeque<Fault>,
}

impl Events {
    /// Takes in the problems that there are now. One that went away and came back is told again.
    pub(crate) fn refresh(&mut self, faults: &[Fault]) {
        let now: HashSet<&Fault> = faults.iter().collect();
        self.known.retain(|fault| now.contains(fault));
        self.due.retain(|fault| now.contains(fault));
        for fault in faults.iter().filter(|fault| is_told(fault)) {
            if self.due.len() < DUE_MAX && self.known.insert(fault.clone()) {
                self.due.push_back(fault.clone());
            }
        }
    }

    /// The next one to tell.
    pub(crate) fn next(&mut self) -> Option<Fault> {
        self.due.pop_front()
    }

    /// It was not told after all.
    pub(crate) fn failed(&mut self, fault: Fault) {
        self.due.push_back(fault);
    }

    pub(crate) fn due(&self) -> usize {
        self.due.len()
    }
}

/// EndpointSlices and Pods are written by other controllers, which read no Events; many have nothing to do with us.
fn is_told(fault: &Fault) -> bool {
    matches!(
        fault.object.kind,
        Kind::Ingress | Kind::Service | Kind::Secret
    )
}

/// The Event that tells a problem.
pub(crate) fn event(fault: &Fault, identity: &str, now: Timestamp) -> Event {
    Event {
        metadata: ObjectMeta {
            name: Some(name(&fault.object, fault)),
            namespace: Some(fault.object.namespace.clone()),
            ..ObjectMeta::default()
        },
        type_: Some("Warning".to_owned()),
        reason: Some(Reason::of(&fault.problem).as_str().to_owned()),
        action: Some("Translate".to_owned()),
        note: Some(note(fault)),
        regarding: Some(reference(&fault.object, &fault.uid)),
        event_time: Some(MicroTime(now)),
        reporting_controller: Some(REPORTER.to_owned()),
        reporting_instance: Some(identity.to_owned()),
        ..Event::default()
    }
}

/// The field, what is wrong with it, and what follows.
fn note(fault: &Fault) -> String {
    let problem = &fault.problem;
    let held = if fault.held {
        "; the last valid form stays in force"
    } else {
        ""
    };
    let mut note = match problem.field.as_str() {
        "" => format!("{}{held}", problem.message),
        field => format!("{field}: {}{held}", problem.message),
    };
    note.truncate(note.floor_char_boundary(NOTE_BYTES_MAX));
    note
}

/// The same for the same thing told about the same object.
pub(super) fn name(object: &ObjectName, told: &impl Hash) -> String {
    // Stable between processes of one build; another build may tell a problem once more.
    let mut hasher = DefaultHasher::new();
    told.hash(&mut hasher);
    let object = &object.name;
    let object = &object[..object.floor_char_boundary(NAME_BYTES_MAX)];
    format!(
        "{}.{:016x}",
        object.trim_end_matches(['.', '-']),
        hasher.finish()
    )
}

pub(super) fn reference(object: &ObjectName, uid: &str) -> ObjectReference {
    let version = match object.kind {
        Kind::Ingress | Kind::IngressClass => "networking.k8s.io/v1",
        Kind::EndpointSlice => "discovery.k8s.io/v1",
        Kind::Service | Kind::Pod | Kind::Secret => "v1",
    };
    ObjectReference {
        api_version: Some(version.to_owned()),
        kind: Some(object.kind.as_str().to_owned()),
        namespace: Some(object.namespace.clone()),
        name: Some(object.name.clone()),
        uid: Some(uid.to_owned()),
        ..ObjectReference::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::{Problem, Severity};

    fn fault(message: &str) -> Fault {
        Fault {
            problem: Problem {
                severity: Severity::Error,
                file: None,
                object: "Ingress shop/web".to_owned(),
                field: "metadata.annotations[haldane.dev/weights]".to_owned(),
                message: message.to_owned(),
            },
            object: ObjectName::new(Kind::Ingress, "shop", "web"),
            uid: "1".to_owned(),
            held: true,
        }
    }

    #[test]
    fn a_problem_is_told_once_and_again_when_it_comes_back() {
        let mut events = Events::default();
        let (one, two) = (fault("one"), fault("two"));
        events.refresh(&[one.clone(), two.clone()]);
        events.refresh(&[one.clone(), two.clone()]);
        assert_eq!(events.next(), Some(one.clone()));
        assert_eq!(events.next(), Some(two.clone()));
        assert_eq!(events.next(), None);
        events.refresh(std::slice::from_ref(&two));
        events.refresh(&[one.clone(), two]);
        assert_eq!(events.next(), Some(one));
        assert_eq!(events.next(), None);
    }

    #[test]
    fn what_controllers_write_is_not_told_to_them() {
        let mut events = Events::default();
        for kind in [Kind::EndpointSlice, Kind::Pod] {
            let object = ObjectName::new(kind, "shop", "web");
            events.refresh(&[Fault {
                object,
                ..fault("one")
            }]);
            assert_eq!(events.next(), None);
        }
    }

    #[test]
    fn an_event_names_the_field_and_fits() {
        let event = event(&fault(&"é".repeat(1000)), "pod", Timestamp::UNIX_EPOCH);
        let note = event.note.unwrap();
        assert!(note.starts_with("metadata.annotations[haldane.dev/weights]: éé"));
        assert!(note.len() <= NOTE_BYTES_MAX);
        assert_eq!(event.reason.as_deref(), Some("InvalidAnnotation"));
        let name = event.metadata.name.unwrap();
        assert!(name.starts_with("web."), "{name}");
        assert_ne!(name, super::name(&fault("other").object, &fault("other")));
    }
}

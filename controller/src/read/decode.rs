//! Turns a document into one of the kinds of objects that are kept, or says why it is none.

use super::unknown;
use crate::objects::{Described, Kept, Objects, Sourced};
use crate::problem::{Problem, Subject};
use k8s_openapi::api::core::v1::{Pod, Secret, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::networking::v1::{Ingress, IngressClass};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::HashMap;
use std::path::Path;

/// Kinds that stand beside an Ingress in most directories and mean nothing to the route table.
const ORDINARY: &[&str] = &[
    "ClusterRole",
    "ClusterRoleBinding",
    "ConfigMap",
    "CronJob",
    "CustomResourceDefinition",
    "DaemonSet",
    "Deployment",
    "HorizontalPodAutoscaler",
    "Job",
    "Kustomization",
    "LimitRange",
    "Namespace",
    "NetworkPolicy",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "PodDisruptionBudget",
    "PriorityClass",
    "ReplicaSet",
    "ResourceQuota",
    "Role",
    "RoleBinding",
    "ServiceAccount",
    "ServiceMonitor",
    "StatefulSet",
    "StorageClass",
];

/// Collects objects over several files.
#[derive(Default)]
pub(super) struct Decoder {
    objects: Objects,
    /// Where each object was first defined, by title.
    defined: HashMap<String, String>,
}

/// Where a document stands.
#[derive(Clone, Copy)]
struct Place<'a> {
    file: &'a Path,
    document: usize,
}

impl Place<'_> {
    fn subject(self, value: &Value) -> Subject {
        Subject {
            file: Some(self.file.display().to_string()),
            object: title(value, self.document),
        }
    }
}

impl Decoder {
    pub(super) fn into_objects(self) -> Objects {
        self.objects
    }

    /// Takes in one document, or each item of a List.
    pub(super) fn take(
        &mut self,
        value: Value,
        file: &Path,
        document: usize,
        problems: &mut Vec<Problem>,
    ) {
        let place = Place { file, document };
        for object in items(value) {
            if let Err(problem) = self.dispatch(&object, place, problems) {
                problems.push(*problem);
            }
        }
    }

    fn dispatch(
        &mut self,
        value: &Value,
        place: Place,
        problems: &mut Vec<Problem>,
    ) -> Result<(), Box<Problem>> {
        match text(value, "kind") {
            "Ingress" => self.keep::<Ingress>(value, place, problems),
            "IngressClass" => self.keep::<IngressClass>(value, place, problems),
            "Service" => self.keep::<Service>(value, place, problems),
            "EndpointSlice" => self.keep::<EndpointSlice>(value, place, problems),
            "Pod" => self.keep::<Pod>(value, place, problems),
            "Secret" => self.keep::<Secret>(value, place, problems),
            kind if ORDINARY.contains(&kind) => Ok(()),
            kind => Err(Box::new(pass_over(kind, &place.subject(value)))),
        }
    }

    fn keep<T>(
        &mut self,
        value: &Value,
        place: Place,
        problems: &mut Vec<Problem>,
    ) -> Result<(), Box<Problem>>
    where
        T: Kept + DeserializeOwned + Serialize,
    {
        let subject = place.subject(value);
        let object: T = decode(value, &subject)?;
        problems.extend(unknown::fields(value, &object, &subject));
        let sourced = Sourced {
            object,
            file: Some(place.file.to_owned()),
            document: place.document,
        };
        check_names(&sourced, &subject)?;
        self.define(&sourced, place)?;
        T::list(&mut self.objects).push(sourced);
        Ok(())
    }

    /// The first definition of an object stays; a second one is most likely a copy left behind.
    fn define<T: Kept>(&mut self, new: &Sourced<T>, place: Place) -> Result<(), Box<Problem>> {
        let subject = new.subject();
        let here = format!("{} (document {})", place.file.display(), place.document + 1);
        match self.defined.get(&subject.object) {
            Some(there) => {
                let message =
                    format!("is already defined in {there}; this second definition is ignored");
                Err(Box::new(subject.at("metadata.name").error(message)))
            }
            None => {
                self.defined.insert(subject.object, here);
                Ok(())
            }
        }
    }
}

/// A `List` (of any kind) stands for its items; nested Lists do not exist in Kubernetes and are not followed.
fn items(mut value: Value) -> Vec<Value> {
    let is_list = text(&value, "kind").ends_with("List");
    match value.get_mut("items") {
        Some(Value::Array(items)) if is_list => std::mem::take(items),
        _ => vec![value],
    }
}

fn decode<T: Kept + DeserializeOwned>(value: &Value, subject: &Subject) -> Result<T, Box<Problem>> {
    serde_path_to_error::deserialize(value).map_err(|fault| {
        let path = fault.path().to_string();
        let field = if path == "." { String::new() } else { path };
        // The reason quotes what was found, which in a Secret may be the secret.
        let message = match T::KIND {
            "Secret" => "does not have the type that a Secret has here".to_owned(),
            _ => quoted_where_text(&fault.into_inner().to_string()),
        };
        Box::new(subject.at(field).error(message))
    })
}

/// YAML makes `true` and `10` something else than text, which annotations and labels are.
fn quoted_where_text(reason: &str) -> String {
    if reason.starts_with("invalid type") && reason.ends_with("expected a string") {
        format!("{reason}: put it in quotes")
    } else {
        reason.to_owned()
    }
}

fn pass_over(kind: &str, subject: &Subject) -> Problem {
    match kind {
        "" => subject
            .at("kind")
            .error("is missing: this is no Kubernetes object"),
        _ => subject
            .at("kind")
            .warning(format!("{kind:?} is not read by this version")),
    }
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// What the document calls itself, as far as it does.
fn title(value: &Value, document: usize) -> String {
    let metadata = value.get("metadata").unwrap_or(&Value::Null);
    match (text(value, "kind"), text(metadata, "name")) {
        ("", _) => format!("document {}", document + 1),
        (kind, "") => format!("{kind} in document {}", document + 1),
        ("IngressClass", name) => format!("IngressClass {name}"),
        (kind, name) => match text(metadata, "namespace") {
            "" => format!("{kind} default/{name}"),
            namespace => format!("{kind} {namespace}/{name}"),
        },
    }
}

/// Names are checked as the API server would, so that they can stand in identifiers and messages.
fn check_names<T: Kept>(new: &Sourced<T>, subject: &Subject) -> Result<(), Box<Problem>> {
    let fields = [
        ("metadata.name", new.name()),
        ("metadata.namespace", new.namespace()),
    ];
    match fields.into_iter().find(|(_, name)| !is_object_name(name)) {
        Some((field, "")) => Err(Box::new(subject.at(field).error("is missing"))),
        Some((field, name)) => {
            let message = format!(
                "{name:?} is not a name: only a-z, 0-9, '-' and '.', at most 253 characters"
            );
            Err(Box::new(subject.at(field).error(message)))
        }
        None => Ok(()),
    }
}

fn is_object_name(name: &str) -> bool {
    let known = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.')
    };
    !name.is_empty() && name.len() <= 253 && name.bytes().all(known)
}

//! The Kubernetes objects that a table is made from, each with the place it was read from.
//!
//! Plain values: nothing here reads a file or talks to an API server.

use crate::problem::Subject;
use k8s_openapi::api::core::v1::{Pod, Secret, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::networking::v1::{Ingress, IngressClass};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::{Metadata, Resource};
use std::path::PathBuf;

/// The namespace of objects that name none, as `kubectl apply` has it.
const NAMESPACE_DEFAULT: &str = "default";

/// An object, and where it came from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sourced<T> {
    /// The object.
    pub object: T,
    /// Its file; `None` for an object of a cluster.
    pub file: Option<PathBuf>,
    /// Which document of the file, from 0.
    pub document: usize,
}

impl<T> From<T> for Sourced<T> {
    /// An object that came from no file.
    fn from(object: T) -> Self {
        Self {
            object,
            file: None,
            document: 0,
        }
    }
}

/// All objects that [`crate::translate`] looks at. Objects of one kind stand in the order in which they were read:
/// where they carry no creation time, the earlier one counts as the older.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Objects {
    /// The Ingresses of every class.
    pub ingresses: Vec<Sourced<Ingress>>,
    /// The IngressClasses.
    pub ingress_classes: Vec<Sourced<IngressClass>>,
    /// The Services.
    pub services: Vec<Sourced<Service>>,
    /// The EndpointSlices.
    pub endpoint_slices: Vec<Sourced<EndpointSlice>>,
    /// The Pods; only labels, addresses, ports and conditions are looked at.
    pub pods: Vec<Sourced<Pod>>,
    /// The Secrets that hold certificates and passwords.
    pub secrets: Vec<Sourced<Secret>>,
}

/// A kind of object that is kept, and where.
pub(crate) trait Kept: Metadata<Ty = ObjectMeta> + Resource {
    /// Whether its objects belong to a namespace.
    const NAMESPACED: bool = true;

    /// The list its objects stand in.
    fn list(objects: &mut Objects) -> &mut Vec<Sourced<Self>>
    where
        Self: Sized;
}

impl Kept for Ingress {
    fn list(objects: &mut Objects) -> &mut Vec<Sourced<Self>> {
        &mut objects.ingresses
    }
}

impl Kept for IngressClass {
    const NAMESPACED: bool = false;

    fn list(objects: &mut Objects) -> &mut Vec<Sourced<Self>> {
        &mut objects.ingress_classes
    }
}

impl Kept for Service {
    fn list(objects: &mut Objects) -> &mut Vec<Sourced<Self>> {
        &mut objects.services
    }
}

impl Kept for EndpointSlice {
    fn list(objects: &mut Objects) -> &mut Vec<Sourced<Self>> {
        &mut objects.endpoint_slices
    }
}

impl Kept for Pod {
    fn list(objects: &mut Objects) -> &mut Vec<Sourced<Self>> {
        &mut objects.pods
    }
}

impl Kept for Secret {
    fn list(objects: &mut Objects) -> &mut Vec<Sourced<Self>> {
        &mut objects.secrets
    }
}

/// What every object tells about itself.
pub(crate) trait Described {
    /// Its namespace, or the one that stands for none.
    fn namespace(&self) -> &str;
    /// Its name.
    fn name(&self) -> &str;
    /// The text of an annotation.
    fn annotation(&self, key: &str) -> Option<&str>;
    /// The value of a label.
    fn label(&self, key: &str) -> Option<&str>;
    /// When it was created, in seconds since 1970.
    fn created(&self) -> Option<i64>;
    /// What problems of it are about.
    fn subject(&self) -> Subject;
}

impl<T: Kept> Described for Sourced<T> {
    fn namespace(&self) -> &str {
        self.object
            .metadata()
            .namespace
            .as_deref()
            .unwrap_or(NAMESPACE_DEFAULT)
    }

    fn name(&self) -> &str {
        self.object.metadata().name.as_deref().unwrap_or_default()
    }

    fn annotation(&self, key: &str) -> Option<&str> {
        let annotations = self.object.metadata().annotations.as_ref()?;
        annotations.get(key).map(String::as_str)
    }

    fn label(&self, key: &str) -> Option<&str> {
        let labels = self.object.metadata().labels.as_ref()?;
        labels.get(key).map(String::as_str)
    }

    fn created(&self) -> Option<i64> {
        let time = self.object.metadata().creation_timestamp.as_ref()?;
        Some(time.0.as_second())
    }

    fn subject(&self) -> Subject {
        Subject {
            file: self.file.as_ref().map(|file| file.display().to_string()),
            object: title(self),
        }
    }
}

fn title<T: Kept>(object: &Sourced<T>) -> String {
    let (namespace, name) = (object.namespace(), object.name());
    if T::NAMESPACED {
        format!("{} {namespace}/{name}", T::KIND)
    } else {
        format!("{} {name}", T::KIND)
    }
}

//! One object as it was last seen, without what no table depends on.
//!
//! What is dropped here cannot wake anybody: our own status annotation, managed fields and resource versions change
//! often and mean nothing to a table.

use super::name::{Kind, ObjectName};
use crate::annotations::HALDANE;
use crate::annotations::rollout::{EVIDENCE, STATE};
use crate::objects::Kept;
use k8s_openapi::api::core::v1::{Pod, Secret, Service};
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointSlice};
use k8s_openapi::api::networking::v1::{Ingress, IngressClass};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::PartialObjectMeta;

/// What `kubectl apply` keeps for itself: the whole object once more.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The annotation that tells what became of an object, without its prefix.
pub(crate) const STATUS: &str = "status";

/// An object of one of the kinds that are watched.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Form {
    Ingress(Box<Ingress>),
    IngressClass(Box<IngressClass>),
    Service(Box<Service>),
    EndpointSlice(Box<EndpointSlice>),
    Pod(Box<Pod>),
    Secret(Box<Secret>),
}

impl Form {
    pub(crate) fn metadata(&self) -> &ObjectMeta {
        match self {
            Self::Ingress(object) => &object.metadata,
            Self::IngressClass(object) => &object.metadata,
            Self::Service(object) => &object.metadata,
            Self::EndpointSlice(object) => &object.metadata,
            Self::Pod(object) => &object.metadata,
            Self::Secret(object) => &object.metadata,
        }
    }

    pub(crate) fn metadata_mut(&mut self) -> &mut ObjectMeta {
        match self {
            Self::Ingress(object) => &mut object.metadata,
            Self::IngressClass(object) => &mut object.metadata,
            Self::Service(object) => &mut object.metadata,
            Self::EndpointSlice(object) => &mut object.metadata,
            Self::Pod(object) => &mut object.metadata,
            Self::Secret(object) => &mut object.metadata,
        }
    }

    /// An earlier form with what was decided about it since: an object that is held must not give an aborted version back
    /// what it had when the object was last valid. Nothing changes where the object is not there.
    pub(crate) fn with_decisions_of(mut self, present: Option<&ObjectMeta>) -> Self {
        let key = format!("{HALDANE}{STATE}");
        let Some(present) = present else {
            return self;
        };
        let state = present.annotations.as_ref().and_then(|all| all.get(&key));
        let annotations = &mut self.metadata_mut().annotations;
        match state {
            Some(state) => {
                let all = annotations.get_or_insert_default();
                all.insert(key, state.clone());
            }
            None => {
                if let Some(all) = annotations {
                    all.remove(&key);
                }
            }
        }
        self
    }

    pub(crate) fn name(&self) -> ObjectName {
        match self {
            Self::Ingress(object) => name_of(&**object),
            Self::IngressClass(object) => name_of(&**object),
            Self::Service(object) => name_of(&**object),
            Self::EndpointSlice(object) => name_of(&**object),
            Self::Pod(object) => name_of(&**object),
            Self::Secret(object) => name_of(&**object),
        }
    }
}

/// A type of which a [`Form`] may be.
pub(crate) trait Formed: Kept + PartialEq {
    const IS: Kind;

    fn into_form(self) -> Form;
}

macro_rules! formed {
    ($($kind:ident)*) => {$(
        impl Formed for $kind {
            const IS: Kind = Kind::$kind;

            fn into_form(self) -> Form {
                Form::$kind(Box::new(self))
            }
        }
    )*};
}

formed!(Ingress IngressClass Service EndpointSlice Pod Secret);

pub(crate) fn name_of<T: Formed>(object: &T) -> ObjectName {
    let metadata = object.metadata();
    ObjectName::new(
        T::IS,
        metadata.namespace.as_deref().unwrap_or_default(),
        metadata.name.as_deref().unwrap_or_default(),
    )
}

/// What comes out of a watch.
pub(crate) trait Watched {
    /// What of it is kept.
    fn form(self) -> Form;
}

impl Watched for Ingress {
    fn form(mut self) -> Form {
        self.metadata = slim(self.metadata);
        self.status = None;
        self.into_form()
    }
}

impl Watched for IngressClass {
    fn form(mut self) -> Form {
        self.metadata = slim(self.metadata);
        self.into_form()
    }
}

impl Watched for Service {
    fn form(mut self) -> Form {
        self.metadata = slim(self.metadata);
        self.status = None;
        self.into_form()
    }
}

impl Watched for EndpointSlice {
    fn form(mut self) -> Form {
        self.metadata = slim(self.metadata);
        self.metadata.annotations = None;
        self.endpoints.iter_mut().flatten().for_each(slim_endpoint);
        self.into_form()
    }
}

/// Where an endpoint runs decides nothing here; there may be a hundred thousand of them.
fn slim_endpoint(endpoint: &mut Endpoint) {
    endpoint.hints = None;
    endpoint.node_name = None;
    endpoint.zone = None;
    endpoint.deprecated_topology = None;
    if let Some(target) = &mut endpoint.target_ref {
        target.uid = None;
        target.resource_version = None;
    }
}

impl Watched for PartialObjectMeta<Pod> {
    fn form(self) -> Form {
        let mut metadata = slim(self.metadata);
        metadata.annotations = None;
        let pod = Pod {
            metadata,
            ..Pod::default()
        };
        pod.into_form()
    }
}

impl Watched for Secret {
    fn form(mut self) -> Form {
        self.metadata = slim(self.metadata);
        self.into_form()
    }
}

fn slim(metadata: ObjectMeta) -> ObjectMeta {
    let annotations = metadata.annotations.map(|mut annotations| {
        annotations.remove(LAST_APPLIED);
        annotations.remove(&format!("{HALDANE}{STATUS}"));
        annotations.remove(&format!("{HALDANE}{EVIDENCE}"));
        annotations
    });
    ObjectMeta {
        name: metadata.name,
        namespace: metadata.namespace,
        uid: metadata.uid,
        labels: metadata.labels,
        annotations: annotations.filter(|annotations| !annotations.is_empty()),
        creation_timestamp: metadata.creation_timestamp,
        ..ObjectMeta::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ingress(annotations: &[(&str, &str)], version: &str) -> Ingress {
        let pairs = annotations.iter();
        let annotations = pairs.map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let mut ingress = Ingress::default();
        ingress.metadata.name = Some("web".to_owned());
        ingress.metadata.resource_version = Some(version.to_owned());
        ingress.metadata.annotations = Some(annotations.collect());
        ingress
    }

    #[test]
    fn an_earlier_form_has_what_was_decided_since() {
        let key = "haldane.dev/rollout-state";
        let held = || ingress(&[(key, "50 %"), ("haldane.dev/weights", "a=1")], "7").form();
        let state = |form: &Form| form.metadata().annotations.as_ref()?.get(key).cloned();
        let with = |present: Option<&Ingress>| {
            let present = present.map(|present| &present.metadata);
            state(&held().with_decisions_of(present))
        };
        let aborted = ingress(&[(key, "aborted")], "8");
        assert_eq!(with(Some(&aborted)).as_deref(), Some("aborted"));
        assert_eq!(with(Some(&ingress(&[], "9"))), None);
        assert_eq!(with(None).as_deref(), Some("50 %"));
    }

    #[test]
    fn our_own_status_changes_nothing() {
        let before = ingress(&[], "7").form();
        let status = [("haldane.dev/status", "{}"), (LAST_APPLIED, "{}")];
        assert_eq!(ingress(&status, "8").form(), before);
        let changed = [("haldane.dev/weights", "a=1")];
        assert_ne!(ingress(&changed, "9").form(), before);
    }
}

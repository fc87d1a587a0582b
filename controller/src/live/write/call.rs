//! The calls themselves: what is sent for each kind of write, and what an answer means.

use crate::annotations::HALDANE;
use crate::live::addresses::Gift;
use crate::live::book::Entry;
use crate::live::events;
use crate::live::form::STATUS;
use crate::live::memory::Place;
use crate::live::metrics::Written;
use crate::live::name::{Kind, ObjectName};
use crate::live::parts::Fault;
use crate::live::rollouts::told::Told;
use crate::live::said::said;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::{ConfigMap, Service};
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::api::networking::v1::Ingress;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::jiff::Timestamp;
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::fmt::Debug;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::timeout;

/// Who owns the fields that are written here.
const FIELD_MANAGER: &str = "haldane-controller";

/// How long one write may take, so that a server that hangs does not hold up all others for ever.
const CALL_MAX: Duration = Duration::from_secs(5);

/// Annotations, and who owns them.
pub(crate) struct Applied {
    /// What they are, for the log and the metrics.
    pub(crate) what: &'static str,
    pub(crate) manager: &'static str,
    pub(crate) annotations: Value,
}

/// Speaks to the API server.
pub(crate) struct Call {
    client: Client,
    /// The name of this controller, told in Events.
    identity: String,
    /// What was refused, so that it is logged once.
    refused: Mutex<HashSet<&'static str>>,
}

impl Call {
    pub(crate) fn new(client: Client, identity: String) -> Self {
        Self {
            client,
            identity,
            refused: Mutex::default(),
        }
    }

    /// Writes the status annotation of an Ingress or a Service.
    pub(super) async fn status(&self, name: &ObjectName, entry: &Entry) -> Written {
        let status = json!(entry.status).to_string();
        let annotations = json!({ format!("{HALDANE}{STATUS}"): status });
        let applied = Applied {
            what: "status",
            manager: FIELD_MANAGER,
            annotations,
        };
        self.annotate(name, &entry.uid, applied).await
    }

    /// Makes these the annotations of an Ingress or a Service that a field manager owns.
    pub(crate) async fn annotate(&self, name: &ObjectName, uid: &str, applied: Applied) -> Written {
        let what = applied.what;
        let result = match name.kind {
            Kind::Ingress => self.apply::<Ingress>(name, uid, applied).await,
            _ => self.apply::<Service>(name, uid, applied).await,
        };
        self.judged(what, result)
    }

    async fn apply<K>(
        &self,
        name: &ObjectName,
        uid: &str,
        applied: Applied,
    ) -> Result<(), CallError>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
        K: Clone + DeserializeOwned + Debug,
    {
        let mut body = body(&K::api_version(&()), name, uid);
        body["metadata"]["annotations"] = applied.annotations;
        let api = Api::<K>::namespaced(self.client.clone(), &name.namespace);
        let (how, body) = (
            PatchParams::apply(applied.manager).force(),
            Patch::Apply(body),
        );
        in_time(api.patch_metadata(&name.name, &how, &body)).await?;
        Ok(())
    }

    /// The object as the API server has it now, whatever a watch has told of it: what another controller wrote last is in
    /// it. `None` if there is none.
    pub(crate) async fn fresh(&self, name: &ObjectName) -> Result<Option<ObjectMeta>, CallError> {
        match name.kind {
            Kind::Ingress => self.read::<Ingress>(name).await,
            _ => self.read::<Service>(name).await,
        }
    }

    async fn read<K>(&self, name: &ObjectName) -> Result<Option<ObjectMeta>, CallError>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
        K: Clone + DeserializeOwned + Debug,
    {
        let api = Api::<K>::namespaced(self.client.clone(), &name.namespace);
        let one = ListParams::default().fields(&format!("metadata.name={}", name.name));
        let found = in_time(api.list_metadata(&one)).await?;
        Ok(found.items.into_iter().next().map(|found| found.metadata))
    }

    /// Writes where an Ingress is reached.
    pub(super) async fn addresses(&self, name: &ObjectName, gift: &Gift) -> Written {
        let mut body = body("networking.k8s.io/v1", name, &gift.uid);
        body["status"] = json!({ "loadBalancer": { "ingress": gift.addresses } });
        let how = PatchParams::apply(FIELD_MANAGER).force();
        let api = Api::<Ingress>::namespaced(self.client.clone(), &name.namespace);
        let result = in_time(api.patch_status(&name.name, &how, &Patch::Apply(body))).await;
        self.judged("addresses", result)
    }

    /// Tells a problem, unless it has been told already.
    pub(super) async fn event(&self, fault: &Fault) -> Written {
        let event = events::event(fault, &self.identity, Timestamp::now());
        self.create(&fault.object.namespace, &event).await
    }

    /// Tells what happened to a rollout, unless it has been told already.
    pub(crate) async fn notice(&self, told: &Told) -> Written {
        let event = told.event(&self.identity, Timestamp::now());
        self.create(&told.object.namespace, &event).await
    }

    async fn create(&self, namespace: &str, event: &Event) -> Written {
        let api = Api::<Event>::namespaced(self.client.clone(), namespace);
        let result = in_time(api.create(&PostParams::default(), event)).await;
        match result {
            // This process before us, or another, told it already.
            Err(CallError::Api(kube::Error::Api(status))) if status.code == 409 => Written::Done,
            result => self.judged("event", result),
        }
    }

    /// Reads a ConfigMap, which may not be there.
    pub(crate) async fn config_map(&self, place: &Place) -> Result<Option<ConfigMap>, Written> {
        let api = Api::<ConfigMap>::namespaced(self.client.clone(), &place.namespace);
        let found = in_time(api.get_opt(&place.name)).await;
        found.map_err(|error| self.judged::<()>("held", Err(error)))
    }

    /// Writes one key of a ConfigMap.
    pub(crate) async fn remember(&self, place: &Place, key: &str, text: &str) -> Written {
        let api = Api::<ConfigMap>::namespaced(self.client.clone(), &place.namespace);
        let how = PatchParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let body = Patch::Merge(json!({ "data": { key: text } }));
        let result = in_time(api.patch_metadata(&place.name, &how, &body)).await;
        self.judged("held", result)
    }

    fn judged<T>(&self, what: &'static str, result: Result<T, CallError>) -> Written {
        let Err(error) = result else {
            return Written::Done;
        };
        let written = error.written();
        if written != Written::Forbidden || self.is_new(what) {
            tracing::warn!(what, %error, ?written, "the API server does not do what it is asked");
        }
        written
    }

    /// Whether this was not refused before.
    fn is_new(&self, what: &'static str) -> bool {
        let refused = self.refused.lock();
        refused.unwrap_or_else(PoisonError::into_inner).insert(what)
    }
}

/// With its uid, an object that was deleted meanwhile is not made anew.
fn body(version: &str, name: &ObjectName, uid: &str) -> Value {
    json!({
        "apiVersion": version,
        "kind": name.kind.as_str(),
        "metadata": { "namespace": name.namespace, "name": name.name, "uid": uid },
    })
}

/// A call to the API server that does not hang.
pub(crate) async fn in_time<T>(
    call: impl Future<Output = kube::Result<T>>,
) -> Result<T, CallError> {
    let answered = timeout(CALL_MAX, call).await;
    Ok(answered.map_err(|_| CallError::Slow)??)
}

/// Why a write came to nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    #[error("the API server takes longer than {CALL_MAX:?}")]
    Slow,
    #[error("{}", said(.0))]
    Api(#[from] kube::Error),
}

impl CallError {
    /// The status that the API server answered with, if it answered.
    pub(crate) fn code(&self) -> Option<u16> {
        match self {
            Self::Api(kube::Error::Api(status)) => Some(status.code),
            Self::Slow | Self::Api(_) => None,
        }
    }

    /// What follows from it.
    fn written(&self) -> Written {
        match self {
            Self::Api(kube::Error::Api(status)) => match status.code {
                403 => Written::Forbidden,
                // It is gone, is another object by now, or is not taken in this form: no other try helps.
                400 | 404 | 409 | 410 | 422 => Written::Refused,
                _ => Written::Failed,
            },
            Self::Slow | Self::Api(_) => Written::Failed,
        }
    }
}

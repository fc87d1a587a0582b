//! The Deployment of a version that was aborted: found by the version's pods, looked at, and written to as was chosen.
//!
//! What is chosen is `crate::rollouts::cleanup`'s affair. A write holds for the very Deployment that was looked at: one that has
//! changed meanwhile is looked at anew.

use crate::live::lease::Leadership;
use crate::live::write::{CallError, in_time};
use crate::rollouts::cleanup::{
    Choice, Cleanup, Earlier, Labels, Naming, Owned, Set, Tried, agreed, scaled_down, undone,
};
use crate::versions::TEMPLATE_HASH;
use haldane_rollout::OnAbort;
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::{Pod, Service};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use kube::api::{ApiResource, DynamicObject, ListParams, Patch, PatchParams};
use kube::core::Selector;
use kube::{Api, Client};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Who owns what is written.
const FIELD_MANAGER: &str = "haldane-on-abort";
/// The annotation that numbers the revisions of a Deployment.
const REVISION: &str = "deployment.kubernetes.io/revision";
/// The most pods that are looked at, and the most ReplicaSets that they may be of: a Deployment with more is no canary's.
const PODS_MAX: u32 = 5_000;
const SETS_MAX: usize = 32;

/// What is to be done after an abort.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) namespace: String,
    /// The Service whose version was aborted.
    pub(crate) service: String,
    /// The label that names its versions.
    pub(crate) label: Option<String>,
    pub(crate) wanted: OnAbort,
    pub(crate) cleanup: Cleanup,
}

/// Does it.
#[derive(Clone)]
pub(crate) struct Cleaner {
    pub(crate) client: Client,
    pub(crate) leadership: Leadership,
}

/// Why a try has ended early.
enum Stop {
    Call(CallError),
    Said(Tried),
}

impl From<CallError> for Stop {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}

impl Stop {
    fn again(why: &str) -> Self {
        Self::Said(Tried::Again(why.to_owned()))
    }

    fn refused(why: &str) -> Self {
        Self::Said(Tried::Refused(why.to_owned()))
    }

    fn tried(self) -> Tried {
        let error = match self {
            Self::Said(tried) => return tried,
            Self::Call(error) => error,
        };
        match error.code() {
            Some(400 | 403 | 405 | 422) => Tried::Refused(error.to_string()),
            // What was there a moment ago is gone or has changed, or the API server has other things to do.
            _ => Tried::Again(error.to_string()),
        }
    }
}

impl Job {
    fn naming(&self) -> Naming<'_> {
        Naming {
            label: self.label.as_deref(),
            service: &self.service,
        }
    }
}

impl Cleaner {
    /// Tries once.
    pub(crate) async fn attempt(self, job: Job, term: Option<u64>) -> Tried {
        if job.wanted == OnAbort::Hold {
            return Tried::Needless("on-abort is hold by now".to_owned());
        }
        self.look_and_act(&job, term)
            .await
            .unwrap_or_else(Stop::tried)
    }

    async fn look_and_act(&self, job: &Job, term: Option<u64>) -> Result<Tried, Stop> {
        let pods = self.pods_of_version(job).await?;
        let Some((name, uid)) = self.owner(job, &pods).await? else {
            return Ok(Tried::Needless("it has no pods".to_owned()));
        };
        let deployments = self.api::<Deployment>(job);
        let deployment = in_time(deployments.get(&name)).await?;
        if deployment.metadata.uid.as_deref() != Some(&uid) {
            return Err(Stop::again("its Deployment is another one by now"));
        }
        let sets = self.sets(job, &deployment, &uid).await?;
        let owned = self.owned(job, &deployment, &sets).await?;
        let choice = job.cleanup.choose(job.wanted, job.naming(), &owned);
        let (patch, done) = match choice {
            Choice::Not(tried) => return Ok(tried),
            Choice::Undo(earlier) if job.cleanup.noted.as_ref() != Some(&earlier.hash) => {
                return Ok(Tried::Found(earlier));
            }
            Choice::Undo(earlier) => (template(&sets, &earlier)?, undone(&owned)),
            Choice::ScaleDown => (
                json!({ "op": "replace", "path": "/spec/replicas", "value": 0 }),
                scaled_down(&owned),
            ),
        };
        if self.leadership.term() != term {
            return Err(Stop::again("another controller leads"));
        }
        let patch = locked(&deployment, patch)?;
        let how = PatchParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PatchParams::default()
        };
        in_time(deployments.patch_metadata(&name, &how, &patch)).await?;
        Ok(Tried::Done(done))
    }

    fn api<K>(&self, job: &Job) -> Api<DynamicObject>
    where
        K: kube::Resource<DynamicType = ()>,
    {
        // What is read is written back, so nothing of it may be lost because this program does not know it.
        let resource = ApiResource::erase::<K>(&());
        Api::namespaced_with(self.client.clone(), &job.namespace, &resource)
    }

    /// The pods of the aborted version that stay.
    async fn pods_of_version(&self, job: &Job) -> Result<Vec<ObjectMeta>, Stop> {
        let services = Api::<Service>::namespaced(self.client.clone(), &job.namespace);
        let one = ListParams::default().fields(&format!("metadata.name={}", job.service));
        let found = in_time(services.list(&one)).await?;
        let spec = found
            .items
            .into_iter()
            .next()
            .and_then(|service| service.spec);
        let selector = spec.and_then(|spec| spec.selector).unwrap_or_default();
        if selector.is_empty() {
            return Err(Stop::refused("its Service selects no pods"));
        }
        let mut pods = self.pods(job, &selector.into_iter().collect()).await?;
        let naming = job.naming();
        pods.retain(|pod| {
            naming.version(&labels(pod)) == job.cleanup.canary || naming.label.is_none()
        });
        Ok(pods)
    }

    async fn pods(&self, job: &Job, selector: &Selector) -> Result<Vec<ObjectMeta>, Stop> {
        let pods = Api::<Pod>::namespaced(self.client.clone(), &job.namespace);
        let which = ListParams::default().labels_from(selector).limit(PODS_MAX);
        let found = in_time(pods.list_metadata(&which)).await?;
        if found
            .metadata
            .continue_
            .is_some_and(|token| !token.is_empty())
        {
            return Err(Stop::refused("there are too many pods to look at"));
        }
        let pods = found.items.into_iter().map(|pod| pod.metadata);
        Ok(pods
            .filter(|pod| pod.deletion_timestamp.is_none())
            .collect())
    }

    /// Name and uid of the Deployment that all these pods belong to.
    async fn owner(
        &self,
        job: &Job,
        pods: &[ObjectMeta],
    ) -> Result<Option<(String, String)>, Stop> {
        let sets: Option<BTreeSet<_>> = pods
            .iter()
            .map(|pod| controller(pod, "ReplicaSet"))
            .collect();
        let sets = sets.ok_or_else(|| Stop::refused("not all of its pods are of a ReplicaSet"))?;
        if sets.len() > SETS_MAX {
            return Err(Stop::refused("its pods are of too many ReplicaSets"));
        }
        let mut owners = Vec::new();
        for (name, _) in sets {
            let set = in_time(self.api::<ReplicaSet>(job).get(&name)).await?;
            owners.push(controller(&set.metadata, "Deployment"));
        }
        agreed(owners).map_err(|()| Stop::refused("not all of its pods are of one Deployment"))
    }

    async fn sets(
        &self,
        job: &Job,
        deployment: &DynamicObject,
        uid: &str,
    ) -> Result<Vec<DynamicObject>, Stop> {
        let which = ListParams::default().labels_from(&selector(deployment)?);
        let found = in_time(self.api::<ReplicaSet>(job).list(&which)).await?;
        let is_ours = |set: &DynamicObject| {
            controller(&set.metadata, "Deployment").is_some_and(|(_, owner)| owner == uid)
        };
        Ok(found.items.into_iter().filter(is_ours).collect())
    }

    async fn owned(
        &self,
        job: &Job,
        deployment: &DynamicObject,
        sets: &[DynamicObject],
    ) -> Result<Owned, Stop> {
        let pods = self.pods(job, &selector(deployment)?).await?;
        let is_set = |uid: &str| {
            sets.iter()
                .any(|set| set.metadata.uid.as_deref() == Some(uid))
        };
        let is_ours = |pod: &ObjectMeta| {
            controller(pod, "ReplicaSet").is_some_and(|(_, owner)| is_set(&owner))
        };
        let pods = pods.iter().filter(|pod| is_ours(pod));
        let data = &deployment.data;
        let observed = data["status"]["observedGeneration"].as_i64();
        Ok(Owned {
            name: deployment.metadata.name.clone().unwrap_or_default(),
            replicas: data["spec"]["replicas"].as_i64().unwrap_or(1),
            paused: data["spec"]["paused"] == true,
            observed: observed.is_some() && observed >= deployment.metadata.generation,
            sets: sets.iter().map(set).collect(),
            pods: pods
                .map(|pod| (pod.name.clone().unwrap_or_default(), labels(pod)))
                .collect(),
        })
    }
}

/// Which pods and ReplicaSets a Deployment may own.
fn selector(deployment: &DynamicObject) -> Result<Selector, Stop> {
    let written = deployment.data["spec"]["selector"].clone();
    let written = serde_json::from_value::<LabelSelector>(written).ok();
    let selector = written.and_then(|written| Selector::try_from(written).ok());
    selector.ok_or_else(|| Stop::refused("the selector of its Deployment cannot be understood"))
}

fn set(found: &DynamicObject) -> Set {
    let annotations = found.metadata.annotations.as_ref();
    let revision = annotations.and_then(|all| all.get(REVISION)?.parse().ok());
    let labels = found.data["spec"]["template"]["metadata"]["labels"].clone();
    Set {
        revision: revision.unwrap_or(0),
        labels: serde_json::from_value(labels).unwrap_or_default(),
    }
}

/// What puts the template of a ReplicaSet into its Deployment.
fn template(sets: &[DynamicObject], earlier: &Earlier) -> Result<Value, Stop> {
    let found = sets.iter().find(|found| set(found).hash() == earlier.hash);
    let found = found.ok_or_else(|| Stop::again("its ReplicaSet is gone"))?;
    let mut template = found.data["spec"]["template"].clone();
    if let Some(labels) = template["metadata"]["labels"].as_object_mut() {
        // The Deployment's own controller adds it.
        labels.remove(TEMPLATE_HASH);
    }
    Ok(json!({ "op": "replace", "path": "/spec/template", "value": template }))
}

/// A patch that is refused where the object is another than it was.
fn locked(object: &DynamicObject, change: Value) -> Result<Patch<()>, Stop> {
    let version = &object.metadata.resource_version;
    let lock = json!({ "op": "replace", "path": "/metadata/resourceVersion", "value": version });
    let patch = serde_json::from_value(json!([lock, change]));
    Ok(Patch::Json(patch.map_err(|_| {
        Stop::refused("the change cannot be written")
    })?))
}

/// Name and uid of what has made an object, if it is of this kind.
fn controller(metadata: &ObjectMeta, kind: &str) -> Option<(String, String)> {
    let mut owners = metadata.owner_references.iter().flatten();
    let owner = owners.find(|owner| owner.controller == Some(true) && owner.kind == kind)?;
    Some((owner.name.clone(), owner.uid.clone()))
}

fn labels(metadata: &ObjectMeta) -> Labels {
    metadata.labels.clone().unwrap_or_default()
}

//! Pods that are gone while an EndpointSlice still names them.
//!
//! Pods and EndpointSlices are watched apart. A Pod's labels name the version of its endpoint, so they are kept until no
//! EndpointSlice names the Pod: otherwise each Pod that ends would make an endpoint without a version for a moment.

use super::name::{Kind, ObjectName};
use crate::objects::{Described as _, Objects, Sourced};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use std::collections::{BTreeSet, HashSet};

/// There are never more of them than endpoints.
#[derive(Debug, Default)]
pub(crate) struct Leaving(BTreeSet<ObjectName>);

impl Leaving {
    /// A Pod was deleted.
    pub(crate) fn add(&mut self, pod: ObjectName) {
        self.0.insert(pod);
    }

    /// There is a Pod of this name again.
    pub(crate) fn forget(&mut self, pod: &ObjectName) {
        self.0.remove(pod);
    }

    /// Those that no EndpointSlice names any more.
    pub(crate) fn gone(&mut self, objects: &Objects) -> Vec<ObjectName> {
        if self.0.is_empty() {
            return Vec::new();
        }
        let named: HashSet<_> = objects.endpoint_slices.iter().flat_map(pods_of).collect();
        let is_named = |pod: &ObjectName| named.contains(&(&*pod.namespace, &*pod.name));
        self.0.extract_if(.., |pod| !is_named(pod)).collect()
    }
}

fn pods_of(slice: &Sourced<EndpointSlice>) -> impl Iterator<Item = (&str, &str)> {
    let endpoints = slice.object.endpoints.iter().flatten();
    let targets = endpoints.filter_map(|endpoint| endpoint.target_ref.as_ref());
    let pods = targets.filter(|target| target.kind.as_deref() == Some(Kind::Pod.as_str()));
    pods.filter_map(|pod| Some((slice.namespace(), pod.name.as_deref()?)))
}

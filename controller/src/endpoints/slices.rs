//! Endpoints from EndpointSlices.

use super::{Member, Scene, port_number, socket};
use crate::annotations::values::is_dns_name;
use crate::objects::{Described, Sourced};
use crate::problem::Problem;
use haldane_routing::spec::{Address, EndpointSpec, EndpointState};
use k8s_openapi::api::core::v1::{Pod, ServicePort};
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointConditions, EndpointSlice};
use std::collections::BTreeMap;

pub(super) fn members<'a>(
    scene: Scene<'_, 'a>,
    slices: &[&'a Sourced<EndpointSlice>],
    port: &ServicePort,
    problems: &mut Vec<Problem>,
) -> Vec<Member<'a>> {
    let mut members = Vec::new();
    for slice in slices {
        let reader = SliceReader { scene, slice };
        members.extend(reader.members(port, problems));
    }
    warn_unmatched(slices, port, problems);
    members
}

/// Slices without the port's name are most often written by hand: there the name must be the Service port's.
fn warn_unmatched(
    slices: &[&Sourced<EndpointSlice>],
    port: &ServicePort,
    problems: &mut Vec<Problem>,
) {
    let Some(first) = slices.first() else { return };
    if slices
        .iter()
        .all(|slice| number(&slice.object, port).is_none())
    {
        let name = port.name.as_deref().unwrap_or_default();
        let message = format!(
            "no EndpointSlice of this Service has a TCP port named {name:?}, as its Service port {} is",
            port.port
        );
        problems.push(first.subject().at("ports").warning(message));
    }
}

/// The port of a slice that stands for a Service port: the one of the same name.
fn number(slice: &EndpointSlice, port: &ServicePort) -> Option<u16> {
    let name = |name: &Option<String>| name.clone().unwrap_or_default();
    let is_tcp =
        |protocol: &Option<String>| protocol.as_deref().is_none_or(|protocol| protocol == "TCP");
    let mut ports = slice.ports.iter().flatten();
    let found =
        ports.find(|found| name(&found.name) == name(&port.name) && is_tcp(&found.protocol))?;
    port_number(found.port?)
}

struct SliceReader<'s, 'a> {
    scene: Scene<'s, 'a>,
    slice: &'a Sourced<EndpointSlice>,
}

impl<'a> SliceReader<'_, 'a> {
    fn members(&self, port: &ServicePort, problems: &mut Vec<Problem>) -> Vec<Member<'a>> {
        let slice = &self.slice.object;
        let Some(number) = number(slice, port) else {
            return Vec::new();
        };
        let endpoints = slice.endpoints.iter().flatten().enumerate();
        endpoints
            .flat_map(|(index, endpoint)| self.endpoint(index, endpoint, number, problems))
            .collect()
    }

    fn endpoint(
        &self,
        index: usize,
        endpoint: &'a Endpoint,
        port: u16,
        problems: &mut Vec<Problem>,
    ) -> Vec<Member<'a>> {
        let Some(state) = state(endpoint.conditions.as_ref()) else {
            return Vec::new();
        };
        let mut members = Vec::new();
        for address in &endpoint.addresses {
            let pod = self.pod(endpoint, address);
            match self.address(address, port) {
                Ok(found) => members.push(Member {
                    endpoint: EndpointSpec {
                        address: found,
                        state,
                    },
                    labels: self.labels(pod),
                    born: pod.and_then(Described::created),
                }),
                Err(reason) => {
                    let field = format!("endpoints[{index}].addresses");
                    problems.push(self.slice.subject().at(field).warning(reason));
                }
            }
        }
        members
    }

    fn address(&self, address: &str, port: u16) -> Result<Address, String> {
        match self.slice.object.address_type.as_str() {
            "FQDN" if !self.scene.options.allow_external_name => {
                Err("host names as endpoints are not allowed; it is left out".to_owned())
            }
            "FQDN" if is_dns_name(address) => Ok(Address::Name(address.to_owned(), port)),
            "FQDN" => Err(format!("{address:?} is not a host name; it is left out")),
            _ => socket(address, port, self.scene.options).map(Address::Socket),
        }
    }

    fn pod(&self, endpoint: &Endpoint, address: &str) -> Option<&'a Sourced<Pod>> {
        let lookup = self.scene.lookup;
        let namespace = self.slice.namespace();
        let target = endpoint
            .target_ref
            .as_ref()
            .filter(|target| target.kind.as_deref() == Some("Pod"));
        let named = target.and_then(|target| lookup.pod(namespace, target.name.as_deref()?));
        named.or_else(|| lookup.pod_at(namespace, address))
    }

    /// The pod's labels; without a cluster, a slice may stand for its pods and carry their labels itself. (In a cluster
    /// its labels are copies of the Service's and say nothing about versions.)
    fn labels(&self, pod: Option<&'a Sourced<Pod>>) -> Option<&'a BTreeMap<String, String>> {
        match pod {
            Some(pod) => pod.object.metadata.labels.as_ref(),
            None if self.scene.options.standalone => self.slice.object.metadata.labels.as_ref(),
            None => None,
        }
    }
}

/// KEP-1669: a ready endpoint takes new requests; one that is terminating but still serves is the last resort; any other
/// takes none. What is not said counts as ready, serving as ready.
fn state(conditions: Option<&EndpointConditions>) -> Option<EndpointState> {
    let ready = conditions
        .and_then(|conditions| conditions.ready)
        .unwrap_or(true);
    let serving = conditions
        .and_then(|conditions| conditions.serving)
        .unwrap_or(ready);
    let terminating = conditions
        .and_then(|conditions| conditions.terminating)
        .unwrap_or(false);
    match (ready, serving, terminating) {
        (true, _, false) => Some(EndpointState::Ready),
        (_, true, true) => Some(EndpointState::Terminating),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_decide_as_in_kube_proxy() {
        let cases = [
            ((None, None, None), Some(EndpointState::Ready)),
            (
                (Some(true), Some(true), Some(false)),
                Some(EndpointState::Ready),
            ),
            ((Some(false), Some(false), Some(false)), None),
            (
                (Some(false), Some(true), Some(true)),
                Some(EndpointState::Terminating),
            ),
            ((Some(false), Some(false), Some(true)), None),
            ((Some(false), None, Some(true)), None),
            ((Some(false), Some(true), Some(false)), None),
        ];
        for ((ready, serving, terminating), expected) in cases {
            let conditions = EndpointConditions {
                ready,
                serving,
                terminating,
            };
            assert_eq!(state(Some(&conditions)), expected, "{conditions:?}");
        }
        assert_eq!(state(None), Some(EndpointState::Ready));
    }
}

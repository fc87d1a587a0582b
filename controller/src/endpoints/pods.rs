//! Endpoints from Pods, where there is no cluster to write EndpointSlices.

use super::{Member, Scene, port_number, socket};
use crate::lookup::addresses;
use crate::objects::{Described, Sourced};
use crate::problem::Problem;
use haldane_routing::spec::{Address, EndpointSpec, EndpointState};
use k8s_openapi::api::core::v1::{Pod, Service, ServicePort};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use std::collections::BTreeMap;

/// The Pods that the Service's selector selects; without a selector, none.
pub(super) fn members<'a>(
    scene: Scene<'_, 'a>,
    service: &'a Sourced<Service>,
    port: &ServicePort,
    problems: &mut Vec<Problem>,
) -> Vec<Member<'a>> {
    let spec = service.object.spec.as_ref();
    let selector = spec
        .and_then(|spec| spec.selector.as_ref())
        .filter(|selector| !selector.is_empty());
    let unready_too = spec
        .and_then(|spec| spec.publish_not_ready_addresses)
        .unwrap_or(false);
    let Some(selector) = selector else {
        return Vec::new();
    };
    let pods = scene
        .lookup
        .pods(service.namespace())
        .iter()
        .filter(|pod| selects(selector, pod));
    pods.flat_map(|pod| of_pod(scene, pod, port, unready_too, problems))
        .collect()
}

fn selects(selector: &BTreeMap<String, String>, pod: &Sourced<Pod>) -> bool {
    selector
        .iter()
        .all(|(key, value)| pod.label(key) == Some(value))
}

fn of_pod<'a>(
    scene: Scene<'_, 'a>,
    pod: &'a Sourced<Pod>,
    port: &ServicePort,
    unready_too: bool,
    problems: &mut Vec<Problem>,
) -> Vec<Member<'a>> {
    let Some(state) = state(&pod.object, unready_too) else {
        return Vec::new();
    };
    let Some(number) = number(&pod.object, port) else {
        let message =
            "no container has the port that its Service names as targetPort; it gets no requests";
        problems.push(pod.subject().at("spec.containers").warning(message));
        return Vec::new();
    };
    let mut members = Vec::new();
    for address in addresses(&pod.object) {
        match socket(address, number, scene.options) {
            Ok(address) => members.push(Member {
                endpoint: EndpointSpec {
                    address: Address::Socket(address),
                    state,
                },
                labels: pod.object.metadata.labels.as_ref(),
                born: pod.created(),
            }),
            Err(reason) => problems.push(pod.subject().at("status.podIP").warning(reason)),
        }
    }
    members
}

/// A port name is looked up pod by pod: pods may serve it on different numbers.
fn number(pod: &Pod, port: &ServicePort) -> Option<u16> {
    match &port.target_port {
        None => port_number(port.port),
        Some(IntOrString::Int(number)) => port_number(*number),
        Some(IntOrString::String(name)) => named(pod, name),
    }
}

fn named(pod: &Pod, name: &str) -> Option<u16> {
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    let mut ports = containers.flat_map(|container| container.ports.iter().flatten());
    let found = ports.find(|port| port.name.as_deref() == Some(name))?;
    port_number(found.container_port)
}

/// A pod that says nothing about itself is ready; one that is deleted serves until it ends; one that ended does not.
fn state(pod: &Pod, unready_too: bool) -> Option<EndpointState> {
    let status = pod.status.as_ref()?;
    let mut conditions = status.conditions.iter().flatten();
    let ready = conditions
        .find(|condition| condition.type_ == "Ready")
        .is_none_or(|condition| condition.status == "True");
    let ended = matches!(status.phase.as_deref(), Some("Succeeded" | "Failed"));
    match (
        ended,
        ready || unready_too,
        pod.metadata.deletion_timestamp.is_some(),
    ) {
        (true, _, _) | (_, false, _) => None,
        (false, true, true) => Some(EndpointState::Terminating),
        (false, true, false) => Some(EndpointState::Ready),
    }
}

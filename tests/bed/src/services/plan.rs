//! Which address leads where, and which name means what: worked out from Services and EndpointSlices alone.

use crate::network;
use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointSlice};
use kube::ResourceExt as _;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// The label by which a slice belongs to a Service.
const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// All of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// Endpoints by the address that leads to them.
    pub(super) forwards: BTreeMap<SocketAddr, Vec<SocketAddr>>,
    /// Addresses by name, as `name.namespace`.
    pub(super) names: BTreeMap<String, Vec<IpAddr>>,
}

impl Plan {
    pub(super) fn of(services: &[Arc<Service>], slices: &[Arc<EndpointSlice>]) -> Self {
        let mut plan = Self::default();
        for service in services {
            let Some(spec) = &service.spec else { continue };
            let own = slices.iter().filter(|slice| belongs(slice, service));
            plan.add(
                service,
                spec,
                &own.map(|slice| &**slice).collect::<Vec<_>>(),
            );
        }
        plan
    }

    fn add(&mut self, service: &Service, spec: &ServiceSpec, slices: &[&EndpointSlice]) {
        let cluster_ip = spec.cluster_ip.as_deref().and_then(|ip| ip.parse().ok());
        let name = format!(
            "{}.{}",
            service.name_any(),
            service.namespace().unwrap_or_default()
        );
        let meant = match cluster_ip {
            Some(ip) => vec![ip],
            // Headless: the pods themselves.
            None => chosen(slices)
                .into_iter()
                .flat_map(|(_, endpoint)| addresses(endpoint))
                .collect(),
        };
        self.names.insert(name, meant);
        for port in spec.ports.iter().flatten() {
            let endpoints = endpoints(slices, port);
            for from in fronts(service, cluster_ip, port) {
                self.forwards.insert(from, endpoints.clone());
            }
        }
    }
}

/// Whether a Service waits for a load balancer to give it an address.
pub(super) fn wants_balancer(service: &Service) -> bool {
    let kind = service.spec.as_ref().and_then(|spec| spec.type_.as_deref());
    kind == Some("LoadBalancer") && balanced(service).is_none()
}

fn balanced(service: &Service) -> Option<IpAddr> {
    let status = service.status.as_ref()?.load_balancer.as_ref()?;
    status.ingress.as_ref()?.first()?.ip.as_ref()?.parse().ok()
}

fn belongs(slice: &EndpointSlice, service: &Service) -> bool {
    slice.namespace() == service.namespace()
        && slice.labels().get(SERVICE_NAME) == service.metadata.name.as_ref()
}

/// The addresses that one port of a Service has.
fn fronts(service: &Service, cluster_ip: Option<IpAddr>, port: &ServicePort) -> Vec<SocketAddr> {
    let at = |ip: Option<IpAddr>, port: Option<i32>| {
        Some(SocketAddr::new(ip?, u16::try_from(port?).ok()?))
    };
    let node_port = port.node_port.filter(|port| *port != 0);
    [
        at(cluster_ip, Some(port.port)),
        at(balanced(service), Some(port.port)),
        at(Some(network::NODE), node_port),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Ready endpoints; where there is none, those that still serve while they end. kube-proxy does the same (KEP-1669).
fn chosen<'s>(slices: &[&'s EndpointSlice]) -> Vec<(&'s EndpointSlice, &'s Endpoint)> {
    let of_slice = |slice: &&'s EndpointSlice| {
        let slice = *slice;
        slice
            .endpoints
            .iter()
            .flatten()
            .map(move |endpoint| (slice, endpoint))
    };
    let mut all: Vec<_> = slices.iter().flat_map(of_slice).collect();
    if all.iter().any(|(_, endpoint)| is_ready(endpoint)) {
        all.retain(|(_, endpoint)| is_ready(endpoint));
    } else {
        all.retain(|(_, endpoint)| serves(endpoint));
    }
    all
}

fn is_ready(endpoint: &Endpoint) -> bool {
    let conditions = endpoint.conditions.as_ref();
    conditions
        .and_then(|conditions| conditions.ready)
        .unwrap_or(true)
}

fn serves(endpoint: &Endpoint) -> bool {
    let conditions = endpoint.conditions.as_ref();
    conditions
        .and_then(|conditions| conditions.serving)
        .unwrap_or(false)
}

fn addresses(endpoint: &Endpoint) -> impl Iterator<Item = IpAddr> {
    endpoint
        .addresses
        .iter()
        .filter_map(|address| address.parse().ok())
}

fn endpoints(slices: &[&EndpointSlice], port: &ServicePort) -> Vec<SocketAddr> {
    let at_port = |(slice, endpoint): (&EndpointSlice, &Endpoint)| {
        let port = target_port(slice, port)?;
        let found: Vec<_> = addresses(endpoint)
            .map(|address| SocketAddr::new(address, port))
            .collect();
        Some(found)
    };
    chosen(slices)
        .into_iter()
        .filter_map(at_port)
        .flatten()
        .collect()
}

/// What a port of a Service is in a slice: the port of the same name.
fn target_port(slice: &EndpointSlice, port: &ServicePort) -> Option<u16> {
    let name = |name: &Option<String>| name.clone().unwrap_or_default();
    let mut ports = slice.ports.iter().flatten();
    let found = ports.find(|known| name(&known.name) == name(&port.name))?;
    u16::try_from(found.port?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn service(spec: Value) -> Vec<Arc<Service>> {
        let service = json!({ "metadata": { "name": "web", "namespace": "shop" }, "spec": spec });
        vec![Arc::new(serde_json::from_value(service).unwrap())]
    }

    /// Endpoints 10.244.0.1 and so on, each in a slice of its own, ready (`r`), serving while it ends (`s`) or neither.
    fn slices(states: &str) -> Vec<Arc<EndpointSlice>> {
        let slice = |(index, state): (usize, char)| {
            let conditions = json!({ "ready": state == 'r', "serving": state != '-' });
            let slice = json!({
                "metadata": { "name": format!("web-{index}"), "namespace": "shop", "labels": { SERVICE_NAME: "web" } },
                "addressType": "IPv4",
                "ports": [{ "name": "http", "port": 8080 }],
                "endpoints": [{ "addresses": [format!("10.244.0.{}", index + 1)], "conditions": conditions }],
            });
            Arc::new(serde_json::from_value(slice).unwrap())
        };
        states.chars().enumerate().map(slice).collect()
    }

    #[track_caller]
    fn check(spec: Value, states: &str, expected: &str) {
        let plan = Plan::of(&service(spec), &slices(states));
        let forwards = plan
            .forwards
            .iter()
            .map(|(from, to)| format!("{from} {to:?}; "));
        let shown = forwards.collect::<String>() + &format!("{:?}", plan.names["web.shop"]);
        assert_eq!(shown, expected);
    }

    #[test]
    fn addresses_lead_to_endpoints_that_serve() {
        let ports = json!([{ "name": "http", "port": 80 }]);
        let plain = || json!({ "clusterIP": "10.96.0.9", "ports": ports });
        check(
            plain(),
            "r-r",
            "10.96.0.9:80 [10.244.0.1:8080, 10.244.0.3:8080]; [10.96.0.9]",
        );
        check(plain(), "sr", "10.96.0.9:80 [10.244.0.2:8080]; [10.96.0.9]");
        check(plain(), "s-", "10.96.0.9:80 [10.244.0.1:8080]; [10.96.0.9]");
        check(
            json!({ "clusterIP": "None", "ports": ports }),
            "r-r",
            "[10.244.0.1, 10.244.0.3]",
        );
        let node_port = json!([{ "name": "http", "port": 80, "nodePort": 30080 }]);
        let expected =
            "10.96.0.9:80 [10.244.0.1:8080]; 10.244.255.254:30080 [10.244.0.1:8080]; [10.96.0.9]";
        check(
            json!({ "clusterIP": "10.96.0.9", "ports": node_port }),
            "r",
            expected,
        );
        check(
            json!({ "type": "ExternalName", "externalName": "example.com" }),
            "",
            "[]",
        );
    }
}

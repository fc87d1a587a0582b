//! Which backends manifests ask for: the endpoints that a laptop can play, with the names of their pods.

use super::Identity;
use haldane_controller::read_manifests;
use haldane_routing::spec::{ActionSpec, Address, TableSpec};
use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

/// The pod that listens at an address, as the manifests have it.
pub(super) fn pod_names(manifests: &[PathBuf]) -> HashMap<SocketAddr, String> {
    let (objects, _) = read_manifests(manifests);
    let mut names = HashMap::new();
    for pod in objects.pods.iter().map(|sourced| &sourced.object) {
        let address = pod
            .status
            .as_ref()
            .and_then(|status| status.pod_ip.as_ref()?.parse::<IpAddr>().ok());
        let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
        let ports = containers.flat_map(|container| container.ports.iter().flatten());
        let ports = ports.filter_map(|port| u16::try_from(port.container_port).ok());
        let name = pod.metadata.name.clone().unwrap_or_default();
        names
            .extend(ports.filter_map(|port| Some((SocketAddr::new(address?, port), name.clone()))));
    }
    names
}

/// Every loopback endpoint of the table, once, in the order of addresses. One without a pod is named after its backend.
pub(super) fn loopback_endpoints(
    table: &TableSpec,
    pods: &HashMap<SocketAddr, String>,
) -> Vec<(SocketAddr, Identity)> {
    let versions = versions(table);
    let mut found = BTreeMap::new();
    for backend in &table.backends {
        let version = versions
            .get(backend.name.as_str())
            .copied()
            .unwrap_or_default();
        for endpoint in &backend.endpoints {
            if let Address::Socket(address) = endpoint.address
                && address.ip().is_loopback()
            {
                let name = pods.get(&address).unwrap_or(&backend.name);
                found
                    .entry(address)
                    .or_insert_with(|| Identity::new(name, version));
            }
        }
    }
    found.into_iter().collect()
}

/// The version that each backend is, by the backend's name.
fn versions(table: &TableSpec) -> HashMap<&str, &str> {
    let forwards = table.rules.iter().filter_map(|rule| match &rule.action {
        ActionSpec::Forward(forward) => Some(forward),
        ActionSpec::Redirect(_) | ActionSpec::Respond { .. } => None,
    });
    let versions = forwards.flat_map(|forward| &forward.versions);
    versions
        .map(|version| (version.backend.as_str(), version.name.as_str()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use haldane_routing::spec::{
        BackendSpec, EndpointSpec, EndpointState, ForwardSpec, RuleSpec, VersionSpec,
    };

    fn endpoint(address: &str) -> EndpointSpec {
        let address = Address::Socket(address.parse().unwrap());
        EndpointSpec {
            address,
            state: EndpointState::Ready,
        }
    }

    fn table() -> TableSpec {
        let backend = "shop/web:80 1.14";
        let version = VersionSpec {
            name: "1.14".to_owned(),
            weight: 1,
            backend: backend.to_owned(),
            ..VersionSpec::default()
        };
        let forward = ForwardSpec {
            versions: vec![version],
            ..ForwardSpec::default()
        };
        let rule = RuleSpec {
            id: "shop/web".to_owned(),
            origin: haldane_routing::spec::OriginSpec::default(),
            matches: Vec::new(),
            action: ActionSpec::Forward(Box::new(forward)),
            filters: haldane_routing::spec::FiltersSpec::default(),
        };
        let endpoints = [
            "127.0.0.1:9002",
            "10.0.0.1:80",
            "127.0.0.1:9001",
            "127.0.0.1:9002",
        ]
        .map(endpoint);
        let backend = BackendSpec {
            name: backend.to_owned(),
            endpoints: endpoints.into(),
            ..BackendSpec::default()
        };
        TableSpec {
            rules: vec![rule],
            backends: vec![backend],
            ..TableSpec::default()
        }
    }

    #[test]
    fn loopback_endpoints_are_found_once_with_pod_and_version() {
        let pods = HashMap::from([("127.0.0.1:9001".parse().unwrap(), "web-1".to_owned())]);
        let found = loopback_endpoints(&table(), &pods);
        let shown: Vec<_> = found
            .iter()
            .map(|(address, identity)| format!("{address} {} {}", identity.name, identity.version))
            .collect();
        assert_eq!(
            shown,
            [
                "127.0.0.1:9001 web-1 1.14",
                "127.0.0.1:9002 shop/web:80 1.14 1.14"
            ]
        );
    }
}

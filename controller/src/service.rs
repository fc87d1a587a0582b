//! From the backend that an Ingress names to the versions behind it.

use crate::annotations::split::SplitSettings;
use crate::annotations::upstream::UpstreamSettings;
use crate::annotations::values::is_dns_name;
use crate::endpoints::{self, Scene, port_number};
use crate::lookup::{Found, KnownService};
use crate::objects::Described;
use crate::problem::{Problem, Refused, Spot};
use crate::versions::Group;
use haldane_routing::spec::{Address, EndpointSpec, EndpointState, Protocol};
use k8s_openapi::api::core::v1::{ServicePort, ServiceSpec};
use k8s_openapi::api::networking::v1::{IngressBackend, ServiceBackendPort};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use std::net::{IpAddr, SocketAddr};

/// Who asks for a backend: an Ingress, with what it says about versions and upstreams.
#[derive(Clone, Copy)]
pub(crate) struct Asker<'s> {
    pub(crate) namespace: &'s str,
    pub(crate) name: &'s str,
    pub(crate) split: &'s SplitSettings,
    pub(crate) upstream: &'s UpstreamSettings,
    /// What happens if there is no such backend.
    pub(crate) otherwise: &'static str,
}

/// A Service port, and the versions behind it.
#[derive(Clone, Debug)]
pub(crate) struct Resolved {
    pub(crate) service: String,
    /// Such as `shop/web:80`.
    pub(crate) title: String,
    /// What its backends' names end in, so that Ingresses with other wishes do not share them.
    pub(crate) variant: String,
    pub(crate) protocol: Protocol,
    pub(crate) groups: Vec<Group>,
    /// The label that names versions.
    pub(crate) label: Option<String>,
    /// Whether the pod of every ready endpoint is known.
    pub(crate) settled: bool,
    /// What Service and Ingress say about the versions.
    pub(crate) split: SplitSettings,
}

/// `None` if there is nothing to pass requests on to, which is reported.
pub(crate) fn resolve(
    scene: Scene<'_, '_>,
    asker: Asker<'_>,
    backend: &IngressBackend,
    spot: &Spot,
    problems: &mut Vec<Problem>,
) -> Option<Resolved> {
    let refuse = |reason: String| spot.error(format!("{reason}; {}", asker.otherwise));
    let Some(named) = &backend.service else {
        problems.push(refuse(
            "names no Service, and other resources are not supported".to_owned(),
        ));
        return None;
    };
    let service = match scene.lookup.service(asker.namespace, &named.name) {
        Found::Service(service) => service,
        Found::Invalid => return None,
        Found::Nothing => {
            let reason = format!("there is no Service {}/{}", asker.namespace, named.name);
            problems.push(refuse(reason));
            return None;
        }
    };
    let port = named.port.clone().unwrap_or_default();
    let resolver = Resolver {
        scene,
        asker,
        service,
    };
    let resolved = resolver.resolve(&port, problems);
    resolved
        .map_err(|reason| problems.push(refuse(reason.to_string())))
        .ok()
}

/// The versions of a port, and by what they are told apart.
struct Versions {
    groups: Vec<Group>,
    label: Option<String>,
    /// Whether the Ingress names them by another label than the Service does.
    own_label: bool,
    settled: bool,
}

impl Versions {
    /// A single one that no label names.
    fn one(group: Group) -> Self {
        Self {
            groups: vec![group],
            label: None,
            own_label: false,
            settled: true,
        }
    }
}

struct Resolver<'s, 'a> {
    scene: Scene<'s, 'a>,
    asker: Asker<'s>,
    service: &'s KnownService<'a>,
}

impl Resolver<'_, '_> {
    fn resolve(
        &self,
        port: &ServiceBackendPort,
        problems: &mut Vec<Problem>,
    ) -> Result<Resolved, Refused> {
        match self.spec().type_.as_deref() {
            Some("ExternalName") => self.external(port, problems),
            _ => self.internal(port, problems),
        }
    }

    fn internal(
        &self,
        port: &ServiceBackendPort,
        problems: &mut Vec<Problem>,
    ) -> Result<Resolved, Refused> {
        let port = self.find_port(port)?;
        let versions = if self.asker.upstream.service_upstream {
            Versions::one(self.cluster_address(port)?)
        } else {
            self.versions(port, problems)
        };
        let protocol = self.protocol(Some(port), problems);
        Ok(self.resolved(port.port, protocol, versions))
    }

    fn versions(&self, port: &ServicePort, problems: &mut Vec<Problem>) -> Versions {
        let population = self.scene.population(self.service.source, port, problems);
        let service = self.service.source.name();
        let split = self.scene.decided.named(self.split(), service);
        let label = population.label(&split);
        let shared = self
            .scene
            .decided
            .named(self.service.settings.clone(), service);
        Versions {
            own_label: label != population.label(&shared),
            groups: population.groups(label),
            label: label.map(str::to_owned),
            settled: population.is_settled(),
        }
    }

    fn external(
        &self,
        port: &ServiceBackendPort,
        problems: &mut Vec<Problem>,
    ) -> Result<Resolved, Refused> {
        let title = self.title();
        if !self.scene.options.allow_external_name {
            return Refused::because(format!(
                "Service {title} is of type ExternalName, which is not allowed here"
            ));
        }
        let name = self
            .spec()
            .external_name
            .as_deref()
            .unwrap_or_default()
            .trim_end_matches('.')
            .to_ascii_lowercase();
        if !is_dns_name(&name) || name == "localhost" || name.ends_with(".localhost") {
            return Refused::because(format!(
                "Service {title} has the externalName {name:?}, which is no host to reach"
            ));
        }
        let known = self.find_port(port).ok();
        let number = known
            .map(target_number)
            .or(port.number)
            .and_then(port_number);
        let number = number.ok_or_else(|| Refused(format!("Service {title} has no such port")))?;
        let endpoint = EndpointSpec {
            address: Address::Name(name, number),
            state: EndpointState::Ready,
        };
        let versions = Versions::one(self.single(endpoint));
        let protocol = self.protocol(known, problems);
        Ok(self.resolved(i32::from(number), protocol, versions))
    }

    fn resolved(&self, port: i32, protocol: Protocol, versions: Versions) -> Resolved {
        Resolved {
            service: self.service.source.name().to_owned(),
            title: format!("{}:{port}", self.title()),
            variant: self.variant(protocol, versions.own_label),
            protocol,
            groups: versions.groups,
            label: versions.label,
            settled: versions.settled,
            split: self.split(),
        }
    }

    fn spec(&self) -> ServiceSpec {
        self.service.source.object.spec.clone().unwrap_or_default()
    }

    fn split(&self) -> SplitSettings {
        self.asker.split.over(&self.service.settings)
    }

    fn title(&self) -> String {
        format!(
            "{}/{}",
            self.service.source.namespace(),
            self.service.source.name()
        )
    }

    fn single(&self, endpoint: EndpointSpec) -> Group {
        Group {
            endpoints: [endpoint].into(),
            ..Group::empty(self.service.source.name())
        }
    }

    /// The Service's own address, behind which kube-proxy chooses.
    fn cluster_address(&self, port: &ServicePort) -> Result<Group, Refused> {
        let refused = || {
            Refused(format!(
                "Service {} has no cluster address, which service-upstream needs",
                self.title()
            ))
        };
        let address = self.spec().cluster_ip.unwrap_or_default();
        let address: IpAddr = address.parse().map_err(|_| refused())?;
        endpoints::reachable(address, self.scene.options).map_err(|_| refused())?;
        let number = port_number(port.port).ok_or_else(refused)?;
        let address = Address::Socket(SocketAddr::new(address, number));
        Ok(self.single(EndpointSpec {
            address,
            state: EndpointState::Ready,
        }))
    }

    fn find_port(&self, wanted: &ServiceBackendPort) -> Result<&ServicePort, Refused> {
        let spec = self.service.source.object.spec.as_ref();
        let ports = || {
            spec.into_iter()
                .flat_map(|spec| spec.ports.iter().flatten())
        };
        let found = match (&wanted.name, wanted.number) {
            (Some(name), _) => ports().find(|port| port.name.as_ref() == Some(name)),
            (None, Some(number)) => ports().find(|port| port.port == number),
            (None, None) => return Refused::because("the port of the Service is missing"),
        };
        let Some(port) = found else {
            let known: Vec<_> = ports().map(port_title).collect();
            return Refused::because(format!(
                "Service {} has no such port, only {}",
                self.title(),
                known.join(", ")
            ));
        };
        match port.protocol.as_deref().unwrap_or("TCP") {
            "TCP" => Ok(port),
            other => Refused::because(format!(
                "port {} of Service {} is {other:?}, not TCP",
                port.port,
                self.title()
            )),
        }
    }

    /// The Ingress's `backend-protocol`, else the Service's `appProtocol`.
    fn protocol(&self, port: Option<&ServicePort>, problems: &mut Vec<Problem>) -> Protocol {
        let named = port.and_then(|port| port.app_protocol.as_deref());
        match (self.asker.upstream.protocol, named) {
            (Some(protocol), _) => protocol,
            (None, None) => Protocol::Http,
            (None, Some(name)) => app_protocol(name).unwrap_or_else(|| {
                let message = format!("appProtocol {name:?} is not known; HTTP/1.1 is spoken");
                problems.push(self.service.subject.at("spec.ports").warning(message));
                Protocol::Http
            }),
        }
    }

    /// Ingresses that ask for the same share a backend, and with it its connections; others get their own.
    fn variant(&self, protocol: Protocol, own_label: bool) -> String {
        let protocol = match protocol {
            Protocol::Http => "",
            Protocol::Https => " https",
            Protocol::H2c => " h2c",
            Protocol::H2 => " h2",
        };
        let upstream = self.asker.upstream;
        let own = own_label
            || upstream.service_upstream
            || upstream.tls != UpstreamSettings::default().tls;
        if own {
            format!("{protocol} for {}", self.asker.name)
        } else {
            protocol.to_owned()
        }
    }
}

fn port_title(port: &ServicePort) -> String {
    match &port.name {
        Some(name) => format!("{} ({name})", port.port),
        None => port.port.to_string(),
    }
}

fn target_number(port: &ServicePort) -> i32 {
    match port.target_port {
        Some(IntOrString::Int(number)) => number,
        _ => port.port,
    }
}

/// KEP-3726's names, and the plain ones in use before.
fn app_protocol(name: &str) -> Option<Protocol> {
    match name.to_ascii_lowercase().as_str() {
        "http" | "kubernetes.io/ws" => Some(Protocol::Http),
        "https" | "kubernetes.io/wss" => Some(Protocol::Https),
        "grpc" | "kubernetes.io/h2c" => Some(Protocol::H2c),
        _ => None,
    }
}

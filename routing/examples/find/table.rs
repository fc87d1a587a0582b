//! Tables of a size, and requests for what is in them.

use haldane_routing::RequestView;
use haldane_routing::spec::{
    ActionSpec, BackendSpec, ForwardSpec, HostSpec, MatchSpec, OriginSpec, PathSpec, RuleSpec,
    StickySpec, TableSpec, VersionSpec,
};
use http::{HeaderMap, Method};

pub(crate) fn spec(hosts: usize, paths: usize) -> TableSpec {
    let backend = |name: &str| BackendSpec {
        name: name.to_owned(),
        endpoints: vec![haldane_routing::spec::EndpointSpec {
            address: haldane_routing::spec::Address::Socket(([127, 0, 0, 1], 80).into()),
            state: haldane_routing::spec::EndpointState::Ready,
        }],
        ..BackendSpec::default()
    };
    let all = (0..hosts).flat_map(|host| (0..paths).map(move |path| rule(host, path)));
    TableSpec {
        rules: all.collect(),
        backends: vec![backend("stable"), backend("canary")],
        ..TableSpec::default()
    }
}

fn rule(host: usize, path: usize) -> RuleSpec {
    let version = |name: &str, weight| VersionSpec {
        name: name.to_owned(),
        weight,
        backend: name.to_owned(),
        ..VersionSpec::default()
    };
    let forward = ForwardSpec {
        versions: vec![version("stable", 90), version("canary", 10)],
        sticky: Some(StickySpec::Cookie("ticket".to_owned())),
        ..ForwardSpec::default()
    };
    let matched = MatchSpec {
        host: HostSpec::Exact(host_name(host)),
        path: PathSpec::Prefix(path_name(path)),
        conditions: Vec::new(),
    };
    RuleSpec {
        id: format!("{host} {path}"),
        origin: OriginSpec::default(),
        matches: vec![matched],
        action: ActionSpec::Forward(Box::new(forward)),
        filters: haldane_routing::spec::FiltersSpec::default(),
    }
}

pub(crate) fn host_name(host: usize) -> String {
    format!("shop-{host}.example.com")
}

pub(crate) fn path_name(path: usize) -> String {
    format!("/api/v1/service-{path}")
}

pub(crate) fn request<'a>(host: &'a str, path: &'a str, headers: &'a HeaderMap) -> RequestView<'a> {
    RequestView {
        method: &Method::GET,
        host,
        path,
        query: None,
        headers,
        source: std::net::IpAddr::from([127, 0, 0, 1]),
        country: None,
    }
}

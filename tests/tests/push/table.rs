//! The table that is pushed: one host, two versions, a weight each.

use haldane_routing::spec::{
    ActionSpec, Address, BackendSpec, EndpointSpec, EndpointState, ForwardSpec, HostSpec,
    MatchSpec, OriginSpec, RuleSpec, TableSpec, VersionSpec,
};
use haldane_tests::backend::Backend;
use haldane_tests::manifests::SHOP;
use haldane_wire::Generation;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

pub(crate) fn generation(term: u64, number: u64) -> Generation {
    Generation { term, number }
}

/// A backend for each version.
pub(crate) struct Versions {
    pub(crate) stable: Backend,
    pub(crate) canary: Backend,
}

impl Versions {
    pub(crate) async fn start() -> anyhow::Result<Self> {
        Self::at(Ipv4Addr::LOCALHOST.into()).await
    }

    pub(crate) async fn at(address: IpAddr) -> anyhow::Result<Self> {
        Ok(Self {
            stable: Backend::at(address, "stable").await?,
            canary: Backend::at(address, "canary").await?,
        })
    }

    /// Both, at these weights.
    pub(crate) fn table(&self, stable: u64, canary: u64) -> TableSpec {
        let versions = [
            ("stable", stable, self.stable.address()),
            ("canary", canary, self.canary.address()),
        ];
        TableSpec {
            rules: vec![rule(&versions)],
            backends: versions.iter().map(backend).collect(),
            ..TableSpec::default()
        }
    }
}

fn rule(versions: &[(&str, u64, SocketAddr)]) -> RuleSpec {
    let version = |(name, weight, _): &(&str, u64, SocketAddr)| VersionSpec {
        name: (*name).to_owned(),
        weight: *weight,
        backend: (*name).to_owned(),
        ..VersionSpec::default()
    };
    let origin = OriginSpec {
        namespace: "shop".to_owned(),
        name: "web".to_owned(),
        service: "web".to_owned(),
        created: 0,
    };
    RuleSpec {
        id: "shop/web".to_owned(),
        origin,
        matches: vec![MatchSpec {
            host: HostSpec::Exact(SHOP.to_owned()),
            ..MatchSpec::default()
        }],
        action: ActionSpec::Forward(Box::new(ForwardSpec {
            versions: versions.iter().map(version).collect(),
            ..ForwardSpec::default()
        })),
        filters: Default::default(),
    }
}

fn backend((name, _, address): &(&str, u64, SocketAddr)) -> BackendSpec {
    BackendSpec {
        name: (*name).to_owned(),
        endpoints: vec![EndpointSpec {
            address: Address::Socket(*address),
            state: EndpointState::Ready,
        }],
        ..BackendSpec::default()
    }
}

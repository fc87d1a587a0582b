//! Tables to send.

use haldane_routing::spec::{
    ActionSpec, Address, BackendSpec, CertificateSpec, EndpointSpec, EndpointState, ForwardSpec,
    OriginSpec, RuleSpec, TableSpec, VersionSpec,
};
use haldane_wire::proto::Part;
use haldane_wire::{Assembly, Candidate, Encoded, Fault, Generation};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

pub(crate) fn generation(number: u64) -> Generation {
    Generation { term: 1, number }
}

pub(crate) fn rule(name: &str, weights: &[u64]) -> RuleSpec {
    let version = |(index, weight): (usize, &u64)| VersionSpec {
        name: format!("v{index}"),
        weight: *weight,
        backend: format!("{name} v{index}"),
        ..VersionSpec::default()
    };
    RuleSpec {
        id: name.to_owned(),
        origin: OriginSpec::default(),
        matches: Vec::new(),
        action: ActionSpec::Forward(Box::new(ForwardSpec {
            versions: weights.iter().enumerate().map(version).collect(),
            ..ForwardSpec::default()
        })),
        filters: Default::default(),
    }
}

pub(crate) fn backend(name: &str, ports: &[u16]) -> BackendSpec {
    let endpoint = |port: &u16| EndpointSpec {
        address: Address::Socket(([10, 0, 0, 1], *port).into()),
        state: EndpointState::Ready,
    };
    BackendSpec {
        name: name.to_owned(),
        endpoints: ports.iter().map(endpoint).collect(),
        ..BackendSpec::default()
    }
}

fn certificate(name: &str, key_pem: String) -> CertificateSpec {
    CertificateSpec {
        name: name.to_owned(),
        hosts: vec![format!("{name}.example.com")],
        chain_pem: String::new(),
        key_pem,
    }
}

/// Tables of some objects, in the order of their names; names are shared between them so that they differ in parts.
pub(crate) fn table() -> impl Strategy<Value = TableSpec> {
    let names = || "[a-h\"\u{e9}]{1,2}";
    (
        btree_map(names(), vec(0_u64..4, 0..3), 0..12),
        btree_map(names(), vec(1_u16..4, 0..3), 0..12),
        btree_map(names(), "[ab]", 0..4),
    )
        .prop_map(|(rules, backends, certificates)| TableSpec {
            rules: rules.iter().map(|(name, w)| rule(name, w)).collect(),
            backends: backends.iter().map(|(name, p)| backend(name, p)).collect(),
            certificates: certificates
                .into_iter()
                .map(|(name, key)| certificate(&name, key))
                .collect(),
        })
}

/// A table of some megabytes.
pub(crate) fn large() -> TableSpec {
    let ports: Vec<u16> = (1..1_000).collect();
    let backends = (0..15).map(|index| backend(&format!("b{index:02}"), &ports));
    TableSpec {
        backends: backends.collect(),
        ..TableSpec::default()
    }
}

pub(crate) fn encode(table: &TableSpec) -> Encoded {
    Encoded::new(table, None).expect("the table can be sent")
}

/// Hands all parts over; the table that comes of them.
pub(crate) fn accept_all(
    assembly: &mut Assembly,
    parts: impl IntoIterator<Item = Part>,
) -> Result<Option<Candidate>, Fault> {
    let mut came = None;
    for part in parts {
        came = assembly.accept(part)?;
    }
    Ok(came)
}

/// An assembly that holds a table of generation 1.
pub(crate) fn holding(table: &TableSpec) -> Assembly {
    Assembly::holding(generation(1), table).expect("the table can be held")
}

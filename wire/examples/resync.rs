//! Measures what a proxy does with a whole table that comes in: putting it together, and building it.
//!
//! `cargo run --release -p haldane-wire --example resync`

use haldane_routing::Table;
use haldane_routing::spec::{
    ActionSpec, Address, BackendSpec, EndpointSpec, EndpointState, ForwardSpec, HostSpec,
    MatchSpec, OriginSpec, PathSpec, RuleSpec, TableSpec, VersionSpec,
};
use haldane_wire::{Assembly, Encoded, Generation};
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

/// The largest cluster that is tested.
const RULES: u32 = 10_000;
const BACKENDS: u32 = 5_000;
const ENDPOINTS_EACH: u32 = 20;
/// What other work of the machine disturbs is seen beside what it does not.
const ROUNDS: u32 = 7;

fn main() {
    let spec = spec();
    let begin = Instant::now();
    let encoded = Encoded::new(&spec, None).expect("the spec is fine");
    println!(
        "{} objects, {} bytes, encoded in {:.0?}",
        encoded.objects(),
        encoded.bytes(),
        begin.elapsed()
    );
    for _ in 0..ROUNDS {
        let [assembled, copied, built] = resync(&encoded);
        println!("put together {assembled:.0?}, copied {copied:.0?}, built {built:.0?}");
    }
}

fn resync(encoded: &Encoded) -> [Duration; 3] {
    let generation = Generation { term: 1, number: 1 };
    let mut assembly = Assembly::default();
    // Made before the clock starts: the controller does that.
    let parts: Vec<_> = encoded.whole().parts(generation).collect();
    let begin = Instant::now();
    let mut candidate = None;
    for part in parts {
        candidate = assembly.accept(part).expect("the parts are in order");
    }
    let candidate = candidate.expect("the last part makes a table");
    let assembled = begin.elapsed();
    let table = candidate.table();
    let copied = begin.elapsed();
    let built = Table::build(&table, None, 1).expect("the spec is fine");
    let all = begin.elapsed();
    assert_eq!(built.rules().len(), RULES as usize);
    [assembled, copied - assembled, all - copied]
}

fn spec() -> TableSpec {
    TableSpec {
        rules: (0..RULES).map(rule).collect(),
        backends: (0..BACKENDS).map(backend).collect(),
        ..TableSpec::default()
    }
}

fn rule(index: u32) -> RuleSpec {
    let service = format!("shop/service-{}", index % BACKENDS);
    let host = format!("shop-{}.example.com", index / 10);
    let path = format!("/api/v1/part-{}", index % 10);
    RuleSpec {
        id: format!("shop/web-{} {host} {path}", index / 10),
        origin: OriginSpec {
            namespace: "shop".to_owned(),
            name: format!("web-{}", index / 10),
            service: service.clone(),
            created: 0,
        },
        matches: vec![MatchSpec {
            host: HostSpec::Exact(host),
            path: PathSpec::Prefix(path),
            conditions: Vec::new(),
        }],
        action: ActionSpec::Forward(Box::new(ForwardSpec {
            versions: vec![VersionSpec {
                name: "1.14".to_owned(),
                weight: 1,
                backend: service,
                ..VersionSpec::default()
            }],
            ..ForwardSpec::default()
        })),
        filters: Default::default(),
    }
}

fn backend(index: u32) -> BackendSpec {
    let endpoint = |at: u32| EndpointSpec {
        address: Address::Socket(
            (
                Ipv4Addr::from(0x0a00_0000 + index * ENDPOINTS_EACH + at),
                8080,
            )
                .into(),
        ),
        state: EndpointState::Ready,
    };
    BackendSpec {
        name: format!("shop/service-{index}"),
        endpoints: (0..ENDPOINTS_EACH).map(endpoint).collect(),
        ..BackendSpec::default()
    }
}

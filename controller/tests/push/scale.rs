//! What a large table costs: bytes for one change, time for all of it, memory for many proxies.
//!
//! Little by default; `HALDANE_TEST_SCALE=100` is 10 000 rules, 5 000 backends, 100 000 endpoints and 50 proxies. With
//! `--release -- --nocapture scale` it prints what `docs/push.md` says.

use crate::fake::{Fake, Served};
use crate::tables::generation;
use haldane_routing::Table;
use haldane_routing::spec::{
    ActionSpec, Address, BackendSpec, EndpointSpec, EndpointState, ForwardSpec, HostSpec,
    MatchSpec, OriginSpec, PathSpec, RuleSpec, TableSpec, VersionSpec,
};
use haldane_wire::Assembly;
use haldane_wire::proto::{Applied, from_proxy};
use prost::Message as _;
use std::time::Instant;

const ENDPOINTS_OF_EACH: u32 = 20;

fn scale() -> u32 {
    let given = std::env::var("HALDANE_TEST_SCALE").ok();
    given.and_then(|text| text.parse().ok()).unwrap_or(1)
}

fn backend(index: u32, endpoints: u32) -> BackendSpec {
    let endpoint = |number: u32| EndpointSpec {
        address: Address::Socket(
            ([10, (index >> 8) as u8, index as u8, number as u8], 8080).into(),
        ),
        state: EndpointState::Ready,
    };
    BackendSpec {
        name: format!("team-{}/service-{index}:http 1.14", index % 100),
        endpoints: (1..=endpoints).map(endpoint).collect(),
        ..BackendSpec::default()
    }
}

fn rule(index: u32, backends: u32) -> RuleSpec {
    let service = index % backends;
    let name = format!("service-{service}");
    let host = format!("{name}.team-{}.example.com", service % 100);
    let version = VersionSpec {
        name: "1.14".to_owned(),
        weight: 1,
        backend: backend(service, 0).name,
        ..VersionSpec::default()
    };
    RuleSpec {
        id: format!("team-{}/{name} {host}/path-{index}", service % 100),
        origin: OriginSpec {
            namespace: format!("team-{}", service % 100),
            name: name.clone(),
            service: name,
            created: 1_700_000_000,
        },
        matches: vec![MatchSpec {
            host: HostSpec::Exact(host),
            path: PathSpec::Prefix(format!("/path-{index}")),
            conditions: Vec::new(),
        }],
        action: ActionSpec::Forward(Box::new(ForwardSpec {
            versions: vec![version],
            ..ForwardSpec::default()
        })),
        filters: Default::default(),
    }
}

fn table(scale: u32) -> TableSpec {
    let backends = 50 * scale;
    TableSpec {
        rules: (0..2 * backends)
            .map(|index| rule(index, backends))
            .collect(),
        backends: (0..backends)
            .map(|index| backend(index, ENDPOINTS_OF_EACH))
            .collect(),
        ..TableSpec::default()
    }
}

/// Resident memory of this process, in MiB.
fn resident_mib() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4 / 1024
}

/// Takes a change without looking at it; how many parts and bytes it had.
async fn swallow(proxy: &mut Fake) -> (usize, usize) {
    let (mut parts, mut bytes) = (0, 0);
    loop {
        let part = proxy.part().await;
        parts += 1;
        bytes += part.encoded_len();
        if part.last {
            let generation = part.generation;
            proxy
                .say(from_proxy::Message::Applied(Applied { generation }))
                .await;
            return (parts, bytes);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_change_of_a_large_table_is_small() {
    let mut table = table(scale());
    let served = Served::leading().await;
    let begun = Instant::now();
    served.publisher.publish(generation(1, 1), &table).unwrap();
    println!("the first encoding takes {:?}", begun.elapsed());

    let begun = Instant::now();
    let mut proxy = served.follow("whole").await;
    let (_, first) = proxy.change().await;
    let arrived = begun.elapsed();
    let built = Table::build(&first.table(), None, 1).unwrap();
    println!(
        "a whole table arrives in {arrived:?} and is built in {:?}",
        begun.elapsed() - arrived
    );
    proxy.apply(first).await;
    served.wait_live(generation(1, 1)).await;

    table.backends[7].endpoints.pop();
    let begun = Instant::now();
    served.publisher.publish(generation(1, 2), &table).unwrap();
    let encoded = begun.elapsed();
    let part = proxy.part().await;
    let bytes = part.encoded_len();
    let second = proxy.assembly.accept(part).unwrap().unwrap();
    let rebuilt = Table::build(&second.table(), Some(&built), 1).unwrap();
    println!(
        "one endpoint is {bytes} bytes: encoded in {encoded:?}, built after {:?}",
        begun.elapsed()
    );
    assert!(bytes < 4_096, "{bytes}");
    let endpoints = |table: &Table| -> usize {
        let backends = table.backends().iter();
        backends.map(|backend| backend.endpoints().len()).sum()
    };
    assert_eq!(endpoints(&rebuilt) + 1, endpoints(&built));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_proxies_share_one_table() {
    let count = (scale() as usize).clamp(5, 50);
    let mut table = table(scale());
    let served = Served::leading().await;
    served.publisher.publish(generation(1, 1), &table).unwrap();
    let before = resident_mib();
    let mut proxies = Vec::new();
    for index in 0..count {
        let mut proxy = served.follow(&index.to_string()).await;
        proxy.assembly = Assembly::default();
        proxies.push(proxy);
    }
    let begun = Instant::now();
    let all = futures_util::future::join_all(proxies.iter_mut().map(swallow)).await;
    let bytes: usize = all.iter().map(|(_, bytes)| bytes).sum();
    served.wait_live(generation(1, 1)).await;
    println!(
        "{count} proxies take {bytes} bytes in {:?}",
        begun.elapsed()
    );
    println!(
        "{before} MiB resident before them, {} after",
        resident_mib()
    );

    table.backends[7].endpoints.pop();
    let begun = Instant::now();
    served.publisher.publish(generation(1, 2), &table).unwrap();
    let all = futures_util::future::join_all(proxies.iter_mut().map(swallow)).await;
    served.wait_live(generation(1, 2)).await;
    println!("one endpoint reaches all in {:?}", begun.elapsed());
    assert!(
        all.iter()
            .all(|(parts, bytes)| (*parts, *bytes < 4_096) == (1, true)),
        "{all:?}"
    );
}

//! Measures what a table costs: finding a rule in a small and in a large one, choosing a version, building and rebuilding.
//! Then large tables are held against one of one route, in rounds that take turns.
//!
//! `cargo run --release -p haldane-routing --example find`

mod compare;
mod table;

use haldane_routing::{Action, Table, TicketKey};
use http::{HeaderMap, HeaderValue};
use std::hint::black_box;
use std::time::Instant;
use table::{host_name, path_name, request, spec};

const LOOKUPS: u32 = 2_000_000;

fn main() {
    let key = TicketKey::from_bytes([1; 32]);
    for (hosts, paths) in [(1, 1), (100, 10), (10_000, 10)] {
        let spec = spec(hosts, paths);
        let begin = Instant::now();
        let table = Table::build(&spec, None, 1).expect("the spec above is fine");
        let build = begin.elapsed();
        let begin = Instant::now();
        let table = Table::build(&spec, Some(&table), 1).expect("the spec above is fine");
        println!(
            "{hosts:>6} hosts x {paths:>2} paths: build {build:>8.1?}, again {:>8.1?}, find {:>5.0} ns, choose {:>5.0} ns, sticky {:>5.0} ns",
            begin.elapsed(),
            find(&table, hosts, paths),
            choose(&table, &key, &HeaderMap::new()),
            choose(&table, &key, &known_user(&table, &key)),
        );
    }
    compare::all();
}

/// Nanoseconds for one look-up, over requests spread over the table.
fn find(table: &Table, hosts: usize, paths: usize) -> f64 {
    let some = |at: usize| {
        (
            host_name(at * 7919 % hosts),
            path_name(at % paths) + "/item/1",
        )
    };
    let requests: Vec<(String, String)> = (0..1024).map(some).collect();
    let headers = HeaderMap::new();
    time(|at| {
        let (host, path) = &requests[at % requests.len()];
        let found = table.find(&request(host, path, &headers));
        assert!(black_box(found).is_some());
    })
}

/// Nanoseconds for one choice, with a ticket of the split or with a sticky user's.
fn choose(table: &Table, key: &TicketKey, headers: &HeaderMap) -> f64 {
    let Action::Forward(forward) = table.rules()[0].action() else {
        return 0.0;
    };
    let request = request("", "/", headers);
    time(|at| {
        let choice = forward.choose(&request, key, || at as u64);
        assert!(black_box(choice).is_ok());
    })
}

fn known_user(table: &Table, key: &TicketKey) -> HeaderMap {
    let Action::Forward(forward) = table.rules()[0].action() else {
        return HeaderMap::new();
    };
    let choice = forward.choose(&request("", "/", &HeaderMap::new()), key, || 0);
    let ticket = choice.ok().and_then(|choice| choice.set_ticket);
    let cookie = format!("ticket={}", ticket.unwrap_or_default());
    let value = HeaderValue::from_str(&cookie).expect("a ticket is ASCII");
    HeaderMap::from_iter([(http::header::COOKIE, value)])
}

fn time(mut once: impl FnMut(usize)) -> f64 {
    let begin = Instant::now();
    (0..LOOKUPS as usize).for_each(&mut once);
    begin.elapsed().as_secs_f64() * 1e9 / f64::from(LOOKUPS)
}

//! What a look-up in a large table costs more than in one of one route.
//!
//! Both are asked as many different requests, in memory of their own, so that what reading the requests costs is the same
//! on both sides. The two take turns, and each ratio is of one round. What is measured is CPU time, not what else runs;
//! the caches, though, are shared with whatever does.

use crate::table::{host_name, path_name, request, spec};
use haldane_routing::Table;
use http::HeaderMap;
use rustix::time::{ClockId, clock_gettime};
use std::hint::black_box;

/// Rounds of one comparison: the median does not move with a few that were disturbed.
const ROUNDS: usize = 41;
/// Look-ups of each side in a round: some 10 ms.
const LOOKUPS: usize = 100_000;
/// Routes that are asked for where few are.
const HOT: usize = 16;
/// CPU time of a whole small request (`docs/performance.md`), in ns.
const REQUEST_NS: f64 = 20_000.0;

/// A table and what it is asked, in turn.
struct Side {
    table: Table,
    requests: Vec<(String, String)>,
}

/// Prints a line for each size of table and each way to ask.
pub(crate) fn all() {
    println!("against one route, medians of {ROUNDS} rounds:");
    for (hosts, paths) in [(10_000, 1), (100, 100), (1, 10_000)] {
        for (asked, routes) in [("16 routes", HOT), ("all routes", hosts * paths)] {
            let large = Side::new(hosts, paths, routes);
            let one = Side::new(1, 1, routes);
            let (ratio, more) = compare(&one, &large);
            println!(
                "{hosts:>6} hosts x {paths:>5} paths, {asked:>10}: x {ratio:.2}, {more:+.0} ns, {:+.2} % of a request",
                more * 100.0 / REQUEST_NS
            );
        }
    }
}

impl Side {
    /// Asked for so many of its routes, or so often for the same.
    fn new(hosts: usize, paths: usize, routes: usize) -> Self {
        let all = hosts * paths;
        // A step that has no divisor in common with any size here, so that neighbours in time are none in the table.
        let route = |at: usize| at * 7_919 % all;
        let asked = |at: usize| {
            let (host, path) = (route(at) / paths, route(at) % paths);
            (host_name(host), path_name(path) + "/item/1")
        };
        Self {
            table: Table::build(&spec(hosts, paths), None, 1).expect("the spec is fine"),
            requests: (0..routes).map(asked).collect(),
        }
    }

    /// Nanoseconds for one look-up.
    fn round(&self) -> f64 {
        let headers = HeaderMap::new();
        let begin = cpu_ns();
        for (host, path) in self.requests.iter().cycle().take(LOOKUPS) {
            let found = self.table.find(&request(host, path, &headers));
            assert!(black_box(found).is_some());
        }
        (cpu_ns() - begin) / LOOKUPS as f64
    }
}

/// The time that this thread was on a core, in nanoseconds.
fn cpu_ns() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}

/// The ratio, and the difference in nanoseconds.
fn compare(one: &Side, large: &Side) -> (f64, f64) {
    let round = |turn: usize| {
        if turn.is_multiple_of(2) {
            let first = one.round();
            (first, large.round())
        } else {
            let second = large.round();
            (one.round(), second)
        }
    };
    let rounds: Vec<(f64, f64)> = (0..ROUNDS).map(round).collect();
    let ratios = rounds.iter().map(|(one, large)| large / one).collect();
    let more = rounds.iter().map(|(one, large)| large - one).collect();
    (median(ratios), median(more))
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

//! What is measured, as data: one line for each case. Clients, backends and peers read from it what
//! they have to do; none of them knows a case by name.

use anyhow::Context as _;
use serde::Serialize;

/// One thing that clients do through a proxy.
#[derive(Serialize, Debug)]
pub(crate) struct Case {
    /// The name to type and to print.
    pub(crate) name: &'static str,
    /// How clients are connected.
    pub(crate) way: Way,
    /// What they ask.
    pub(crate) ask: Ask,
    /// What the proxy is set up with.
    pub(crate) stage: Stage,
    /// How many ask at the same time.
    pub(crate) users: usize,
    /// How often they ask in one measurement, which should take a proxy about half a second.
    pub(crate) requests: u64,
    /// The case whose cost for the same peer in the same round this one is held against.
    pub(crate) base: Option<&'static str>,
}

/// How clients are connected.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Debug)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Way {
    /// HTTP/1.1 in clear, over a connection that is kept.
    KeepAlive,
    /// HTTP/1.1 in clear, over a new connection each time.
    Anew,
    /// HTTP/1.1 in clear, over a new connection each time, which then stays open and idle.
    Idle,
    /// HTTP/1.1 over TLS 1.3, over a connection that is kept.
    Tls,
    /// HTTP/1.1 over TLS 1.3, with a full handshake each time.
    TlsFull,
    /// HTTP/1.1 over TLS 1.3, with a new connection each time that resumes the last session.
    TlsResumed,
    /// HTTP/2 over TLS 1.3, as streams of a few connections that are kept.
    H2,
}

/// What clients ask.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Debug)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Ask {
    /// `GET` with an answer of so many bytes.
    Get(usize),
    /// `POST` of so many bytes, with a small answer.
    Put(usize),
    /// A unary gRPC call.
    Grpc,
    /// A WebSocket message, to be echoed.
    Echo,
}

/// What a proxy is set up with.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Debug)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Stage {
    /// One host and path for HTTP, one for gRPC.
    Shop,
    /// 10 000 hosts of 10 paths each, all of which are asked for in turn.
    Table,
    /// The same with 1 000 hosts.
    Paths,
    /// The same as [`Stage::Shop`], in a process of its own that remembers nothing of other cases.
    Crowd,
    /// Haldane as a library, with a table that stays.
    Still,
    /// The same, with a new table 100 times a second.
    Swaps,
}

/// The length of a small answer in bytes.
pub(crate) const SMALL: usize = 100;

const KIB: usize = 1024;
const MIB: usize = KIB * KIB;

/// Hosts of [`Stage::Table`].
const TABLE_HOSTS: usize = 10_000;
/// Hosts of [`Stage::Paths`].
const PATHS_HOSTS: usize = 1_000;
/// Paths of each host of both.
const PATHS_OF_A_HOST: usize = 10;

/// What is measured where nothing else is asked for.
pub(crate) const DEFAULT: &str = "small";

use Ask::{Echo, Get, Grpc, Put};
use Stage::{Crowd, Paths, Shop, Still, Swaps, Table};
use Way::{Anew, H2, Idle, KeepAlive, Tls, TlsFull, TlsResumed};

/// All cases, in the order in which they take turns. One that has a base follows it.
#[rustfmt::skip]
pub(crate) const CASES: &[Case] = &[
    case("small",       KeepAlive,  Get(SMALL),    Shop,   64, 25_000, None),
    case("table",       KeepAlive,  Get(SMALL),    Table,  64, 25_000, Some("small")),
    case("paths",       KeepAlive,  Get(SMALL),    Paths,  64, 25_000, Some("small")),
    case("still",       KeepAlive,  Get(SMALL),    Still,  64, 25_000, None),
    case("swaps",       KeepAlive,  Get(SMALL),    Swaps,  64, 25_000, Some("still")),
    case("get-1k",      KeepAlive,  Get(KIB),      Shop,   64, 25_000, None),
    case("get-64k",     KeepAlive,  Get(64 * KIB), Shop,   64,  6_000, None),
    case("get-1m",      KeepAlive,  Get(MIB),      Shop,   16,    400, None),
    case("put-1m",      KeepAlive,  Put(MIB),      Shop,   16,    400, None),
    case("connect",     Anew,       Get(SMALL),    Shop,   64,  8_000, None),
    case("tls",         Tls,        Get(SMALL),    Shop,   64, 20_000, None),
    case("tls-full",    TlsFull,    Get(SMALL),    Shop,   16,  1_000, None),
    case("tls-resumed", TlsResumed, Get(SMALL),    Shop,   16,  2_000, None),
    case("h2",          H2,         Get(SMALL),    Shop,  128, 15_000, None),
    case("grpc",        H2,         Grpc,          Shop,  128, 10_000, None),
    case("websocket",   KeepAlive,  Echo,          Shop,   64, 40_000, None),
    case("idle",        Idle,       Get(SMALL),    Crowd,  64, 10_000, None),
];

const fn case(
    name: &'static str,
    way: Way,
    ask: Ask,
    stage: Stage,
    users: usize,
    requests: u64,
    base: Option<&'static str>,
) -> Case {
    Case {
        name,
        way,
        ask,
        stage,
        users,
        requests,
        base,
    }
}

/// The cases that a list such as `small,h2` or `all` names, in the order of [`CASES`].
///
/// # Errors
/// If it names one that there is not.
pub(crate) fn chosen(names: &[String]) -> anyhow::Result<Vec<&'static Case>> {
    if names.iter().any(|name| name == "all") {
        return Ok(CASES.iter().collect());
    }
    for name in names {
        let known = || CASES.iter().map(|case| case.name).collect::<Vec<_>>();
        CASES
            .iter()
            .find(|case| case.name == name)
            .with_context(|| format!("no case {name}; there are all, {}", known().join(", ")))?;
    }
    let named = |case: &&Case| names.iter().any(|name| name == case.name);
    Ok(CASES.iter().filter(named).collect())
}

impl Case {
    /// Whether a proxy that speaks nothing but HTTP/1.1 in clear, by one route, can take part.
    pub(crate) fn is_plain(&self) -> bool {
        let plain = matches!(self.way, KeepAlive | Anew | Idle);
        plain && matches!(self.stage, Shop | Crowd) && self.ask != Echo
    }

    /// Whether latency at a steady rate says something: an idle connection has none.
    pub(crate) fn has_latency(&self) -> bool {
        self.way != Idle && !matches!(self.stage, Still | Swaps)
    }

    /// Requests before each measurement: they open upstream connections and warm caches.
    pub(crate) fn warm_up(&self) -> u64 {
        match self.way {
            // Every connection counts, and there are as many as can be.
            Idle => 0,
            _ => (self.requests / 20).max(2 * self.users as u64),
        }
    }

    /// HTTP requests that so many turns of so many users are: a WebSocket is one.
    pub(crate) fn http_requests(&self, users: usize, turns: u64) -> u64 {
        match self.ask {
            Echo => users as u64,
            Get(_) | Put(_) | Grpc => turns,
        }
    }

    /// Bytes of an answer's body.
    pub(crate) fn answer_bytes(&self) -> usize {
        match self.ask {
            Get(bytes) => bytes,
            Put(_) | Grpc | Echo => SMALL,
        }
    }
}

impl Stage {
    /// How many hosts are asked for in turn; none where it is the same one each time.
    const fn hosts_in_turn(self) -> usize {
        match self {
            Table => TABLE_HOSTS,
            Paths => PATHS_HOSTS,
            Shop | Crowd | Still | Swaps => 0,
        }
    }

    /// The hosts that a proxy routes.
    pub(crate) fn hosts(self) -> Vec<String> {
        match self.hosts_in_turn() {
            0 => vec!["shop.example.com".to_owned()],
            hosts => (0..hosts)
                .map(|host| format!("h{host}.example.com"))
                .collect(),
        }
    }

    /// The paths of each host, with what is below them.
    pub(crate) fn paths(self) -> Vec<String> {
        match self.hosts_in_turn() {
            0 => vec!["/shop".to_owned()],
            _ => (0..PATHS_OF_A_HOST)
                .map(|path| format!("/p{path}"))
                .collect(),
        }
    }

    /// How many routes are asked for in turn; none where it is the same one each time.
    pub(crate) const fn routes_in_turn(self) -> u64 {
        (self.hosts_in_turn() * PATHS_OF_A_HOST) as u64
    }

    /// The host and path of one request of many: all of a table's, far apart from one to the next.
    pub(crate) fn place(self, turn: u64) -> (String, String) {
        /// Prime to the number of routes, so that none is left out.
        const STRIDE: u64 = 61_803;
        match self.routes_in_turn() {
            0 => ("shop.example.com".to_owned(), "/shop".to_owned()),
            routes => {
                let route = turn.wrapping_mul(STRIDE) % routes;
                let of_a_host = PATHS_OF_A_HOST as u64;
                let (host, path) = (route / of_a_host, route % of_a_host);
                (format!("h{host}.example.com"), format!("/p{path}"))
            }
        }
    }
}

/// The host of gRPC calls.
pub(crate) const GRPC_HOST: &str = "grpc.example.com";

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique_and_bases_come_before() {
        let mut seen = BTreeSet::new();
        for case in CASES {
            assert!(case.base.is_none_or(|base| seen.contains(base)));
            assert!(seen.insert(case.name), "{} twice", case.name);
        }
        assert!(seen.contains(DEFAULT));
    }

    #[track_caller]
    fn check_chosen(names: &[&str], expected: Option<&[&str]>) {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let seen = chosen(&names).ok();
        let seen = seen.map(|cases| cases.iter().map(|case| case.name).collect::<Vec<_>>());
        assert_eq!(seen.as_deref(), expected);
    }

    #[test]
    fn cases_are_chosen_by_name() {
        check_chosen(&["h2", "small"], Some(&["small", "h2"]));
        check_chosen(&["h3"], None);
        assert_eq!(chosen(&["all".to_owned()]).unwrap().len(), CASES.len());
    }

    #[test]
    fn every_route_of_a_table_is_asked_for() {
        for stage in [Table, Paths] {
            let routes = stage.routes_in_turn();
            let places: BTreeSet<_> = (0..routes).map(|turn| stage.place(turn)).collect();
            assert_eq!(places.len() as u64, routes);
        }
    }
}

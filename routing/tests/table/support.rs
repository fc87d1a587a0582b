//! Tables and requests in a few words, so that a case is one line of data.

use haldane_routing::spec::{
    ActionSpec, Address, BackendSpec, ConditionSpec, EndpointSpec, EndpointState, ForwardSpec,
    HostSpec, MatchSpec, OriginSpec, PathSpec, RuleSpec, TableSpec, TestSpec, VersionSpec,
};
use haldane_routing::{Country, RequestView, Table, TicketKey};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use std::net::IpAddr;

/// A request that owns its parts.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) host: String,
    pub(crate) path: String,
    pub(crate) query: Option<String>,
    pub(crate) headers: HeaderMap,
    pub(crate) source: IpAddr,
    pub(crate) country: Option<Country>,
}

impl Request {
    /// `GET shop.example.com/cart?a=1; x-user: 7; from 10.0.0.1; country KR`.
    pub(crate) fn parse(text: &str) -> Self {
        let mut parts = text.split("; ");
        let (method, url) = parts.next().unwrap().split_once(' ').unwrap();
        let (host, path) = url.split_at(url.find('/').unwrap_or(url.len()));
        let (path, query) = match path.split_once('?') {
            Some((path, query)) => (path, Some(query.to_owned())),
            None => (path, None),
        };
        let mut request = Self {
            method: method.parse().unwrap(),
            host: host.to_owned(),
            path: path.to_owned(),
            query,
            headers: HeaderMap::new(),
            source: IpAddr::from([192, 0, 2, 1]),
            country: None,
        };
        parts.for_each(|part| request.add(part));
        request
    }

    fn add(&mut self, part: &str) {
        if let Some(address) = part.strip_prefix("from ") {
            self.source = address.parse().unwrap();
        } else if let Some(country) = part.strip_prefix("country ") {
            self.country = Some(country.parse().unwrap());
        } else {
            let (name, value) = part.split_once(": ").unwrap();
            let name: HeaderName = name.parse().unwrap();
            self.headers
                .append(name, HeaderValue::from_str(value).unwrap());
        }
    }

    pub(crate) fn with_cookie(name: &str, value: &str) -> Self {
        Self::parse(&format!("GET a.example/; cookie: {name}={value}"))
    }

    pub(crate) fn view(&self) -> RequestView<'_> {
        RequestView {
            method: &self.method,
            host: &self.host,
            path: &self.path,
            query: self.query.as_deref(),
            headers: &self.headers,
            source: self.source,
            country: self.country,
        }
    }
}

/// One match of a rule: `host path; condition; condition`, with the host `*`, `*.suffix`, `**.suffix` or a name, the path
/// `=/exact`, `/prefix`, `~/regex` or `~*/regex` (whatever case), and conditions such as `header x-a = 1`.
pub(crate) fn matched(text: &str) -> MatchSpec {
    let mut parts = text.split("; ");
    let (host, path) = parts.next().unwrap().trim().split_once(' ').unwrap();
    MatchSpec {
        host: host_spec(host),
        path: path_spec(path.trim()),
        conditions: parts.map(condition).collect(),
    }
}

pub(crate) fn host_spec(text: &str) -> HostSpec {
    if let Some(suffix) = text.strip_prefix("**.") {
        return HostSpec::ManyLabels(suffix.to_owned());
    }
    match text.strip_prefix("*.") {
        Some(suffix) => HostSpec::OneLabel(suffix.to_owned()),
        None if text == "*" => HostSpec::Any,
        None => HostSpec::Exact(text.to_owned()),
    }
}

pub(crate) fn path_spec(text: &str) -> PathSpec {
    let regex = |pattern: &str, ignore_case| PathSpec::Regex {
        pattern: pattern.to_owned(),
        ignore_case,
    };
    match text.as_bytes() {
        [b'=', ..] => PathSpec::Exact(text[1..].to_owned()),
        [b'~', b'*', ..] => regex(&text[2..], true),
        [b'~', ..] => regex(&text[1..], false),
        _ => PathSpec::Prefix(text.to_owned()),
    }
}

pub(crate) fn condition(text: &str) -> ConditionSpec {
    let words: Vec<&str> = text.trim().splitn(3, ' ').collect();
    let list = |text: &str| text.split(',').map(str::to_owned).collect::<Vec<_>>();
    let test = || test(words[2]);
    match words[0] {
        "header" => ConditionSpec::Header(words[1].to_owned(), test()),
        "cookie" => ConditionSpec::Cookie(words[1].to_owned(), test()),
        "query" => ConditionSpec::Query(words[1].to_owned(), test()),
        "method" => ConditionSpec::Method(list(words[1])),
        "country" => ConditionSpec::Country(list(words[1])),
        "from" => {
            ConditionSpec::SourceIp(list(words[1]).iter().map(|n| n.parse().unwrap()).collect())
        }
        other => panic!("{other} is no condition"),
    }
}

fn test(text: &str) -> TestSpec {
    match text.split_once(' ') {
        Some(("=", value)) => TestSpec::Equals(value.to_owned()),
        Some(("~", value)) => TestSpec::Matches(value.to_owned()),
        Some(("in", values)) => TestSpec::In(values.split(',').map(str::to_owned).collect()),
        None if text == "present" => TestSpec::Present,
        None if text == "absent" => TestSpec::Absent,
        _ => panic!("{text} is no test"),
    }
}

/// A rule that answers with 200.
pub(crate) fn rule(id: &str, matches: &[&str]) -> RuleSpec {
    RuleSpec {
        id: id.to_owned(),
        origin: OriginSpec {
            namespace: "shop".to_owned(),
            name: "web".to_owned(),
            ..OriginSpec::default()
        },
        matches: matches.iter().map(|text| matched(text)).collect(),
        action: ActionSpec::Respond {
            status: 200,
            body: String::new(),
        },
        filters: haldane_routing::spec::FiltersSpec::default(),
    }
}

/// Rules from lines `id match`.
pub(crate) fn rules(lines: &str) -> TableSpec {
    let lines = lines.lines().map(str::trim).filter(|line| !line.is_empty());
    let rules = lines.map(|line| {
        let (id, matched) = line.split_once(' ').unwrap();
        rule(id, &[matched])
    });
    TableSpec {
        rules: rules.collect(),
        ..TableSpec::default()
    }
}

/// The one rule `split` for every request, over versions `name=weight`, with `!` behind those without endpoints.
pub(crate) fn split(versions: &str, change: impl FnOnce(&mut ForwardSpec)) -> TableSpec {
    let mut forward = ForwardSpec::default();
    let mut backends = Vec::new();
    for (at, version) in versions.split(", ").enumerate() {
        let (version, endpoints) = match version.strip_suffix('!') {
            Some(version) => (version, Vec::new()),
            None => (version, vec![endpoint(8000 + u16::try_from(at).unwrap())]),
        };
        let (name, weight) = version.split_once('=').unwrap();
        let backend = format!("shop/web:80 {name}");
        forward.versions.push(VersionSpec {
            name: name.to_owned(),
            weight: weight.parse().unwrap(),
            backend: backend.clone(),
            ..VersionSpec::default()
        });
        backends.push(BackendSpec {
            name: backend,
            endpoints,
            ..BackendSpec::default()
        });
    }
    change(&mut forward);
    let mut rule = rule("split", &["* /"]);
    rule.action = ActionSpec::Forward(Box::new(forward));
    TableSpec {
        rules: vec![rule],
        backends,
        ..TableSpec::default()
    }
}

pub(crate) fn endpoint(port: u16) -> EndpointSpec {
    EndpointSpec {
        address: Address::Socket(([127, 0, 0, 1], port).into()),
        state: EndpointState::Ready,
    }
}

#[track_caller]
pub(crate) fn build(spec: &TableSpec) -> Table {
    rebuild(spec, None)
}

#[track_caller]
pub(crate) fn rebuild(spec: &TableSpec, previous: Option<&Table>) -> Table {
    match Table::build(spec, previous, 7) {
        Ok(table) => table,
        Err(faults) => panic!("{}", lines(&faults)),
    }
}

pub(crate) fn lines(items: &[impl ToString]) -> String {
    let lines: Vec<String> = items.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

pub(crate) fn key() -> TicketKey {
    TicketKey::from_bytes([7; 32])
}

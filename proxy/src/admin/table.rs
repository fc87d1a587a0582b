//! The table in force as JSON.
//!
//! Every field is named here, so that what a rule or certificate keeps secret (keys, passwords, header values, the
//! texts it answers with) is not told unless somebody adds it on purpose.

use haldane_routing::filters::HeaderEdits;
use haldane_routing::spec::{Address, MatchSpec, OnEmpty, OriginSpec, Protocol, RetrySpec};
use haldane_routing::{Action, Backend, Filters, Forward, Mirror, Rule, Sticky, Table, Version};
use ipnet::IpNet;
use serde::Serialize;
use std::sync::Arc;

#[derive(Serialize)]
struct ShownTable<'a> {
    generation: u64,
    rules: Vec<ShownRule<'a>>,
    backends: Vec<ShownBackend<'a>>,
    certificates: Vec<ShownCertificate<'a>>,
}

#[derive(Serialize)]
struct ShownRule<'a> {
    id: &'a str,
    origin: &'a OriginSpec,
    /// As written.
    matches: &'a [MatchSpec],
    action: ShownAction<'a>,
    /// Who may come, and who may not.
    networks: ShownNetworks,
    /// The names of those that do something.
    filters: Vec<&'static str>,
}

#[derive(Serialize)]
struct ShownNetworks {
    allow: Vec<String>,
    deny: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum ShownAction<'a> {
    Forward(ShownForward<'a>),
    Redirect { status: u16 },
    Respond { status: u16 },
}

#[derive(Serialize)]
struct ShownForward<'a> {
    versions: Vec<ShownVersion<'a>>,
    on_empty: OnEmpty,
    sticky: Option<ShownSticky<'a>>,
    mirrors: Vec<ShownMirror<'a>>,
    retry: RetrySpec,
}

#[derive(Serialize)]
struct ShownVersion<'a> {
    name: &'a str,
    weight: u64,
    backend: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum ShownSticky<'a> {
    Cookie(&'a str),
    Header(&'a str),
}

#[derive(Serialize)]
struct ShownMirror<'a> {
    backend: &'a str,
    per_10000: u16,
}

#[derive(Serialize)]
struct ShownBackend<'a> {
    name: &'a str,
    protocol: Protocol,
    /// Those that take new requests.
    endpoints: &'a [Address],
}

#[derive(Serialize)]
struct ShownCertificate<'a> {
    name: &'a str,
    hosts: &'a [String],
}

pub(super) fn shown(table: &Table, generation: u64) -> String {
    let certificates = table.certificates().iter();
    let shown = ShownTable {
        generation,
        rules: table
            .rules()
            .iter()
            .map(|rule| shown_rule(rule, table.backends()))
            .collect(),
        backends: table
            .backends()
            .iter()
            .map(|backend| shown_backend(backend))
            .collect(),
        certificates: certificates
            .map(|c| ShownCertificate {
                name: &c.name,
                hosts: &c.hosts,
            })
            .collect(),
    };
    serde_json::to_string(&shown).expect("all keys are strings")
}

fn shown_backend(backend: &Backend) -> ShownBackend<'_> {
    ShownBackend {
        name: backend.name(),
        protocol: backend.protocol(),
        endpoints: backend.endpoints(),
    }
}

fn shown_rule<'a>(rule: &'a Rule, backends: &'a [Arc<Backend>]) -> ShownRule<'a> {
    ShownRule {
        id: rule.id(),
        origin: rule.origin(),
        matches: rule.matches(),
        action: shown_action(rule.action(), backends),
        networks: shown_networks(rule.filters()),
        filters: active(rule.filters()),
    }
}

fn shown_networks(filters: &Filters) -> ShownNetworks {
    let texts = |networks: &[IpNet]| networks.iter().map(ToString::to_string).collect();
    ShownNetworks {
        allow: texts(filters.allowed()),
        deny: texts(filters.denied()),
    }
}

fn shown_action<'a>(action: &'a Action, backends: &'a [Arc<Backend>]) -> ShownAction<'a> {
    match action {
        Action::Forward(forward) => ShownAction::Forward(shown_forward(forward, backends)),
        Action::Redirect(redirect) => ShownAction::Redirect {
            status: redirect.status().as_u16(),
        },
        Action::Respond { status, .. } => ShownAction::Respond {
            status: status.as_u16(),
        },
    }
}

fn shown_forward<'a>(forward: &'a Forward, backends: &'a [Arc<Backend>]) -> ShownForward<'a> {
    let version = |version: &'a Version| ShownVersion {
        name: version.name(),
        weight: version.weight(),
        backend: backends[version.backend().index()].name(),
    };
    let mirror = |mirror: &Mirror| ShownMirror {
        backend: backends[mirror.backend().index()].name(),
        per_10000: mirror.per_10000(),
    };
    ShownForward {
        versions: forward.versions().iter().map(version).collect(),
        on_empty: forward.on_empty(),
        sticky: forward.sticky().map(shown_sticky),
        mirrors: forward.mirrors().iter().map(mirror).collect(),
        retry: forward.retry(),
    }
}

fn shown_sticky(sticky: &Sticky) -> ShownSticky<'_> {
    match sticky {
        Sticky::Cookie(name) => ShownSticky::Cookie(name),
        Sticky::Header(name) => ShownSticky::Header(name.as_str()),
    }
}

fn active(filters: &Filters) -> Vec<&'static str> {
    let edits = |edits: &HeaderEdits| {
        !(edits.remove().is_empty() && edits.set().is_empty() && edits.add().is_empty())
    };
    let all = [
        ("https_redirect", filters.https_redirect().is_some()),
        ("rate", filters.rate().is_some()),
        ("cors", filters.cors().is_some()),
        ("basic_auth", filters.basic_auth().is_some()),
        ("external_auth", filters.external_auth().is_some()),
        ("rewrite", filters.rewrite().is_some()),
        ("upstream_host", filters.upstream_host().is_some()),
        ("request_headers", edits(filters.request_headers())),
        ("response_headers", edits(filters.response_headers())),
        ("body_bytes_max", filters.body_bytes_max().is_some()),
        ("buffer_request", filters.buffers_request()),
    ];
    all.into_iter()
        .filter(|(_, is_on)| *is_on)
        .map(|(name, _)| name)
        .collect()
}

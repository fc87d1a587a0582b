//! The table in force as JSON, without what must stay secret.

use haldane_routing::spec::{
    Address, BasicAuthSpec, CertificateSpec, FiltersSpec, HeaderEditsSpec, Protocol, RuleSpec,
    UpstreamTlsSpec,
};
use haldane_routing::{Backend, Rule, Table};
use serde::Serialize;

/// Stands for what is not told.
const HIDDEN: &str = "(hidden)";

#[derive(Serialize)]
struct Shown<'a> {
    generation: u64,
    rules: Vec<RuleSpec>,
    backends: Vec<ShownBackend<'a>>,
    certificates: Vec<ShownCertificate<'a>>,
}

#[derive(Serialize)]
struct ShownBackend<'a> {
    name: &'a str,
    protocol: Protocol,
    /// Those that take new requests.
    endpoints: &'a [Address],
    tls: &'a UpstreamTlsSpec,
}

#[derive(Serialize)]
struct ShownCertificate<'a> {
    name: &'a str,
    hosts: &'a [String],
}

pub(super) fn shown(table: &Table, generation: u64) -> String {
    let shown = Shown {
        generation,
        rules: table
            .rules()
            .iter()
            .map(|rule| without_secrets(rule))
            .collect(),
        backends: table
            .backends()
            .iter()
            .map(|backend| shown_backend(backend))
            .collect(),
        certificates: table.certificates().iter().map(shown_certificate).collect(),
    };
    serde_json::to_string(&shown).expect("all keys are strings")
}

fn shown_backend(backend: &Backend) -> ShownBackend<'_> {
    ShownBackend {
        name: backend.name(),
        protocol: backend.protocol(),
        endpoints: backend.endpoints(),
        tls: backend.tls(),
    }
}

fn shown_certificate(certificate: &CertificateSpec) -> ShownCertificate<'_> {
    ShownCertificate {
        name: &certificate.name,
        hosts: &certificate.hosts,
    }
}

fn without_secrets(rule: &Rule) -> RuleSpec {
    let mut spec = rule.spec().clone();
    hide_in(&mut spec.filters);
    spec
}

pub(super) fn hide_in(filters: &mut FiltersSpec) {
    filters.basic_auth.iter_mut().for_each(hide_passwords);
    hide_values(&mut filters.request_headers);
    hide_values(&mut filters.response_headers);
    if let Some(auth) = &mut filters.external_auth
        && has_user_information(&auth.url)
    {
        HIDDEN.clone_into(&mut auth.url);
    }
}

fn has_user_information(url: &str) -> bool {
    let authority = url.split(['/', '?', '#']).nth(2);
    authority.is_some_and(|authority| authority.contains('@'))
}

fn hide_passwords(auth: &mut BasicAuthSpec) {
    for user in &mut auth.users {
        let name = user.split_once(':').map_or("", |(name, _)| name);
        *user = format!("{name}:{HIDDEN}");
    }
}

/// Headers that are set for a backend are often how it is signed in to.
fn hide_values(edits: &mut HeaderEditsSpec) {
    for (_, value) in edits.set.iter_mut().chain(&mut edits.add) {
        HIDDEN.clone_into(value);
    }
}

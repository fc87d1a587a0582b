//! Writes a table as text for people: one line for each thing that was decided, defaults left out.
//!
//! Passwords, hashes and private keys are never shown.

pub(crate) mod conditions;
mod filters;
mod forward;

use haldane_routing::spec::{
    ActionSpec, Address, BackendSpec, CertificateSpec, EndpointSpec, EndpointState, HostSpec,
    MatchSpec, PathSpec, Protocol, RedirectSpec, RuleSpec, TableSpec, UpstreamTlsSpec,
};
use std::fmt::Write;

/// The table in the order of its rules, then backends, then certificates.
pub fn render(table: &TableSpec) -> String {
    let mut page = Page::default();
    for rule in &table.rules {
        rule_lines(&mut page, rule);
    }
    for backend in &table.backends {
        page.line(0, &backend_line(backend));
    }
    for certificate in &table.certificates {
        page.line(0, &certificate_line(certificate));
    }
    page.text
}

/// Lines with an indent.
#[derive(Default)]
pub(crate) struct Page {
    text: String,
}

impl Page {
    fn line(&mut self, indent: usize, text: &str) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.text, "{:1$}{text}", "", indent * 2);
    }

    /// A line with a word before the value, if there is a value.
    fn labelled(&mut self, label: &str, value: Option<String>) {
        if let Some(value) = value {
            self.line(1, &format!("{label} {value}"));
        }
    }

    /// A line with a word before a list, if the list is not empty.
    fn listed<T: ToString>(&mut self, label: &str, values: &[T]) {
        let shown: Vec<_> = values.iter().map(ToString::to_string).collect();
        self.labelled(label, Some(shown.join(", ")).filter(|_| !values.is_empty()));
    }
}

fn rule_lines(page: &mut Page, rule: &RuleSpec) {
    let service = match rule.origin.service.as_str() {
        "" => String::new(),
        service => format!(" for Service {service}"),
    };
    page.line(0, &format!("rule {}{service}", rule.id));
    for matching in &rule.matches {
        page.line(1, &format!("match {}", match_text(matching)));
    }
    match &rule.action {
        ActionSpec::Forward(forward) => forward::lines(page, forward),
        ActionSpec::Redirect(redirect) => page.labelled("redirect", Some(redirect_text(redirect))),
        ActionSpec::Respond { status, body } => {
            page.labelled("respond", Some(format!("{status} {body:?}")));
        }
    }
    filters::lines(page, &rule.filters);
}

fn match_text(matching: &MatchSpec) -> String {
    let host = match &matching.host {
        HostSpec::Any => "any host".to_owned(),
        HostSpec::Exact(name) => name.clone(),
        HostSpec::OneLabel(suffix) => format!("*.{suffix}"),
        HostSpec::ManyLabels(suffix) => format!("**.{suffix}"),
    };
    let path = match &matching.path {
        PathSpec::Exact(path) => format!("exact {path}"),
        PathSpec::Prefix(path) => format!("prefix {path}"),
        PathSpec::Regex {
            pattern,
            ignore_case: true,
        } => format!("regex {pattern} without case"),
        PathSpec::Regex {
            pattern,
            ignore_case: false,
        } => format!("regex {pattern}"),
    };
    let conditions = match matching.conditions.as_slice() {
        [] => String::new(),
        conditions => format!(" if {}", conditions::all(conditions)),
    };
    format!("{host} {path}{conditions}")
}

fn redirect_text(redirect: &RedirectSpec) -> String {
    let part = |name: &str, value: &Option<String>| {
        value
            .as_ref()
            .map(|value| format!(" {name} {value}"))
            .unwrap_or_default()
    };
    let port = redirect
        .port
        .map(|port| format!(" port {port}"))
        .unwrap_or_default();
    let parts = [
        ("to", &redirect.url),
        ("scheme", &redirect.scheme),
        ("host", &redirect.host),
        ("path", &redirect.path),
    ];
    let parts: String = parts
        .into_iter()
        .map(|(name, value)| part(name, value))
        .collect();
    format!("{}{parts}{port}", redirect.status)
}

fn backend_line(backend: &BackendSpec) -> String {
    let protocol = match backend.protocol {
        Protocol::Http => "http",
        Protocol::Https => "https",
        Protocol::H2c => "h2c",
        Protocol::H2 => "h2",
    };
    let endpoints: Vec<_> = backend.endpoints.iter().map(endpoint_text).collect();
    let endpoints = if endpoints.is_empty() {
        "none".to_owned()
    } else {
        endpoints.join(", ")
    };
    format!(
        "backend {} by {protocol}{}: {endpoints}",
        backend.name,
        tls_text(&backend.tls)
    )
}

fn tls_text(tls: &UpstreamTlsSpec) -> String {
    let name = tls
        .server_name
        .as_ref()
        .map(|name| format!(" as {name}"))
        .unwrap_or_default();
    let verify = if tls.verify { " verified" } else { "" };
    let authority = if tls.ca_pem.is_some() {
        " by its own authority"
    } else {
        ""
    };
    format!("{name}{verify}{authority}")
}

fn endpoint_text(endpoint: &EndpointSpec) -> String {
    let address = match &endpoint.address {
        Address::Socket(address) => address.to_string(),
        Address::Name(name, port) => format!("{name}:{port}"),
    };
    match endpoint.state {
        EndpointState::Ready => address,
        EndpointState::Terminating => format!("{address} (terminating)"),
    }
}

fn certificate_line(certificate: &CertificateSpec) -> String {
    match certificate.hosts.as_slice() {
        [] => format!("certificate {} for all other names", certificate.name),
        hosts => format!("certificate {} for {}", certificate.name, hosts.join(", ")),
    }
}

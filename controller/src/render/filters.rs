//! What happens to requests and responses on the way.

use super::Page;
use haldane_routing::spec::{
    BasicAuthSpec, CorsSpec, ExternalAuthSpec, FiltersSpec, HeaderEditsSpec, RateSpec, RewriteSpec,
};

pub(super) fn lines(page: &mut Page, filters: &FiltersSpec) {
    page.labelled(
        "https-redirect",
        filters.https_redirect.map(|status| status.to_string()),
    );
    page.listed("allow", &filters.allow);
    page.listed("deny", &filters.deny);
    page.labelled("rate", filters.rate.as_ref().map(rate_text));
    page.labelled("cors", filters.cors.as_ref().map(cors_text));
    page.labelled("basic-auth", filters.basic_auth.as_ref().map(basic_text));
    page.labelled(
        "external-auth",
        filters.external_auth.as_ref().map(external_text),
    );
    page.labelled("rewrite", filters.rewrite.as_ref().map(rewrite_text));
    page.labelled("upstream-host", filters.upstream_host.clone());
    header_lines(page, "request-header", &filters.request_headers);
    header_lines(page, "response-header", &filters.response_headers);
    page.labelled(
        "body-bytes-max",
        filters.body_bytes_max.map(|bytes| bytes.to_string()),
    );
    page.labelled(
        "buffer-request",
        filters.buffer_request.then(|| "whole".to_owned()),
    );
}

fn rate_text(rate: &RateSpec) -> String {
    let limit = |value: Option<u32>, unit: &str| value.map(|value| format!("{value} {unit}"));
    let mut parts: Vec<_> = [
        limit(rate.per_second, "per second"),
        limit(rate.per_minute, "per minute"),
        limit(rate.burst_multiplier, "times at once"),
        limit(rate.connections, "connections"),
    ]
    .into_iter()
    .flatten()
    .collect();
    parts.extend(rate.exempt.iter().map(|network| format!("not {network}")));
    parts.join(", ")
}

fn cors_text(cors: &CorsSpec) -> String {
    let credentials = if cors.credentials { "with" } else { "without" };
    format!(
        "origins {} methods {} headers {} expose {} {credentials} credentials for {} s",
        cors.origins.join(","),
        cors.methods.join(","),
        cors.headers.join(","),
        cors.expose.join(","),
        cors.max_age_s
    )
}

fn basic_text(auth: &BasicAuthSpec) -> String {
    format!("realm {:?}, {} users", auth.realm, auth.users.len())
}

fn external_text(auth: &ExternalAuthSpec) -> String {
    let option = |name: &str, value: &Option<String>| {
        value
            .as_ref()
            .map(|value| format!(" {name} {value}"))
            .unwrap_or_default()
    };
    [
        auth.url.clone(),
        option("method", &auth.method),
        option("sign-in", &auth.sign_in),
        option(
            "copies",
            &Some(auth.response_headers.join(",")).filter(|names| !names.is_empty()),
        ),
    ]
    .concat()
}

fn rewrite_text(rewrite: &RewriteSpec) -> String {
    match rewrite {
        RewriteSpec::Path(path) => format!("path to {path}"),
        RewriteSpec::Prefix(path) => format!("prefix to {path}"),
    }
}

fn header_lines(page: &mut Page, label: &str, edits: &HeaderEditsSpec) {
    for name in &edits.remove {
        page.line(1, &format!("{label} remove {name}"));
    }
    for (verb, pairs) in [("set", &edits.set), ("add", &edits.add)] {
        for (name, value) in pairs {
            page.line(1, &format!("{label} {verb} {name}: {value}"));
        }
    }
}

//! The fields in which requests say where they come from.

use http::{HeaderMap, HeaderName};

pub(super) const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
pub(super) const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
pub(super) const X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
pub(super) const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
pub(super) const X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");
pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Removes what an untrusted peer claims and nobody overwrites.
pub(super) fn remove_claims(headers: &mut HeaderMap) {
    if !headers.keys().any(is_claim) {
        return;
    }
    let claims: Vec<HeaderName> = headers
        .keys()
        .filter(|name| is_claim(name))
        .cloned()
        .collect();
    for name in claims {
        headers.remove(name);
    }
}

/// Every `X-Forwarded-*`, its cousins, and the fields by which some frameworks let a proxy name
/// another URL than the one that was routed.
fn is_claim(name: &HeaderName) -> bool {
    let name = name.as_str();
    match name.as_bytes() {
        [b'x', b'-', ..] => {
            name.starts_with("x-forwarded")
                || name.starts_with("x-original-")
                || matches!(
                    name,
                    "x-rewrite-url"
                        | "x-scheme"
                        | "x-url-scheme"
                        | "x-client-ip"
                        | "x-cluster-client-ip"
                )
        }
        [b'f', ..] => matches!(name, "forwarded" | "forwarded-for" | "front-end-https"),
        _ => false,
    }
}

//! The fields in which requests say where they come from.

use http::{HeaderMap, HeaderName, header};

/// Names one request for everybody it passes (W3C Trace Context, section 3.2).
pub(super) static TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
pub(super) static X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
pub(super) static X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
pub(super) static X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
pub(super) static X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
pub(super) static X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");
pub(super) static X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Whether the field is one that upstreams are told in our words, whatever the request says.
pub(super) fn is_told(name: &HeaderName) -> bool {
    match name.as_str().as_bytes() {
        [b'x', b'-', ..] => TOLD.contains(&name),
        [b'f', ..] => *name == header::FORWARDED,
        _ => false,
    }
}

static TOLD: [&HeaderName; 6] = [
    &X_FORWARDED_FOR,
    &X_FORWARDED_HOST,
    &X_FORWARDED_PORT,
    &X_FORWARDED_PROTO,
    &X_REAL_IP,
    &X_REQUEST_ID,
];

/// Removes what is told anew, and what an untrusted peer claims beside it.
pub(super) fn remove(headers: &mut HeaderMap, trusted: bool) {
    let goes = |name: &&HeaderName| is_told(name) || (!trusted && is_claim(name));
    if !headers.keys().any(|name| goes(&name)) {
        return;
    }
    let names: Vec<HeaderName> = headers.keys().filter(goes).cloned().collect();
    for name in names {
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

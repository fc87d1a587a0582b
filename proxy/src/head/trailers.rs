//! Fields after a body: whatever would change how a message is framed, routed or believed is dropped.

use http::{HeaderMap, HeaderName};

/// Cleans trailers in either direction.
///
/// RFC 9110 section 6.5.1 forbids trailers that decide about framing, routing, authentication,
/// request handling or the content's form; forwarding fields are added to these, because a backend
/// that merges trailers into the head would believe them. Names are compared with `_` read as `-`.
/// Everything else stays: gRPC calls carry metadata of any name here.
pub fn sanitise_trailers(trailers: &mut HeaderMap) {
    if !trailers.keys().any(is_refused) {
        return;
    }
    let refused: Vec<HeaderName> = trailers
        .keys()
        .filter(|name| is_refused(name))
        .cloned()
        .collect();
    for name in refused {
        trailers.remove(name);
    }
}

fn is_refused(name: &HeaderName) -> bool {
    let name = name.as_str();
    if name.contains('_') {
        decides(&name.replace('_', "-"))
    } else {
        decides(name)
    }
}

fn decides(name: &str) -> bool {
    name.starts_with("x-forwarded-")
        || name.starts_with("if-")
        || DECIDING.binary_search(&name).is_ok()
}

/// Sorted, for the search.
const DECIDING: [&str; 56] = [
    "accept",
    "accept-encoding",
    "age",
    "authentication-info",
    "authorization",
    "cache-control",
    "connection",
    "content-disposition",
    "content-encoding",
    "content-length",
    "content-range",
    "content-type",
    "cookie",
    "date",
    "expect",
    "expires",
    "forwarded",
    "front-end-https",
    "host",
    "http2-settings",
    "keep-alive",
    "location",
    "max-forwards",
    "pragma",
    "proxy",
    "proxy-authenticate",
    "proxy-authentication-info",
    "proxy-authorization",
    "proxy-connection",
    "range",
    "retry-after",
    "set-cookie",
    "strict-transport-security",
    "te",
    "trailer",
    "transfer-encoding",
    "true-client-ip",
    "upgrade",
    "vary",
    "via",
    "warning",
    "www-authenticate",
    "x-auth-request-redirect",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-forwarded",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-forwarded-for",
    "x-original-host",
    "x-original-url",
    "x-real-ip",
    "x-request-id",
    "x-rewrite-url",
    "x-scheme",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_sorted() {
        assert!(DECIDING.is_sorted());
    }
}

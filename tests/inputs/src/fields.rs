//! Fields of answers and of trailers: what is cleaned is clean, and stays as it is when it is cleaned again.

use crate::lines;
use haldane_proxy::head::{sanitise_response, sanitise_trailers};
use http::HeaderMap;

/// Fields of one connection, which end at the proxy (RFC 9110, section 7.6.1).
const OF_ONE_CONNECTION: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "http2-settings",
];

/// Some of what must not come behind a body, as a program sees it that reads `_` as `-`.
const BEFORE_BODIES: [&str; 6] = [
    "authorization",
    "content-length",
    "host",
    "transfer-encoding",
    "x-forwarded-for",
    "x-real-ip",
];

pub(crate) fn check(data: &[u8]) {
    let fields = lines::fields(lines::of(data));
    for keeps_length in [true, false] {
        check_answer(fields.clone(), keeps_length);
    }
    check_trailers(fields);
}

fn check_answer(mut fields: HeaderMap, keeps_length: bool) {
    sanitise_response(&mut fields, keeps_length);
    for name in OF_ONE_CONNECTION {
        assert!(!fields.contains_key(name), "{name} is left");
    }
    let lengths = fields.get_all("content-length").iter().count();
    assert!(lengths <= usize::from(keeps_length), "{lengths} lengths");
    let before = fields.clone();
    sanitise_response(&mut fields, keeps_length);
    assert_eq!(fields, before);
}

fn check_trailers(mut fields: HeaderMap) {
    sanitise_trailers(&mut fields);
    for name in fields.keys() {
        let seen = name.as_str().replace('_', "-");
        assert!(!BEFORE_BODIES.contains(&&*seen), "{name} is left");
    }
    let before = fields.clone();
    sanitise_trailers(&mut fields);
    assert_eq!(fields, before);
}

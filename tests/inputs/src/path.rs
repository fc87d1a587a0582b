//! Paths: one that is admitted means to whoever decodes it once what it meant before, and leads nowhere by dots.

use haldane_proxy::head::admit;
use http::{HeaderValue, Request, Uri, header};

pub(crate) fn check(data: &[u8]) {
    let Ok(uri) = Uri::try_from(data) else { return };
    // Another form of target than this one is not about paths alone.
    if uri.authority().is_some() || !uri.path().starts_with('/') {
        return;
    }
    let before = uri.clone();
    let mut parts = Request::new(()).into_parts().0;
    parts.uri = uri;
    let host = HeaderValue::from_static("a");
    parts.headers.insert(header::HOST, host);
    if admit(&mut parts, true).is_ok() {
        let (path, query) = (parts.uri.path(), parts.uri.query());
        assert_eq!(decoded(path), decoded(before.path()));
        assert_eq!(query, before.query());
        assert!(!leads_by_dots(&decoded(path)), "{path}");
    }
}

/// As a server decodes a path.
fn decoded(path: &str) -> Vec<u8> {
    let (bytes, mut decoded, mut at) = (path.as_bytes(), Vec::new(), 0);
    while at < bytes.len() {
        let escape = path.get(at + 1..at + 3).filter(|_| bytes[at] == b'%');
        let byte = escape.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        decoded.push(byte.unwrap_or(bytes[at]));
        at += if byte.is_some() { 3 } else { 1 };
    }
    decoded
}

/// As a server sees it that takes a backslash for a slash and cuts off what follows a `;`.
fn leads_by_dots(path: &[u8]) -> bool {
    let mut segments = path.split(|byte| matches!(byte, b'/' | b'\\'));
    segments.any(|segment| {
        let name = segment.split(|byte| *byte == b';').next();
        matches!(name, Some(b"." | b".."))
    })
}

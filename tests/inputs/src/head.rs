//! Heads of requests: what is admitted can be written in one way only, and means the same when it is read again.

use crate::{forwarded, lines};
use http::request::Parts;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Method, Request, Uri, Version};

/// `METHOD TARGET VERSION`, then fields.
pub(crate) fn check_http1(data: &[u8]) {
    let mut lines = lines::of(data);
    let mut first = lines.next().unwrap_or_default().split(|byte| *byte == b' ');
    let (method, target, version) = (first.next(), first.next(), first.next());
    let uri = target.and_then(|target| Uri::try_from(target).ok());
    let method = method.and_then(|method| Method::from_bytes(method).ok());
    if let (Some(method), Some(uri)) = (method, uri) {
        let mut parts = parts(method, uri);
        if version == Some(b"1.0") {
            parts.version = Version::HTTP_10;
        }
        parts.headers = lines::fields(lines);
        forwarded::check(parts, true);
    }
}

/// `METHOD SCHEME AUTHORITY PATH`, then fields, as a HEADERS frame brings them.
pub(crate) fn check_http2(data: &[u8]) {
    let mut lines = lines::of(data);
    let mut first = lines.next().unwrap_or_default().split(|byte| *byte == b' ');
    let method = Method::from_bytes(first.next().unwrap_or_default());
    let mut uri = http::uri::Parts::default();
    uri.scheme = first
        .next()
        .and_then(|scheme| Scheme::try_from(scheme).ok());
    uri.authority = first
        .next()
        .and_then(|named| Authority::try_from(named).ok());
    uri.path_and_query = first
        .next()
        .and_then(|path| PathAndQuery::try_from(path).ok());
    if let (Ok(method), Ok(uri)) = (method, Uri::from_parts(uri)) {
        let mut parts = parts(method, uri);
        parts.version = Version::HTTP_2;
        parts.headers = lines::fields(lines);
        for ended in [true, false] {
            forwarded::check(parts.clone(), ended);
        }
    }
}

fn parts(method: Method, uri: Uri) -> Parts {
    let mut parts = Request::new(()).into_parts().0;
    parts.method = method;
    parts.uri = uri;
    parts
}

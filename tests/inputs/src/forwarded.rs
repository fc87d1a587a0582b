//! What is forwarded of a request that was admitted.

use crate::strict;
use haldane_proxy::head::{Admitted, Framing, Refusal, admit};
use haldane_proxy::upstream::h1::{RequestFraming, RequestHead, write_head};
use http::request::Parts;
use http::uri::PathAndQuery;

/// Longer bodies need not be sent to see where they end.
const BODY_BYTES_MAX: u64 = 64;

/// Refused, or written in the one canonical form and admitted again as it is.
pub(crate) fn check(mut parts: Parts, ended: bool) {
    let Ok(admitted) = admit(&mut parts, ended) else {
        return;
    };
    check_written(&parts, &admitted);
    let mut again = parts.clone();
    let twice = match admit(&mut again, true) {
        // HTTP/2's `:authority` is a field now, and may be one too many.
        Err(Refusal::TooManyFields | Refusal::HeadTooLarge) => return,
        twice => twice.expect("what was admitted is admitted again"),
    };
    assert_eq!(twice.host.field(), admitted.host.field());
    assert_eq!(again.uri, parts.uri);
    assert_eq!(again.headers, parts.headers);
}

fn check_written(parts: &Parts, admitted: &Admitted) {
    let target = parts.uri.path_and_query().map_or("/", PathAndQuery::as_str);
    let head = RequestHead {
        method: &parts.method,
        target,
        headers: &parts.headers,
        more: None,
        length: None,
        upgrade: None,
    };
    let (framing, body) = match admitted.framing {
        Framing::Absent => (RequestFraming::Empty, Vec::new()),
        Framing::Length(bytes) if bytes > BODY_BYTES_MAX => return,
        Framing::Length(bytes) => (RequestFraming::Length(bytes), vec![b'\n'; bytes as usize]),
        Framing::Streamed => (RequestFraming::Chunked, b"0\r\n\r\n".to_vec()),
    };
    let mut written = Vec::new();
    write_head(&mut written, &head, framing).expect("what was admitted can be written");
    written.extend_from_slice(&body);
    let read = strict::parse(&written).expect("what is written is canonical");
    let (request, length) = read.expect("what is written is whole");
    assert_eq!(length, written.len());
    assert_eq!(request.line(), format!("{} {target}", parts.method));
    let host = admitted.host.field().as_bytes();
    assert_eq!(request.all("host"), [String::from_utf8_lossy(host)]);
}

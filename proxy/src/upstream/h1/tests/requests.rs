//! How requests are written.

use http::header::HeaderValue;
use http::{HeaderMap, Method};

use super::script::plain;
use crate::upstream::h1::{RequestFault, RequestFraming, RequestHead, write_head};

fn some_headers() -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("host", "a"),
        ("connection", "x"),
        ("content-length", "7"),
        ("x-a", "1"),
        ("x-a", "2"),
    ] {
        headers.append(name, HeaderValue::from_static(value));
    }
    headers.append("transfer-encoding", HeaderValue::from_static("gzip"));
    headers.append("upgrade", HeaderValue::from_static("h2c"));
    headers
}

#[track_caller]
fn check(
    method: &Method,
    target: &str,
    framing: RequestFraming,
    expected: Result<&str, RequestFault>,
) {
    let headers = some_headers();
    let head = RequestHead {
        target,
        ..plain(method, &headers)
    };
    let mut out = Vec::new();
    let written = write_head(&mut out, &head, framing).map(|()| String::from_utf8(out).unwrap());
    assert_eq!(
        written.as_deref().map_err(|fault| *fault),
        expected,
        "{method} {target}"
    );
}

#[test]
fn a_head_has_one_framing_and_no_other_line_of_it() {
    use RequestFraming::{Chunked, Empty, Length};
    check(
        &Method::GET,
        "/",
        Empty,
        Ok("GET / HTTP/1.1\r\nhost: a\r\nx-a: 1\r\nx-a: 2\r\n\r\n"),
    );
    check(
        &Method::PUT,
        "/b?c",
        Length(5),
        Ok("PUT /b?c HTTP/1.1\r\nhost: a\r\nx-a: 1\r\nx-a: 2\r\ncontent-length: 5\r\n\r\n"),
    );
    check(
        &Method::POST,
        "/",
        Chunked,
        Ok("POST / HTTP/1.1\r\nhost: a\r\nx-a: 1\r\nx-a: 2\r\ntransfer-encoding: chunked\r\n\r\n"),
    );
    check(
        &Method::OPTIONS,
        "*",
        Empty,
        Ok("OPTIONS * HTTP/1.1\r\nhost: a\r\nx-a: 1\r\nx-a: 2\r\n\r\n"),
    );
}

#[test]
fn a_target_that_could_end_the_line_is_not_written() {
    for target in [
        "",
        "a",
        "http://b/",
        "//\n",
        "/a b",
        "/\r\nX: y",
        "/\0",
        "/\x7f",
        "/a#b",
        "**",
        "/\t",
    ] {
        check(
            &Method::GET,
            target,
            RequestFraming::Empty,
            Err(RequestFault::Target),
        );
    }
    check(
        &Method::CONNECT,
        "/",
        RequestFraming::Empty,
        Err(RequestFault::Connect),
    );
}

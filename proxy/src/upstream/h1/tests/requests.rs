//! How requests are written.

use http::header::{self, HeaderValue};
use http::{HeaderMap, Method};

use super::story::plain;
use crate::upstream::h1::{
    FieldLines, MoreFields, RequestFault, RequestFraming, RequestHead, write_head,
};

/// Fields as a careless caller leaves them: the codec's own are among them.
fn careless_headers() -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in "host: a;connection: x;content-length: 7;x-a: 1;x-a: 2;upgrade: h2c".split(';') {
        let (name, value) = line.split_once(": ").unwrap();
        headers.append(name, HeaderValue::from_static(value));
    }
    headers.insert("transfer-encoding", HeaderValue::from_static("gzip"));
    headers
}

#[track_caller]
fn check(line: (Method, &str), framing: RequestFraming, expected: Result<&str, RequestFault>) {
    let headers = careless_headers();
    let (method, target) = line;
    let head = RequestHead {
        target,
        ..plain(&method, &headers)
    };
    let mut out = Vec::new();
    let written = write_head(&mut out, &head, framing);
    let text = String::from_utf8(out).unwrap().replace("\r\n", "|");
    let seen = written.map(|()| text.as_str());
    assert_eq!(seen, expected, "{method} {target}");
}

#[test]
fn a_head_has_one_framing_and_no_other_line_of_it() {
    use RequestFraming::{Chunked, Empty, Length};
    let get = "GET / HTTP/1.1|host: a|x-a: 1|x-a: 2||";
    let put = "PUT /b?c HTTP/1.1|host: a|x-a: 1|x-a: 2|content-length: 5||";
    let post = "POST / HTTP/1.1|host: a|x-a: 1|x-a: 2|transfer-encoding: chunked||";
    let options = "OPTIONS * HTTP/1.1|host: a|x-a: 1|x-a: 2|content-length: 0||";
    check((Method::GET, "/"), Empty, Ok(get));
    check((Method::PUT, "/b?c"), Length(5), Ok(put));
    check((Method::POST, "/"), Chunked, Ok(post));
    check((Method::OPTIONS, "*"), Length(0), Ok(options));
}

#[derive(Debug)]
struct Two;

impl MoreFields for Two {
    fn write(&self, lines: &mut FieldLines<'_>) {
        for value in ["1", "2"] {
            lines.field(&header::VIA, &HeaderValue::from_static(value));
        }
    }
}

#[test]
fn more_fields_stand_behind_those_of_the_map() {
    let mut headers = HeaderMap::new();
    headers.insert(header::HOST, HeaderValue::from_static("a"));
    let head = RequestHead {
        more: Some(&Two),
        ..plain(&Method::PUT, &headers)
    };
    let mut out = Vec::new();
    assert_eq!(
        write_head(&mut out, &head, RequestFraming::Length(5)),
        Ok(())
    );
    let written = b"PUT / HTTP/1.1\r\nhost: a\r\nvia: 1\r\nvia: 2\r\ncontent-length: 5\r\n\r\n";
    assert_eq!(out, written);
}

#[test]
fn a_target_that_could_end_the_line_is_not_written() {
    let targets = "|a|http://b/|//\n|/a b|/\r\nX: y|/\0|/\x7f|/a#b|**|/\t";
    for target in targets.split('|') {
        let fault = Err(RequestFault::Target);
        check((Method::GET, target), RequestFraming::Empty, fault);
    }
    let fault = Err(RequestFault::Connect);
    check((Method::CONNECT, "/"), RequestFraming::Empty, fault);
}

#[test]
fn an_upgrade_is_asked_for_without_a_body_only() {
    let (headers, protocol) = (HeaderMap::new(), HeaderValue::from_static("websocket"));
    let head = RequestHead {
        upgrade: Some(&protocol),
        ..plain(&Method::GET, &headers)
    };
    let mut out = Vec::new();
    let refused = write_head(&mut out, &head, RequestFraming::Chunked);
    assert_eq!(refused, Err(RequestFault::UpgradeWithBody));
    assert_eq!(write_head(&mut out, &head, RequestFraming::Empty), Ok(()));
    let asked = b"GET / HTTP/1.1\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
    assert_eq!(out, asked);
}

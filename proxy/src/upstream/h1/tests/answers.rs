//! Answers of good and bad backends (RFC 9112 sections 2.2, 6.3, 7.1, 8; RFC 9110 section 15).

use http::header::HeaderValue;
use http::{HeaderMap, Method};

use super::script::{End, Script, all_cuts, plain, run, tell};
use crate::upstream::h1::RequestHead;
use crate::upstream::h1::limits::{CHUNK_EXTENSIONS_MAX, CHUNK_LINE_MAX, FIELDS_MAX};

#[track_caller]
fn check_with(method: &Method, upgrade: Option<&str>, wire: &str, end: End, expected: &str) {
    let headers = HeaderMap::new();
    let upgrade = upgrade.map(|protocol| HeaderValue::from_str(protocol).unwrap());
    for pieces in all_cuts(wire.as_bytes()) {
        let head = RequestHead {
            upgrade: upgrade.as_ref(),
            ..plain(method, &headers)
        };
        let cut = pieces.first().map_or(0, Vec::len);
        let story = run(tell(Script::new(pieces, end), head));
        assert_eq!(story, expected, "{wire:?} cut at {cut}");
    }
}

/// What a GET gets from a backend that says `wire` and closes.
#[track_caller]
fn check(wire: &str, expected: &str) {
    check_with(&Method::GET, None, wire, End::Close, expected);
}

#[track_caller]
fn check_head(wire: &str, expected: &str) {
    check_with(&Method::HEAD, None, wire, End::Close, expected);
}

#[track_caller]
fn check_upgrade(wire: &str, expected: &str) {
    check_with(&Method::GET, Some("websocket"), wire, End::Close, expected);
}

/// What a GET gets for this body behind a chunked head.
#[track_caller]
fn check_chunked(body: &str, expected: &str) {
    let wire = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
    check(&wire, &format!("200 | {expected}"));
}

#[test]
fn good_answers_come_whole_and_keep_the_connection() {
    check(
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
        "200 content-length=2 | hiend | kept",
    );
    check(
        "HTTP/1.1 200\r\nContent-Length: 002\r\n\r\nhi",
        "200 content-length=2 | hiend | kept",
    );
    check(
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        "200 content-length=0 | end | kept",
    );
    check(
        "HTTP/1.1 404 \r\nX-A:  b \r\nContent-Length: 0\r\n\r\n",
        "404 x-a=b content-length=0 | end | kept",
    );
    check(
        "HTTP/1.1 500 \u{e9}\r\nX: \u{e9}\r\nContent-Length: 0\r\n\r\n",
        "500 x=\\xc3\\xa9 content-length=0 | end | kept",
    );
    check(
        "HTTP/1.1 599 Z\r\nContent-Length: 0\r\n\r\n",
        "599 content-length=0 | end | kept",
    );
    check(
        "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nhi",
        "200 content-length=2 | hiend | kept",
    );
    check(
        "HTTP/1.1 200 OK\r\nA: 1\r\nA: 2\r\nContent-Length: 0\r\n\r\n",
        "200 a=1 a=2 content-length=0 | end | kept",
    );
}

#[test]
fn a_connection_that_ends_or_is_unclear_is_not_kept() {
    check(
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi",
        "200 content-length=2 | hiend",
    );
    check(
        "HTTP/1.1 200 OK\r\nConnection: x, CLOSE\r\nContent-Length: 0\r\n\r\n",
        "200 content-length=0 | end",
    );
    check(
        "HTTP/1.1 200 OK\r\nConnection: close\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n",
        "200 content-length=0 | end",
    );
    check(
        "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi",
        "200 content-length=2 | hiend",
    );
    check("HTTP/1.1 200 OK\r\n\r\nto the end", "200 | to the endend");
    check("HTTP/1.1 200 OK\r\n\r\n", "200 | end");
}

#[test]
fn fields_for_one_connection_stay_on_it() {
    check(
        "HTTP/1.1 200 OK\r\nConnection: x-a, close\r\nX-A: 1\r\nX-B: 2\r\nContent-Length: 0\r\n\r\n",
        "200 x-b=2 content-length=0 | end",
    );
    check(
        "HTTP/1.1 200 OK\r\nConnection: \r\nConnection: X-A\r\nX-A: 1\r\nContent-Length: 0\r\n\r\n",
        "200 content-length=0 | end | kept",
    );
    check(
        "HTTP/1.1 200 OK\r\nKeep-Alive: a\r\nProxy-Connection: b\r\nProxy-Authenticate: c\r\nTE: d\r\nTrailer: e\r\nUpgrade: f\r\nContent-Length: 0\r\n\r\n",
        "200 content-length=0 | end | kept",
    );
}

#[test]
fn an_answer_with_two_ends_is_refused() {
    check(
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
        "ContentLength",
    );
    check(
        "HTTP/1.1 200 OK\r\nContent-Length: 2, 3\r\n\r\nabc",
        "ContentLength",
    );
    check(
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nhi",
        "200 content-length=2 | hiend | kept",
    );
    check(
        "HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nhi",
        "200 content-length=2 | hiend | kept",
    );
    check(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 30\r\n\r\n0\r\n\r\n",
        "TwoFramings",
    );
    check(
        "HTTP/1.1 200 OK\r\nContent-Length: 30\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "TwoFramings",
    );
    check(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: foobar\r\nContent-Length: 3\r\n\r\nabc",
        "TransferEncoding",
    );
    check(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
        "TransferEncoding",
    );
    check(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "TransferEncoding",
    );
    check(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\n",
        "TransferEncoding",
    );
    check(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        "TransferEncoding",
    );
    check(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\n",
        "TransferEncoding",
    );
    check(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: \r\n\r\n",
        "TransferEncoding",
    );
    check(
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "TransferEncoding",
    );
    check(
        "HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\n",
        "ContentLength",
    );
    check(
        "HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\n",
        "ContentLength",
    );
    check(
        "HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nhi",
        "ContentLength",
    );
    check(
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nhi",
        "ContentLength",
    );
    check_head(
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n",
        "ContentLength",
    );
    check(
        "HTTP/1.1 204 No\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n",
        "TwoFramings",
    );
}

#[test]
fn answers_without_a_body_have_none() {
    check_head(
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
        "200 content-length=5 | end | kept",
    );
    check_head(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        "200 | end | kept",
    );
    check_head("HTTP/1.1 200 OK\r\n\r\n", "200 | end | kept");
    check(
        "HTTP/1.1 304 N\r\nContent-Length: 5\r\nETag: a\r\n\r\n",
        "304 etag=a content-length=5 | end | kept",
    );
    check("HTTP/1.1 204 N\r\n\r\n", "204 | end | kept");
    check(
        "HTTP/1.1 204 N\r\nContent-Length: 0\r\n\r\n",
        "204 | end | kept",
    );
    check("HTTP/1.1 204 N\r\nContent-Length: 5\r\n\r\n", "204 | end");
    check(
        "HTTP/1.1 204 N\r\nTransfer-Encoding: chunked\r\n\r\n",
        "204 | end",
    );
    check(
        "HTTP/1.1 205 R\r\nContent-Length: 0\r\n\r\n",
        "205 | end | kept",
    );
    check(
        "HTTP/1.1 205 R\r\nContent-Length: 5\r\n\r\nhello",
        "205 | end",
    );
    check("HTTP/1.1 205 R\r\n\r\n", "205 | end");
}

#[test]
fn what_is_no_answer_is_refused() {
    check("HTTP/1.1 99 X\r\n\r\n", "Syntax");
    check("HTTP/1.1 099 X\r\n\r\n", "Status(99)");
    check("HTTP/1.1 000 X\r\n\r\n", "Status(0)");
    check("HTTP/1.1 600 X\r\n\r\n", "Status(600)");
    check("HTTP/1.1 999 X\r\n\r\n", "Status(999)");
    check("HTTP/1.1 1000 X\r\n\r\n", "Syntax");
    check("HTTP/1.1 2xx X\r\n\r\n", "Syntax");
    check("HTTP/1.1  200 X\r\n\r\n", "Syntax");
    check("HTTP/1.2 200 X\r\n\r\n", "NotHttp1");
    check("HTTP/2.0 200 X\r\n\r\n", "NotHttp1");
    check("http/1.1 200 X\r\n\r\n", "NotHttp1");
    check("SSH-2.0-OpenSSH_9\r\n", "NotHttp1");
    check("<html>", "NotHttp1");
    check("\r\nHTTP/1.1 200 X\r\n\r\n", "NotHttp1");
    check(" HTTP/1.1 200 X\r\n\r\n", "NotHttp1");
    check("HTTP/1.1 200 OK\r\nA\r\n\r\n", "Syntax");
    check("HTTP/1.1 200 OK\r\nA : b\r\n\r\n", "Syntax");
    check("HTTP/1.1 200 OK\r\n A: b\r\n\r\n", "Syntax");
    check("HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", "Syntax");
    check("HTTP/1.1 200 OK\r\n: b\r\n\r\n", "Syntax");
    check("HTTP/1.1 200 OK\r\nA: b\0c\r\n\r\n", "Syntax");
    check("HTTP/1.1 200 OK\r\nA: b\rX: c\r\n\r\n", "Syntax");
    check("HTTP/1.1 200 O\rK\r\n\r\n", "Syntax");
    check("HTTP/1.1 200 O\0K\r\n\r\n", "Syntax");
}

#[test]
fn a_bare_line_feed_is_no_line_end() {
    check("HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n", "BareLineFeed");
    check("HTTP/1.1 200 OK\r\nContent-Length: 0\n\r\n", "BareLineFeed");
    check("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\n", "BareLineFeed");
    check("HTTP/1.1 200 OK\n\n", "BareLineFeed");
    check("HTTP/1.1 100 C\n\nHTTP/1.1 200 OK\r\n\r\n", "BareLineFeed");
}

#[test]
fn interim_answers_are_skipped_but_counted() {
    let interim = "HTTP/1.1 102 P\r\nX: y\r\n\r\n";
    let last = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
    check(
        &format!("HTTP/1.1 100 C\r\n\r\n{last}"),
        "200 content-length=2 | hiend | kept",
    );
    check(
        &format!("HTTP/1.1 103 E\r\nLink: a\r\n\r\nHTTP/1.1 199 ?\r\n\r\n{last}"),
        "200 content-length=2 | hiend | kept",
    );
    check(
        &(interim.repeat(16) + last),
        "200 content-length=2 | hiend | kept",
    );
    check(&interim.repeat(17), "TooManyInterim");
    check(interim, "Truncated");
}

#[test]
fn an_upgrade_is_to_what_was_asked_for_or_none() {
    let switch = "HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\nX: y\r\n\r\n";
    check_upgrade(
        &(switch.to_owned() + "\r\n"),
        "101 x=y connection=upgrade upgrade=WebSocket | upgraded, then \\r\\n",
    );
    check_upgrade(
        switch,
        "101 x=y connection=upgrade upgrade=WebSocket | upgraded, then ",
    );
    check_upgrade(
        "HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
        "UnaskedUpgrade",
    );
    check_upgrade(
        "HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: websocket, h2c\r\n\r\n",
        "UnaskedUpgrade",
    );
    check_upgrade(
        "HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: h2c\r\nUpgrade: websocket\r\n\r\n",
        "UnaskedUpgrade",
    );
    check_upgrade(
        "HTTP/1.1 101 S\r\nUpgrade: websocket\r\n\r\n",
        "UnaskedUpgrade",
    );
    check_upgrade(
        "HTTP/1.1 101 S\r\nConnection: upgrade\r\n\r\n",
        "UnaskedUpgrade",
    );
    check_upgrade(
        "HTTP/1.0 101 S\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
        "UnaskedUpgrade",
    );
    check_upgrade(
        "HTTP/1.1 426 U\r\nUpgrade: websocket\r\nContent-Length: 0\r\n\r\n",
        "426 content-length=0 | end | kept",
    );
    check(switch, "UnaskedUpgrade");
}

#[test]
fn a_cut_answer_is_seen_to_be_cut() {
    check("", "ClosedBeforeResponse");
    check("H", "Truncated");
    check("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n", "Truncated");
    check(
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
        "200 content-length=5 | cut: the answer's body was cut short",
    );
    check(
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel",
        "200 content-length=5 | helcut: the answer's body was cut short",
    );
    check_chunked("", "cut: the answer's body was cut short");
    check_chunked("5\r\nhel", "helcut: the answer's body was cut short");
    check_chunked(
        "5\r\nhello\r\n",
        "hellocut: the answer's body was cut short",
    );
    check_chunked(
        "5\r\nhello\r\n0\r\n",
        "hellocut: the answer's body was cut short",
    );
    check_chunked(
        "5\r\nhello\r\n0\r\nX: y\r\n",
        "hellocut: the answer's body was cut short",
    );
    let reset = |wire, expected| check_with(&Method::GET, None, wire, End::Reset, expected);
    reset("", "ClosedBeforeResponse");
    reset("HTTP/1.1 2", "Io(connection reset)");
    reset(
        "HTTP/1.1 200 OK\r\n\r\nabc",
        "200 | abccut: connection reset",
    );
    reset(
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel",
        "200 content-length=5 | helcut: connection reset",
    );
}

#[test]
fn chunks_are_joined_and_their_extensions_dropped() {
    check_chunked("0\r\n\r\n", "end | kept");
    check_chunked("5\r\nhello\r\n0\r\n\r\n", "helloend | kept");
    check_chunked(
        "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n",
        "hello worldend | kept",
    );
    check_chunked("A\r\n0123456789\r\n00\r\n\r\n", "0123456789end | kept");
    check_chunked("0000000000000005\r\nhello\r\n0\r\n\r\n", "helloend | kept");
    check_chunked("5;a=b\r\nhello\r\n0;c\r\n\r\n", "helloend | kept");
    check_chunked("5\t;a=\"b\"\r\nhello\r\n0\r\n\r\n", "helloend | kept");
    check_chunked("5 \r\nhello\r\n0\r\n\r\n", "helloend | kept");
}

#[test]
fn malformed_chunks_cut_the_body() {
    const SIZE: &str = "cut: a malformed chunk size";
    check_chunked("0x5\r\nhello\r\n0\r\n\r\n", SIZE);
    check_chunked(" 5\r\nhello\r\n0\r\n\r\n", SIZE);
    check_chunked("-5\r\nhello\r\n0\r\n\r\n", SIZE);
    check_chunked("+5\r\nhello\r\n0\r\n\r\n", SIZE);
    check_chunked("5 5\r\nhello\r\n0\r\n\r\n", SIZE);
    check_chunked("10000000000000005\r\nhello\r\n0\r\n\r\n", SIZE);
    check_chunked("0000000000000000000000005\r\nhello\r\n0\r\n\r\n", SIZE);
    check_chunked("\r\n\r\n", SIZE);
    check_chunked("Z!!\r\nGET /smug HTTP/1.1\r\nHost: a\r\n\r\n", SIZE);
    check_chunked("5;a\rb\r\nhello\r\n0\r\n\r\n", SIZE);
    check_chunked("5;a\nb\r\nhello\r\n0\r\n\r\n", SIZE);
    check_chunked("5;a\0b\r\nhello\r\n0\r\n\r\n", SIZE);
    check_chunked("5\nhello\r\n0\r\n\r\n", SIZE);
    check_chunked("5\rXhello\r\n0\r\n\r\n", SIZE);
    check_chunked("5\r\nhello\r\n0\n\r\n", "hellocut: a malformed chunk size");
    check_chunked(
        "5\r\nhello\n0\r\n\r\n",
        "hellocut: chunk data does not end where its size says",
    );
    check_chunked(
        "5\r\nhelloAB\r\n0\r\n\r\n",
        "hellocut: chunk data does not end where its size says",
    );
    check_chunked(
        "5\r\nhelloXX0\r\n\r\n",
        "hellocut: chunk data does not end where its size says",
    );
    check_chunked("5\r\nhello\r\n0\r\n\n", "hellocut: malformed trailers");
}

#[test]
fn trailers_come_through_without_what_belongs_in_a_head() {
    check_chunked(
        "5\r\nhello\r\n0\r\nGrpc-Status: 0\r\n\r\n",
        "hello grpc-status=0end | kept",
    );
    check_chunked("0\r\nX: y\r\n\r\n", " x=yend | kept");
    check_chunked(
        "0\r\nContent-Length: 9\r\nHost: b\r\nAuthorization: x\r\nX-Forwarded-For: 1.1.1.1\r\n\r\n",
        "end | kept",
    );
    check_chunked("0\r\nX : y\r\n\r\n", "cut: malformed trailers");
    check_chunked("0\r\nX: y\n\r\n", "cut: malformed trailers");
    check_chunked("0\r\nX\r\n\r\n", "cut: malformed trailers");
}

#[test]
fn more_than_the_bounds_is_refused() {
    check_bound(
        "HTTP/1.1 200 OK\r\n",
        &"A: b\r\n".repeat(FIELDS_MAX + 1),
        "\r\n",
        "TooManyFields",
    );
    check_bound(
        "HTTP/1.1 200 OK\r\nA: ",
        &"a".repeat(32 * 1024),
        "\r\n\r\n",
        "HeadTooLarge",
    );
    check_bound(
        "HTTP/1.1 200 OK\r\nA: ",
        &"a".repeat(1024 * 1024),
        "",
        "HeadTooLarge",
    );
    check_bound(
        "HTTP/1.1 200 ",
        &"a".repeat(1024 * 1024),
        "",
        "HeadTooLarge",
    );
    const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let long = "200 | cut: chunk extensions are too long";
    check_bound(
        CHUNKED,
        &("5;".to_owned() + &"a".repeat(CHUNK_LINE_MAX)),
        "\r\nhello\r\n0\r\n\r\n",
        long,
    );
    let extended = format!("1;{}\r\na\r\n", "a".repeat(CHUNK_LINE_MAX - 4));
    let chunks = usize::try_from(CHUNK_EXTENSIONS_MAX).unwrap() / (CHUNK_LINE_MAX - 3);
    let told = format!(
        "200 | {}cut: chunk extensions are too long",
        "a".repeat(chunks)
    );
    check_bound(CHUNKED, &extended.repeat(chunks + 1), "0\r\n\r\n", &told);
    let large = "200 | cut: trailers are too large";
    check_bound(
        CHUNKED,
        &format!("0\r\nX: {}", "a".repeat(8 * 1024)),
        "\r\n\r\n",
        large,
    );
    check_bound(
        CHUNKED,
        &format!("0\r\n{}", "X: y\r\n".repeat(FIELDS_MAX + 1)),
        "\r\n",
        large,
    );
}

/// Long texts are cut in few places only.
#[track_caller]
fn check_bound(start: &str, middle: &str, end: &str, expected: &str) {
    let wire = [start, middle, end].concat().into_bytes();
    for size in [wire.len(), 1000, 1] {
        let pieces = wire.chunks(size).map(<[u8]>::to_vec);
        let headers = HeaderMap::new();
        let story = run(tell(
            Script::new(pieces, End::Close),
            plain(&Method::GET, &headers),
        ));
        assert_eq!(story, expected, "in pieces of {size}");
    }
}

#[test]
fn exactly_the_bounds_are_taken() {
    let fields = "A: b\r\n".repeat(FIELDS_MAX - 1) + "Content-Length: 0\r\n";
    let told = format!(
        "200{} content-length=0 | end | kept",
        " a=b".repeat(FIELDS_MAX - 1)
    );
    check_bound("HTTP/1.1 200 OK\r\n", &fields, "\r\n", &told);
    let rest = "HTTP/1.1 204 N\r\nA: \r\n\r\n".len();
    let value = "a".repeat(32 * 1024 - rest);
    check_bound(
        "HTTP/1.1 204 N\r\nA: ",
        &value,
        "\r\n\r\n",
        &format!("204 a={value} | end | kept"),
    );
}

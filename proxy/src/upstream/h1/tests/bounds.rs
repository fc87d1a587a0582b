//! Answers at the bounds and one beyond them.

use http::{HeaderMap, Method};

use super::story::{plain, run, tell};
use super::transport::{End, Script};
use crate::upstream::h1::Limits;
use crate::upstream::h1::limits::{CHUNK_EXTENSIONS_MAX, CHUNK_LINE_MAX, FIELDS_MAX};

const OK: &str = "HTTP/1.1 200 OK\r\n";
const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

/// Sends a GET to a backend that says `start`, `unit` so many times, and `end`.
#[track_caller]
fn check(start: &str, unit: &str, times: usize, end: &str, expected: &str) {
    let headers = HeaderMap::new();
    let wire = [start, &unit.repeat(times), end].concat().into_bytes();
    for size in [wire.len(), 1000, 1] {
        let pieces = wire.chunks(size).map(<[u8]>::to_vec);
        let script = Script::new(pieces, End::Close);
        let story = run(tell(script, plain(&Method::GET, &headers)));
        assert!(story == expected, "{story:.200} in pieces of {size}");
    }
}

#[test]
fn a_head_has_bounded_bytes() {
    let rest = OK.len() + "\r\n\r\n".len() - "\r\n".len();
    let room = Limits::default().head_bytes - rest;
    let ok = &OK[..OK.len() - 2];
    check(ok, "K", room, "\r\n\r\n", "200 | end");
    check(ok, "K", room + 1, "\r\n\r\n", "HeadTooLarge");
    check(ok, "K", 1024 * 1024, "", "HeadTooLarge");
    check(OK, "a: b\r\n", 1024 * 1024, "", "HeadTooLarge");
}

#[test]
fn a_head_has_bounded_fields() {
    let story = format!("200{} | end", " a=b".repeat(FIELDS_MAX));
    check(OK, "a: b\r\n", FIELDS_MAX, "\r\n", &story);
    check(OK, "a: b\r\n", FIELDS_MAX + 1, "\r\n", "TooManyFields");
}

#[test]
fn a_chunk_line_and_all_of_them_have_bounded_extensions() {
    let room = CHUNK_LINE_MAX - "1;\r\n".len();
    let many = "200 | cut: chunk extensions are too long";
    check(
        &format!("{CHUNKED}1;"),
        "x",
        room,
        "\r\na\r\n0\r\n\r\n",
        "200 | a | end | kept",
    );
    check(
        &format!("{CHUNKED}1;"),
        "x",
        room + 1,
        "\r\na\r\n0\r\n\r\n",
        many,
    );
    let chunk = format!("1;{}\r\na\r\n", "x".repeat(127));
    let most = usize::try_from(CHUNK_EXTENSIONS_MAX).unwrap() / 128;
    let data = "a".repeat(most);
    check(
        CHUNKED,
        &chunk,
        most,
        "0\r\n\r\n",
        &format!("200 | {data} | end | kept"),
    );
    let cut = format!("200 | {data} | cut: chunk extensions are too long");
    check(CHUNKED, &chunk, most + 1, "0\r\n\r\n", &cut);
}

#[test]
fn trailers_have_bounded_bytes_and_fields() {
    let room = Limits::default().trailer_bytes - "x: \r\n\r\n".len();
    let start = format!("{CHUNKED}0\r\n");
    let large = "200 | cut: trailers are too large";
    let story = format!("200 | x={} | end | kept", "a".repeat(room));
    check(&format!("{start}x: "), "a", room, "\r\n\r\n", &story);
    check(&format!("{start}x: "), "a", room + 1, "\r\n\r\n", large);
    let story = format!("200 | {} | end | kept", ["x=y"; FIELDS_MAX].join(" "));
    check(&start, "x: y\r\n", FIELDS_MAX, "\r\n", &story);
    check(&start, "x: y\r\n", FIELDS_MAX + 1, "\r\n", large);
}

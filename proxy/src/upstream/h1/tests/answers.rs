//! Answers of good and bad backends (RFC 9112 sections 2.2, 6.3, 7.1, 8; RFC 9110 section 15).

use http::header::HeaderValue;
use http::{HeaderMap, Method};

use super::story::{all_cuts, plain, run, tell};
use super::transport::{End, Script};
use crate::upstream::h1::RequestHead;
use crate::upstream::h1::limits::INTERIM_MAX;

/// How the text of a case is put on the wire: `|` stands for CR LF, the rest as in string literals.
fn wire_of(text: &str) -> Vec<u8> {
    let marks = [
        ("|", "\r\n"),
        (r"\r", "\r"),
        (r"\n", "\n"),
        (r"\t", "\t"),
        (r"\0", "\0"),
    ];
    let replace = |text: String, (mark, bytes): (&str, &str)| text.replace(mark, bytes);
    marks
        .into_iter()
        .fold(text.to_owned(), replace)
        .into_bytes()
}

/// Sends `head` to a backend that says `answer`, in every way it can be cut.
#[track_caller]
fn case(head: &RequestHead<'_>, answer: &str, end: End, expected: &str) {
    for pieces in all_cuts(&wire_of(answer)) {
        let cut = pieces.first().map_or(0, Vec::len);
        let story = run(tell(Script::new(pieces, end), *head));
        assert_eq!(story, expected, "{answer:?} cut at {cut}");
    }
}

/// Runs a table of `answer => story`, a case a line, each answer behind `start`.
#[track_caller]
fn cases(head: &RequestHead<'_>, start: &str, end: End, table: &str) {
    for line in table.lines().filter(|line| !line.trim().is_empty()) {
        let (answer, story) = line.split_once("=>").expect("a case has an arrow");
        let answer = answer
            .strip_prefix(INDENT)
            .expect("a case is indented")
            .trim_end();
        case(head, &format!("{start}{answer}"), end, story.trim());
    }
}

/// How far the tables stand from the margin.
const INDENT: &str = "        ";

/// What a GET gets from a backend that says this and closes.
#[track_caller]
fn check(table: &str) {
    let headers = HeaderMap::new();
    cases(&plain(&Method::GET, &headers), "", End::Close, table);
}

/// The same for answers of 200, from their fields on.
#[track_caller]
fn ok(table: &str) {
    let (headers, start) = (HeaderMap::new(), "HTTP/1.1 200 OK|");
    cases(&plain(&Method::GET, &headers), start, End::Close, table);
}

/// The same for chunked bodies, from their first chunk on.
#[track_caller]
fn chunked(table: &str) {
    let (headers, start) = (
        HeaderMap::new(),
        "HTTP/1.1 200 OK|Transfer-Encoding: chunked||",
    );
    cases(&plain(&Method::GET, &headers), start, End::Close, table);
}

/// What a HEAD gets.
#[track_caller]
fn to_head(table: &str) {
    let headers = HeaderMap::new();
    cases(&plain(&Method::HEAD, &headers), "", End::Close, table);
}

/// What a request for WebSocket gets.
#[track_caller]
fn to_upgrade(table: &str) {
    let (headers, protocol) = (HeaderMap::new(), HeaderValue::from_static("websocket"));
    let head = RequestHead {
        upgrade: Some(&protocol),
        ..plain(&Method::GET, &headers)
    };
    cases(&head, "", End::Close, table);
}

/// What a GET gets from a backend that says this and resets the connection.
#[track_caller]
fn reset(table: &str) {
    let headers = HeaderMap::new();
    cases(&plain(&Method::GET, &headers), "", End::Reset, table);
}

#[test]
fn good_answers_come_whole_and_keep_the_connection() {
    ok(r"
        Content-Length: 2||hi         => 200 | hi | end | kept
        Content-Length: 0||           => 200 | end | kept
        A: 1|A: 2|Content-Length: 0|| => 200 a=1 a=2 | end | kept
        ");
    check(
        r"
        HTTP/1.1 200|Content-Length: 002||hi                         => 200 | hi | end | kept
        HTTP/1.1 404 |X-A:  b |Content-Length: 0||                   => 404 x-a=b | end | kept
        HTTP/1.1 500 é|X: é|Content-Length: 0||                      => 500 x=\xc3\xa9 | end | kept
        HTTP/1.1 599 Z|Content-Length: 0||                           => 599 | end | kept
        HTTP/1.0 200 OK|Connection: keep-alive|Content-Length: 2||hi => 200 | hi | end | kept
        ",
    );
}

#[test]
fn a_connection_that_ends_or_is_unclear_is_not_kept() {
    ok(r"
        Connection: close|Content-Length: 2||hi                      => 200 | hi | end
        Connection: x, CLOSE|Content-Length: 0||                     => 200 | end
        Connection: close|Connection: keep-alive|Content-Length: 0|| => 200 | end
        |to the end                                                  => 200 | to the end | end
        |                                                            => 200 | end
        ");
    check(
        r"
        HTTP/1.0 200 OK|Content-Length: 2||hi => 200 | hi | end
        ",
    );
}

#[test]
fn fields_for_one_connection_stay_on_it() {
    ok(r"
        Connection: x-a, close|X-A: 1|X-B: 2|Content-Length: 0||                                                => 200 x-b=2 | end
        Connection: |Connection: X-A|X-A: 1|Content-Length: 0||                                                 => 200 | end | kept
        Keep-Alive: a|Proxy-Connection: b|Proxy-Authenticate: c|TE: d|Trailer: e|Upgrade: f|Content-Length: 0|| => 200 | end | kept
        ");
}

#[test]
fn an_answer_with_two_ends_is_refused() {
    ok(r"
        Content-Length: 2|Content-Length: 3||abc                   => ContentLength
        Content-Length: 2, 3||abc                                  => ContentLength
        Content-Length: 2|Content-Length: 2||hi                    => ContentLength
        Content-Length: 2, 2||hi                                   => ContentLength
        Transfer-Encoding: chunked|Content-Length: 30||0||         => TwoFramings
        Content-Length: 30|Transfer-Encoding: chunked||0||         => TwoFramings
        Transfer-Encoding: foobar|Content-Length: 3||abc           => TransferEncoding
        Transfer-Encoding: chunked, chunked||0||                   => TransferEncoding
        Transfer-Encoding: chunked|Transfer-Encoding: chunked||0|| => TransferEncoding
        Transfer-Encoding: chunked, gzip||                         => TransferEncoding
        Transfer-Encoding: gzip, chunked||                         => TransferEncoding
        Transfer-Encoding: identity||                              => TransferEncoding
        Transfer-Encoding: ||                                      => TransferEncoding
        Content-Length: -2||                                       => ContentLength
        Content-Length: ||                                         => ContentLength
        Content-Length: +2||hi                                     => ContentLength
        Content-Length: 99999999999999999999||hi                   => ContentLength
        ");
    check(
        r"
        HTTP/1.0 200 OK|Transfer-Encoding: chunked||0||                => TransferEncoding
        HTTP/1.1 204 No|Content-Length: 2|Transfer-Encoding: chunked|| => TwoFramings
        ",
    );
    to_head(
        r"
        HTTP/1.1 200 OK|Content-Length: 2|Content-Length: 3|| => ContentLength
        ",
    );
}

#[test]
fn answers_without_a_body_have_none() {
    to_head(
        r"
        HTTP/1.1 200 OK|Content-Length: 5||          => 200 content-length=5 | end | kept
        HTTP/1.1 200 OK|Transfer-Encoding: chunked|| => 200 | end | kept
        HTTP/1.1 200 OK||                            => 200 | end | kept
        ",
    );
    check(
        r"
        HTTP/1.1 304 N|Content-Length: 5|ETag: a||  => 304 etag=a content-length=5 | end | kept
        HTTP/1.1 204 N||                            => 204 | end | kept
        HTTP/1.1 204 N|Content-Length: 0||          => 204 | end | kept
        HTTP/1.1 204 N|Content-Length: 5||          => 204 | end
        HTTP/1.1 204 N|Transfer-Encoding: chunked|| => 204 | end
        HTTP/1.1 205 R|Content-Length: 0||          => 205 | end | kept
        HTTP/1.1 205 R|Content-Length: 5||hello     => 205 | end
        HTTP/1.1 205 R||                            => 205 | end
        ",
    );
}

#[test]
fn what_is_no_answer_is_refused() {
    check(
        r"
        HTTP/1.1 99 X||     => Syntax
        HTTP/1.1 099 X||    => Status(99)
        HTTP/1.1 000 X||    => Status(0)
        HTTP/1.1 600 X||    => Status(600)
        HTTP/1.1 999 X||    => Status(999)
        HTTP/1.1 1000 X||   => Syntax
        HTTP/1.1 2xx X||    => Syntax
        HTTP/1.1  200 X||   => Syntax
        HTTP/1.2 200 X||    => NotHttp1
        HTTP/2.0 200 X||    => NotHttp1
        http/1.1 200 X||    => NotHttp1
        SSH-2.0-OpenSSH_9|  => NotHttp1
        <html>              => NotHttp1
        |HTTP/1.1 200 X||   => NotHttp1
         HTTP/1.1 200 X||   => NotHttp1
        HTTP/1.1 200 O\rK|| => Syntax
        HTTP/1.1 200 O\0K|| => Syntax
        ",
    );
    ok(r"
        A||          => Syntax
        A : b||      => Syntax
         A: b||      => Syntax
        A: b| c||    => Syntax
        : b||        => Syntax
        A: b\0c||    => Syntax
        A: b\rX: c|| => Syntax
        ");
}

#[test]
fn a_bare_line_feed_is_no_line_end() {
    check(
        r"
        HTTP/1.1 200 OK\nContent-Length: 0|| => BareLineFeed
        HTTP/1.1 200 OK\n\n                  => BareLineFeed
        HTTP/1.1 100 C\n\nHTTP/1.1 200 OK||  => BareLineFeed
        ",
    );
    ok(r"
        Content-Length: 0\n| => BareLineFeed
        Content-Length: 0|\n => BareLineFeed
        ");
}

#[test]
fn interim_answers_are_skipped_but_counted() {
    check(
        r"
        HTTP/1.1 100 C||HTTP/1.1 200 OK|Content-Length: 2||hi => 200 | hi | end | kept
        HTTP/1.1 103 E|Link: a||HTTP/1.1 199 ?||HTTP/1.1 204|| => 204 | end | kept
        HTTP/1.1 102 P|X: y||                                  => Truncated
        ",
    );
    let headers = HeaderMap::new();
    let get = plain(&Method::GET, &headers);
    let interim = "HTTP/1.1 102 P||".repeat(INTERIM_MAX.into());
    case(
        &get,
        &(interim.clone() + "HTTP/1.1 204||"),
        End::Close,
        "204 | end | kept",
    );
    case(
        &get,
        &(interim + "HTTP/1.1 102 P||"),
        End::Close,
        "TooManyInterim",
    );
}

#[test]
fn an_upgrade_is_to_what_was_asked_for_or_none() {
    check(
        r"
        HTTP/1.1 101 S|Connection: upgrade|Upgrade: websocket|| => UnaskedUpgrade
        ",
    );
    to_upgrade(
        r"
        HTTP/1.1 101 S|Connection: Upgrade|Upgrade: WebSocket||  => 101 connection=upgrade upgrade=WebSocket | then <>
        HTTP/1.1 101 S|Upgrade: websocket|Connection: upgrade||| => 101 connection=upgrade upgrade=websocket | then <\r\n>
        HTTP/1.1 101 S|Connection: upgrade|Upgrade: h2c||                    => UnaskedUpgrade
        HTTP/1.1 101 S|Connection: upgrade|Upgrade: websocket, h2c||         => UnaskedUpgrade
        HTTP/1.1 101 S|Connection: upgrade|Upgrade: h2c|Upgrade: websocket|| => UnaskedUpgrade
        HTTP/1.1 101 S|Upgrade: websocket||                                  => UnaskedUpgrade
        HTTP/1.1 101 S|Connection: upgrade||                                 => UnaskedUpgrade
        HTTP/1.0 101 S|Connection: upgrade|Upgrade: websocket||              => UnaskedUpgrade
        HTTP/1.1 426 U|Upgrade: websocket|Content-Length: 0||                => 426 | end | kept
        ",
    );
}

#[test]
fn a_cut_answer_is_seen_to_be_cut() {
    check(
        r"
          => ClosedBeforeResponse
        H => Truncated
        ",
    );
    ok(r"
        Content-Length: 5|     => Truncated
        Content-Length: 5||    => 200 | cut: the answer's body was cut short
        Content-Length: 5||hel => 200 | hel | cut: the answer's body was cut short
        ");
    chunked(
        r"
                        => 200 | cut: the answer's body was cut short
        5|hel           => 200 | hel | cut: the answer's body was cut short
        5|hello|        => 200 | hello | cut: the answer's body was cut short
        5|hello|0|      => 200 | hello | cut: the answer's body was cut short
        5|hello|0|X: y| => 200 | hello | cut: the answer's body was cut short
        ",
    );
    reset(
        r"
                                               => ClosedBeforeResponse
        HTTP/1.1 2                             => Io(connection reset)
        HTTP/1.1 200 OK||abc                   => 200 | abc | cut: connection reset
        HTTP/1.1 200 OK|Content-Length: 5||hel => 200 | hel | cut: connection reset
        ",
    );
}

#[test]
fn chunks_are_joined_and_their_extensions_dropped() {
    chunked(
        r"
        0||                        => 200 | end | kept
        5|hello|0||                => 200 | hello | end | kept
        5|hello|6| world|0||       => 200 | hello world | end | kept
        A|0123456789|00||          => 200 | 0123456789 | end | kept
        0000000000000005|hello|0|| => 200 | hello | end | kept
        5;a=b|hello|0;c||          => 200 | hello | end | kept
        5\t;a='b'|hello|0||        => 200 | hello | end | kept
        5 |hello|0||               => 200 | hello | end | kept
        ",
    );
}

#[test]
fn malformed_chunks_cut_the_body() {
    chunked(
        r"
        0x5|hello|0||                       => 200 | cut: a malformed chunk size
         5|hello|0||                        => 200 | cut: a malformed chunk size
        -5|hello|0||                        => 200 | cut: a malformed chunk size
        +5|hello|0||                        => 200 | cut: a malformed chunk size
        5 5|hello|0||                       => 200 | cut: a malformed chunk size
        10000000000000005|hello|0||         => 200 | cut: a malformed chunk size
        0000000000000000000000005|hello|0|| => 200 | cut: a malformed chunk size
        ||                                  => 200 | cut: a malformed chunk size
        Z!!|GET /smug HTTP/1.1|Host: a||    => 200 | cut: a malformed chunk size
        5;a\rb|hello|0||                    => 200 | cut: a malformed chunk size
        5;a\nb|hello|0||                    => 200 | cut: a malformed chunk size
        5;a\0b|hello|0||                    => 200 | cut: a malformed chunk size
        5\nhello|0||                        => 200 | cut: a malformed chunk size
        5\rXhello|0||                       => 200 | cut: a malformed chunk size
        5|hello|0\n|                        => 200 | hello | cut: a malformed chunk size
        5|hello\n0||                        => 200 | hello | cut: chunk data does not end where its size says
        5|helloAB|0||                       => 200 | hello | cut: chunk data does not end where its size says
        5|helloXX0||                        => 200 | hello | cut: chunk data does not end where its size says
        5|hello|0|\n                        => 200 | hello | cut: malformed trailers
        ",
    );
}

#[test]
fn trailers_come_through_without_what_belongs_in_a_head() {
    chunked(
        r"
        5|hello|0|Grpc-Status: 0||                                              => 200 | hello | grpc-status=0 | end | kept
        0|X: y||                                                                => 200 | x=y | end | kept
        0|Content-Length: 9|Host: b|Authorization: x|X-Forwarded-For: 1.1.1.1|| => 200 | end | kept
        0|X : y||                                                               => 200 | cut: malformed trailers
        0|X: y\n|                                                               => 200 | cut: malformed trailers
        0|X||                                                                   => 200 | cut: malformed trailers
        ",
    );
}

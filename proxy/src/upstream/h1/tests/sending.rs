//! How bodies are sent, and what a failure on the way says about a second try.

use std::rc::Rc;

use bytes::Bytes;
use http::header::HeaderValue;
use http::{HeaderMap, Method};
use http_body::Body;

use super::frames::{Failed, Frames, Then};
use super::story::{plain, run};
use super::transport::{End, Script};
use crate::upstream::h1::{
    Connection, Failure, Limits, Outcome, RequestBodyError, RequestHead, SendError, send,
};

const DONE: &str = "HTTP/1.1 204 N\r\n\r\n";

type Sent<B> = Result<u16, SendError<B, <B as Body>::Error>>;

/// Sends a body and reads no more than the answer's head; `Ok` is its status.
fn send_over<B>(script: Script, method: &Method, length: Option<u64>, body: B) -> Sent<B>
where
    B: Body<Data = Bytes> + Unpin,
{
    let headers = HeaderMap::new();
    let head = RequestHead {
        length,
        ..plain(method, &headers)
    };
    let connection = Connection::new(script, Limits::default());
    match run(send(connection, head, body, drop))? {
        Outcome::Response(response) => Ok(response.status().as_u16()),
        Outcome::Upgraded { .. } => panic!("upgraded"),
    }
}

/// What is written for a request, `|` for CR LF and ` + ` between writes.
#[track_caller]
fn check<B>(method: &Method, length: Option<u64>, body: B, expected: &str)
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::fmt::Debug,
{
    let script = Script::saying(DONE);
    let writes = Rc::clone(&script.writes);
    let status = send_over(script, method, length, body);
    assert_eq!(status.map_err(|error| error.failure).unwrap(), 204);
    let text = writes.borrow().join(&b" + "[..]);
    let text = String::from_utf8(text).unwrap().replace("\r\n", "|");
    assert_eq!(text, expected);
}

fn frames(data: &[&'static str], then: Then) -> Frames {
    Frames::new(data.iter().copied(), then)
}

#[test]
fn the_framing_follows_what_is_known_of_the_body() {
    use Then::{End, EndUnannounced};
    let (get, post) = (&Method::GET, &Method::POST);
    check(get, None, frames(&[], End), "GET / HTTP/1.1||");
    check(
        get,
        Some(0),
        frames(&[], EndUnannounced),
        "GET / HTTP/1.1||",
    );
    check(
        post,
        None,
        frames(&[], End),
        "POST / HTTP/1.1|content-length: 0||",
    );
    check(
        &Method::PUT,
        None,
        frames(&[], End),
        "PUT / HTTP/1.1|content-length: 0||",
    );
    check(
        &Method::PATCH,
        None,
        frames(&[], End),
        "PATCH / HTTP/1.1|content-length: 0||",
    );
    check(
        &Method::DELETE,
        None,
        frames(&[], End),
        "DELETE / HTTP/1.1||",
    );
    check(
        post,
        None,
        http_body_util::Full::new(Bytes::from_static(b"hi")),
        "POST / HTTP/1.1|content-length: 2||hi",
    );
    check(
        post,
        Some(3),
        frames(&["a", "bc"], End),
        "POST / HTTP/1.1|content-length: 3||a + bc",
    );
    check(
        get,
        Some(1),
        frames(&["a"], End),
        "GET / HTTP/1.1|content-length: 1||a",
    );
}

#[test]
fn chunks_end_with_the_last_frame_or_behind_it() {
    use Then::{End, EndUnannounced};
    let start = "POST / HTTP/1.1|transfer-encoding: chunked||";
    let check = |body, rest| check(&Method::POST, None, body, &format!("{start}{rest}"));
    check(frames(&["a", "bc"], End), "1|a| + 2|bc|0||");
    check(frames(&["a", "bc"], EndUnannounced), "1|a| + 2|bc| + 0||");
    check(
        frames(&["0123456789abcdef"], End),
        "10|0123456789abcdef|0||",
    );
    check(frames(&[], EndUnannounced), "0||");
    check(frames(&["", "a", ""], EndUnannounced), " + 1|a| + 0||");
    let mut trailers = HeaderMap::new();
    trailers.insert("x-sum", HeaderValue::from_static("1"));
    trailers.insert("host", HeaderValue::from_static("b"));
    check(
        frames(&["a"], End).with_trailers(trailers),
        "1|a| + 0|x-sum: 1||",
    );
}

#[test]
fn a_body_of_another_length_than_announced_is_a_failure() {
    use RequestBodyError::{Body, TooLong, TooShort};
    check_body(Some(3), frames(&["a"], Then::End), TooShort);
    check_body(Some(3), frames(&["a"], Then::EndUnannounced), TooShort);
    check_body(Some(3), frames(&[], Then::End), TooShort);
    check_body(
        Some(3),
        frames(&["a"], Then::End).with_trailers(HeaderMap::new()),
        TooShort,
    );
    check_body(Some(3), frames(&["ab", "cd"], Then::End), TooLong);
    check_body(Some(3), frames(&["ab"], Then::Fail), Body(Failed));
    check_body(None, frames(&["ab"], Then::Fail), Body(Failed));
}

#[track_caller]
fn check_body(length: Option<u64>, body: Frames, expected: RequestBodyError<Failed>) {
    let script = Script::saying(DONE);
    let sent = send_over(script, &Method::POST, length, body);
    match sent.map_err(|error| error.failure) {
        Err(Failure::RequestBody(error)) => assert_eq!(error, expected),
        other => panic!("{other:?}"),
    }
}

/// What a failure says: its kind, and whether the body came back.
#[track_caller]
fn check_failure(script: Script, body: Frames, expected: (&str, bool)) {
    let error = send_over(script, &Method::POST, None, body).unwrap_err();
    let kind = match error.failure {
        Failure::Unsent(_) => "unsent",
        Failure::ClosedBeforeResponse(_) => "closed",
        other => panic!("{other:?}"),
    };
    assert_eq!((kind, error.body.is_some()), expected);
    assert!(!error.reused);
}

#[test]
fn a_failure_tells_what_was_sent_and_returns_an_untouched_body() {
    let script = |room, end| Script {
        room,
        ..Script::new([], end)
    };
    let waiting = || frames(&[], Then::Silence);
    let taken = || frames(&["a"], Then::Silence);
    check_failure(script(0, End::Close), waiting(), ("unsent", true));
    check_failure(script(0, End::Close), taken(), ("unsent", false));
    check_failure(script(9, End::Close), waiting(), ("closed", true));
    check_failure(script(usize::MAX, End::Close), waiting(), ("closed", true));
    check_failure(script(usize::MAX, End::Close), taken(), ("closed", false));
    check_failure(script(usize::MAX, End::Reset), waiting(), ("closed", true));
}

#[test]
fn a_backend_that_stops_reading_still_answers() {
    let script = Script {
        room: 9,
        ..Script::saying("HTTP/1.1 413 L\r\nContent-Length: 0\r\n\r\n")
    };
    let sent = send_over(script, &Method::POST, None, frames(&["a"], Then::End));
    assert_eq!(sent.map_err(|error| error.failure).unwrap(), 413);
}

#[test]
fn a_connection_that_carried_a_request_says_so() {
    let script = Script::saying(DONE);
    let headers = HeaderMap::new();
    let mut kept = None;
    let first = Connection::new(script, Limits::default());
    let body = || frames(&[], Then::End);
    run(send(
        first,
        plain(&Method::GET, &headers),
        body(),
        |connection| {
            kept = Some(connection);
        },
    ))
    .unwrap();
    let second = kept.expect("the connection is kept");
    assert_eq!(second.served(), 1);
    let error = run(send(second, plain(&Method::GET, &headers), body(), drop)).unwrap_err();
    assert!(matches!(error.failure, Failure::ClosedBeforeResponse(None)));
    assert!(error.reused && error.body.is_some());
}

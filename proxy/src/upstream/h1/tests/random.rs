//! Properties over random bodies, cuts and noise.

use std::rc::Rc;

use bytes::Bytes;
use http::{HeaderMap, Method};
use http_body_util::{BodyExt, Empty};
use proptest::collection::vec;
use proptest::prelude::*;

use super::frames::{Frames, Then};
use super::story::{plain, run, tell};
use super::transport::{End, Script};
use crate::upstream::h1::{Connection, Limits, Outcome, send};

/// Cuts a wire text into pieces of these sizes, over and over.
fn cut(mut wire: &[u8], sizes: &[usize]) -> Vec<Vec<u8>> {
    let mut pieces = Vec::new();
    for size in sizes.iter().cycle() {
        if wire.is_empty() {
            break;
        }
        let (piece, rest) = wire.split_at((*size).min(wire.len()));
        pieces.push(piece.to_vec());
        wire = rest;
    }
    pieces
}

/// Sends a body and returns what was written behind the head.
fn written(body: Frames, length: Option<u64>, write_max: usize, vectored: bool) -> Vec<u8> {
    let script = Script {
        write_max,
        vectored,
        ..Script::saying("HTTP/1.1 204 N\r\n\r\n")
    };
    let writes = Rc::clone(&script.writes);
    let headers = HeaderMap::new();
    let mut head = plain(&Method::POST, &headers);
    head.length = length;
    let sent = send(Connection::new(script, Limits::default()), head, body, drop);
    assert!(run(sent).is_ok());
    let wire = writes.borrow().concat();
    let end = wire
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap();
    wire[end + 4..].to_vec()
}

/// Reads the body of this answer.
fn read(head: &str, body: &[u8], sizes: &[usize]) -> Vec<u8> {
    let wire = [head.as_bytes(), body].concat();
    let script = Script::new(cut(&wire, sizes), End::Close);
    let headers = HeaderMap::new();
    let connection = Connection::new(script, Limits::default());
    run(async {
        let get = plain(&Method::GET, &headers);
        match send(connection, get, Empty::<Bytes>::new(), drop).await {
            Ok(Outcome::Response(response)) => {
                let body = response.into_body().collect().await;
                body.expect("a whole body").to_bytes().to_vec()
            }
            other => panic!("{other:?}"),
        }
    })
}

/// Text that looks like an answer in many places.
fn nearly_an_answer() -> impl Strategy<Value = Vec<u8>> {
    let parts = [
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.1 101 S\r\n",
        "HTTP/1.0 ",
        "Content-Length: ",
        "Transfer-Encoding: chunked\r\n",
        "Connection: close\r\n",
        "a: b",
        "3",
        "\r\n",
        "\n",
        "\r",
        "\r\n\r\n",
        "0\r\n",
        "fffffffffffffffe\r\n",
        ";",
        " ",
        "\0",
    ];
    let part = prop_oneof![
        4 => prop::sample::select(parts.to_vec()).prop_map(|part| part.as_bytes().to_vec()),
        1 => vec(any::<u8>(), 0..4),
    ];
    vec(part, 0..30).prop_map(|parts| parts.concat())
}

proptest! {
    /// What is written as a chunked request reads back as the same chunked answer, whatever the
    /// frames, the writes and the reads.
    #[test]
    fn chunks_read_back_as_they_were_written(
        frames in vec(vec(any::<u8>(), 0..3000), 0..6),
        announced in any::<bool>(),
        write_max in 1..5000_usize,
        vectored in any::<bool>(),
        sizes in vec(1..2000_usize, 1..5),
    ) {
        let then = if announced { Then::End } else { Then::EndUnannounced };
        let expected = frames.concat();
        let wire = written(Frames::new(frames, then), None, write_max, vectored);
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        prop_assume!(!wire.is_empty());
        prop_assert_eq!(read(head, &wire, &sizes), expected);
    }

    #[test]
    fn lengths_are_kept(
        frames in vec(vec(any::<u8>(), 1..3000), 1..6),
        write_max in 1..5000_usize,
        vectored in any::<bool>(),
        sizes in vec(1..2000_usize, 1..5),
    ) {
        let expected = frames.concat();
        let length = Some(expected.len() as u64);
        let wire = written(Frames::new(frames, Then::End), length, write_max, vectored);
        prop_assert_eq!(&wire, &expected);
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", expected.len());
        prop_assert_eq!(&read(&head, &wire, &sizes), &expected);
        prop_assert_eq!(&read("HTTP/1.1 200 OK\r\n\r\n", &wire, &sizes), &expected);
    }

    /// Noise ends in some outcome, without a panic, and in the same one however it is cut.
    #[test]
    fn noise_has_one_outcome(noise in nearly_an_answer(), sizes in vec(1..20_usize, 1..5)) {
        let outcome = |pieces| {
            let headers = HeaderMap::new();
            run(tell(Script::new(pieces, End::Close), plain(&Method::GET, &headers)))
        };
        let whole = outcome(vec![noise.clone()]);
        prop_assert_eq!(outcome(cut(&noise, &sizes)), whole);
    }
}

//! Bodies that tell whose they are: every 16 bytes name the request, and its number decides on length and framing.

use crate::recorder::Request;
use std::fmt::Write as _;

/// Lengths in turn, in bytes: nothing, less than a head, more than one read, more than a socket takes at once.
const LENGTHS: [usize; 11] = [0, 1, 17, 600, 40, 5_000, 3, 20_000, 100, 1_500, 90_000];
/// Chunks of answers that are sent so, in bytes.
const CHUNK_BYTES: usize = 7_000;

/// The body of request `id` and of its answer.
pub fn content(id: u64) -> Vec<u8> {
    let length = LENGTHS[(id % LENGTHS.len() as u64) as usize];
    let unit = format!("{id:015x}\n").into_bytes();
    unit.into_iter().cycle().take(length).collect()
}

/// The whole answer that belongs to a request, as bytes.
pub fn answer_to(id: u64, request: &Request, backend: &str) -> Vec<u8> {
    let body = content(id);
    let mut head = format!("HTTP/1.1 200 OK\r\nX-Backend: {backend}\r\n");
    let framed = if id.is_multiple_of(3) {
        head.push_str("Transfer-Encoding: chunked\r\n\r\n");
        chunked(&body)
    } else {
        write!(head, "Content-Length: {}\r\n\r\n", body.len()).expect("a string takes all");
        body
    };
    let framed = if request.method == "HEAD" {
        Vec::new()
    } else {
        framed
    };
    [head.into_bytes(), framed].concat()
}

fn chunked(body: &[u8]) -> Vec<u8> {
    let mut framed = Vec::new();
    for chunk in body.chunks(CHUNK_BYTES) {
        framed.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
        framed.extend(chunk);
        framed.extend(b"\r\n");
    }
    framed.extend(b"0\r\n\r\n");
    framed
}

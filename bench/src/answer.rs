//! The requests and answers of the benchmark: written by clients and backends, and checked, every
//! byte, by the clients. The last element of a path says how long the answer's body is.

use anyhow::{Context as _, ensure};

/// Header fields that an answer may have; a peer adds a handful to the backend's four.
const HEADERS_MAX: usize = 32;

/// The key that every WebSocket is asked for with, and what a server must make of it: both are those
/// of RFC 6455, section 1.3.
pub(crate) const WEBSOCKET_KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
/// See [`WEBSOCKET_KEY`].
pub(crate) const WEBSOCKET_ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// The path below which WebSockets are echoed.
pub(crate) const ECHO_PATH: &str = "/shop/echo";

/// The method of the one gRPC call.
pub(crate) const GRPC_PATH: &str = "/shop.Items/Find";

/// The head of a `GET`; `more` are further fields, each with its line's end.
pub(crate) fn get(host: &str, path: &str, answer_bytes: usize, more: &str) -> Vec<u8> {
    format!(
        "GET {path}/items/{answer_bytes} HTTP/1.1\r\nHost: {host}\r\n\
         User-Agent: haldane-bench\r\nAccept: */*\r\n{more}\r\n"
    )
    .into_bytes()
}

/// A whole `POST` of so many bytes, with an answer of so many.
pub(crate) fn post(host: &str, path: &str, body_bytes: usize, answer_bytes: usize) -> Vec<u8> {
    let head = format!(
        "POST {path}/items/{answer_bytes} HTTP/1.1\r\nHost: {host}\r\n\
         User-Agent: haldane-bench\r\nAccept: */*\r\nContent-Length: {body_bytes}\r\n\r\n"
    );
    [head.into_bytes(), vec![b'+'; body_bytes]].concat()
}

/// What asks for a WebSocket.
pub(crate) fn upgrade(host: &str) -> Vec<u8> {
    format!(
        "GET {ECHO_PATH} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: haldane-bench\r\n\
         Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: {WEBSOCKET_KEY}\r\n\r\n"
    )
    .into_bytes()
}

/// The body that a version answers with: its name, then filling.
pub(crate) fn body_of(version: &str, bytes: usize) -> String {
    let filling = ".".repeat(bytes - version.len());
    format!("{version}{filling}")
}

/// The whole answer of a version. `Date` and `Server` stand there because real backends send them
/// and proxies treat them specially; the date is constant, to keep the backend cheap.
pub(crate) fn answer_of(version: &str, bytes: usize) -> Vec<u8> {
    format!(
        "HTTP/1.1 200 OK\r\nServer: haldane-bench\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\n\
         Content-Type: text/plain\r\nContent-Length: {bytes}\r\n\r\n{}",
        body_of(version, bytes)
    )
    .into_bytes()
}

/// A gRPC message: a flag, the length in four bytes, then the body.
pub(crate) fn message_of(body: &str) -> String {
    let length = char::from(u8::try_from(body.len()).expect("messages are short"));
    assert!(length.is_ascii(), "messages are shorter still");
    format!("\0\0\0\0{length}{body}")
}

/// The length of the head that `bytes` begin with; none while more must be read.
///
/// # Errors
/// If it is not a 200 with a body of `body_bytes`.
pub(crate) fn head_in(bytes: &[u8], body_bytes: usize) -> anyhow::Result<Option<usize>> {
    let mut fields = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut head = httparse::Response::new(&mut fields);
    let httparse::Status::Complete(head_bytes) = head.parse(bytes)? else {
        return Ok(None);
    };
    let status = head.code.context("an answer without a status")?;
    ensure!(status == 200, "status {status}");
    let announced = content_length(head.headers)?;
    ensure!(announced == body_bytes, "a body of {announced} bytes");
    Ok(Some(head_bytes))
}

fn content_length(fields: &[httparse::Header<'_>]) -> anyhow::Result<usize> {
    let field = fields
        .iter()
        .find(|field| field.name.eq_ignore_ascii_case("content-length"))
        .context("an answer without Content-Length")?;
    Ok(std::str::from_utf8(field.value)?.parse()?)
}

/// A body that arrives in pieces, held against those that versions answer with.
pub(crate) struct Check<'b> {
    bodies: &'b [String],
    version: Option<usize>,
    seen: usize,
}

impl<'b> Check<'b> {
    /// A body that must be one of these, which differ in their first byte.
    pub(crate) fn new(bodies: &'b [String]) -> Self {
        Self {
            bodies,
            version: None,
            seen: 0,
        }
    }

    /// The next piece.
    ///
    /// # Errors
    /// If no version answers so.
    pub(crate) fn take(&mut self, piece: &[u8]) -> anyhow::Result<()> {
        if piece.is_empty() {
            return Ok(());
        }
        let end = self.seen + piece.len();
        let (bodies, seen) = (self.bodies, self.seen);
        let fits = |&version: &usize| bodies[version].as_bytes().get(seen..end) == Some(piece);
        let version = match self.version {
            Some(version) => Some(version).filter(fits),
            None => (0..bodies.len()).find(fits),
        };
        self.version = Some(version.context("an answer with an unknown body")?);
        self.seen = end;
        Ok(())
    }

    /// Whose body it was, once it is whole.
    pub(crate) fn done(&self) -> Option<usize> {
        self.version
            .filter(|&version| self.bodies[version].len() == self.seen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::SMALL;

    #[track_caller]
    fn check_head(bytes: &[u8], expected: Result<Option<usize>, &str>) {
        let seen = head_in(bytes, SMALL).map_err(|error| error.to_string());
        assert_eq!(seen, expected.map_err(str::to_owned));
    }

    #[test]
    fn only_a_right_head_is_taken() {
        let whole = answer_of("stable", SMALL);
        let head_bytes = whole.len() - SMALL;
        check_head(&whole, Ok(Some(head_bytes)));
        check_head(&whole[..head_bytes], Ok(Some(head_bytes)));
        check_head(&whole[..head_bytes - 1], Ok(None));
        check_head(&answer_of("stable", 7), Err("a body of 7 bytes"));
        check_head(b"HTTP/1.1 503 Busy\r\n\r\n", Err("status 503"));
        check_head(
            b"HTTP/1.1 200 OK\r\n\r\n",
            Err("an answer without Content-Length"),
        );
    }

    #[track_caller]
    fn check_pieces(pieces: &[&str], expected: Option<Option<usize>>) {
        let bodies = ["stable", "canary"].map(|version| body_of(version, 10));
        let mut check = Check::new(&bodies);
        let taken: anyhow::Result<()> = pieces
            .iter()
            .try_for_each(|piece| check.take(piece.as_bytes()));
        assert_eq!(taken.ok().map(|()| check.done()), expected);
    }

    #[test]
    fn only_a_whole_and_right_body_has_a_version() {
        check_pieces(&["stable...."], Some(Some(0)));
        check_pieces(&["", "c", "anary...."], Some(Some(1)));
        check_pieces(&["canary..."], Some(None));
        check_pieces(&["c", "table...."], None);
        check_pieces(&["canary....", "."], None);
    }
}

//! The server behind every peer: fixed answers, as cheaply as they can be had, so that the proxy
//! under test is what limits the run. Of a request it looks at no more than what it must answer.

mod grpc;
mod websocket;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::answer::{ECHO_PATH, answer_of};
use crate::case::{CASES, Case};

/// Room for what a connection has sent: a head many times over, and enough of an upload for each
/// read to be worth its call.
const BUFFER_BYTES: usize = 64 * 1024;

/// Header fields that a request may have; peers add a handful to the client's four.
const HEADERS_MAX: usize = 32;

/// Answers on `listen` in HTTP/1.1, and on `grpc` in HTTP/2, as `version` until the process ends.
///
/// # Errors
/// If an address cannot be bound or accepting fails.
pub(crate) async fn serve(
    listen: SocketAddr,
    grpc: SocketAddr,
    version: &str,
) -> anyhow::Result<()> {
    let listener = TcpListener::bind(listen).await?;
    let calls = TcpListener::bind(grpc).await?;
    let answers = Arc::new(Answers::of(version));
    tokio::spawn(grpc::serve(calls, version.to_owned()));
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        // A connection that fails fails at its client, which reports it.
        tokio::spawn(converse(stream, answers.clone()));
    }
}

/// An answer for each length that a case asks for.
struct Answers(Vec<(String, Vec<u8>)>);

impl Answers {
    fn of(version: &str) -> Self {
        let mut lengths: Vec<usize> = CASES.iter().map(Case::answer_bytes).collect();
        lengths.sort_unstable();
        lengths.dedup();
        let answer = |bytes: usize| (bytes.to_string(), answer_of(version, bytes));
        Self(lengths.into_iter().map(answer).collect())
    }

    /// The answer whose length the path ends with.
    fn to(&self, path: &[u8]) -> anyhow::Result<&[u8]> {
        let length = path.rsplit(|&byte| byte == b'/').next();
        let answer = self
            .0
            .iter()
            .find(|(bytes, _)| Some(bytes.as_bytes()) == length);
        let (_, answer) = answer.context("no answer of that length")?;
        Ok(answer)
    }
}

/// One answer for each request, or an echo once a WebSocket is asked for. No peer pipelines.
async fn converse(mut stream: TcpStream, answers: Arc<Answers>) -> anyhow::Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut filled = 0;
    loop {
        let read = stream.read(&mut buffer[filled..]).await?;
        if read == 0 {
            return Ok(());
        }
        filled += read;
        let Some(head_bytes) = head_end(&buffer[..filled]) else {
            continue;
        };
        let head = &buffer[..head_bytes];
        let path = path_in(head)?;
        if path == ECHO_PATH.as_bytes() {
            return websocket::echo(stream, buffer).await;
        }
        let answer = answers.to(path)?;
        let left = body_bytes(head)?.saturating_sub(filled - head_bytes);
        skip(&mut stream, left, &mut buffer).await?;
        stream.write_all(answer).await?;
        filled = 0;
    }
}

/// Only a `POST` has bytes behind its head.
fn head_end(bytes: &[u8]) -> Option<usize> {
    const END: &[u8] = b"\r\n\r\n";
    if bytes.ends_with(END) {
        return Some(bytes.len());
    }
    let end = || bytes.windows(END.len()).position(|four| four == END);
    bytes
        .starts_with(b"POST")
        .then(end)?
        .map(|at| at + END.len())
}

fn path_in(head: &[u8]) -> anyhow::Result<&[u8]> {
    let path = head.split(|&byte| byte == b' ').nth(1);
    path.context("a request without a path")
}

fn body_bytes(head: &[u8]) -> anyhow::Result<usize> {
    if !head.starts_with(b"POST") {
        return Ok(0);
    }
    let mut fields = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut fields);
    request.parse(head)?;
    let length = request
        .headers
        .iter()
        .find(|field| field.name.eq_ignore_ascii_case("content-length"))
        .context("an upload without Content-Length")?;
    Ok(std::str::from_utf8(length.value)?.parse()?)
}

async fn skip(stream: &mut TcpStream, mut left: usize, buffer: &mut [u8]) -> io::Result<()> {
    while left > 0 {
        let room = left.min(buffer.len());
        match stream.read(&mut buffer[..room]).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => left -= read,
        }
    }
    Ok(())
}

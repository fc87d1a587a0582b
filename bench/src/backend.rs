//! The server behind every peer: one fixed answer to every request, as cheaply as it can be had, so
//! that the proxy under test is what limits the run. It never looks at what was asked.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::answer::answer_of;

/// Longest request head in bytes: the benchmark's own request and what proxies add, many times over.
const HEAD_BYTES_MAX: usize = 8 * 1024;

/// Answers on `listen` as `version` until the process ends.
///
/// # Errors
/// If the address cannot be bound or accepting fails.
pub(crate) async fn serve(listen: SocketAddr, version: &str) -> anyhow::Result<()> {
    let listener = TcpListener::bind(listen).await?;
    let answer: Arc<[u8]> = answer_of(version).into();
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        // A connection that fails fails at its client, which reports it.
        tokio::spawn(answer_all(stream, answer.clone()));
    }
}

/// One answer for each head. Requests have no body and no peer pipelines, so a head has arrived
/// when the bytes end in an empty line.
async fn answer_all(mut stream: TcpStream, answer: Arc<[u8]>) -> std::io::Result<()> {
    let mut buffer = [0; HEAD_BYTES_MAX];
    let mut filled = 0;
    loop {
        let read = stream.read(&mut buffer[filled..]).await?;
        if read == 0 {
            return Ok(());
        }
        filled += read;
        if buffer[..filled].ends_with(b"\r\n\r\n") {
            stream.write_all(&answer).await?;
            filled = 0;
        }
    }
}

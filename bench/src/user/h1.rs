//! A request and its answer over HTTP/1.1.

use anyhow::ensure;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::Stream;
use crate::answer::{Check, head_in};

/// Sends the request and checks the answer, which must be the last thing that the peer sends until
/// it is asked again; returns which of `bodies` it had.
pub(super) async fn ask(
    stream: &mut Stream,
    request: &[u8],
    buffer: &mut [u8],
    bodies: &[String],
) -> anyhow::Result<usize> {
    stream.write_all(request).await?;
    stream.flush().await?;
    let mut check = Check::new(bodies);
    let (head_bytes, filled) = read_head(stream, buffer, bodies[0].len()).await?;
    check.take(&buffer[head_bytes..filled])?;
    loop {
        if let Some(version) = check.done() {
            return Ok(version);
        }
        let read = stream.read(buffer).await?;
        ensure!(read > 0, "the connection ended inside an answer");
        check.take(&buffer[..read])?;
    }
}

/// The length of the head, and how much was read.
async fn read_head(
    stream: &mut Stream,
    buffer: &mut [u8],
    body_bytes: usize,
) -> anyhow::Result<(usize, usize)> {
    let mut filled = 0;
    loop {
        let read = stream.read(&mut buffer[filled..]).await?;
        ensure!(
            read > 0,
            "the connection ended after {filled} bytes of an answer"
        );
        filled += read;
        if let Some(head_bytes) = head_in(&buffer[..filled], body_bytes)? {
            return Ok((head_bytes, filled));
        }
    }
}

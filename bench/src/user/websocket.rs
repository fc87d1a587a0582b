//! Messages of one length over a WebSocket (RFC 6455), and their echoes.

use anyhow::{Context as _, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::Stream;
use crate::answer::{WEBSOCKET_ACCEPT, upgrade};
use crate::case::SMALL;

/// Bytes before the mask or payload of a short frame: its kind and its length.
pub(crate) const HEAD_BYTES: usize = 2;
/// Bytes of a mask.
pub(crate) const MASK_BYTES: usize = 4;

/// A whole binary message.
const BINARY: u8 = 0x82;
/// Says, beside the length, that a mask follows.
const MASKED: u8 = 0x80;
/// The mask of every message: a real client draws each anew, for the sake of caches on the way.
const MASK: [u8; MASK_BYTES] = [0x37, 0xfa, 0x21, 0x3d];

/// Longest answer to the handshake in bytes.
const HEAD_BYTES_MAX: usize = 4 * 1024;

const _: () = assert!(SMALL < 126, "longer payloads have a longer head");

/// A frame with this payload, which is as long as all are; with a mask, from a client.
pub(crate) fn frame(payload: &[u8], mask: Option<[u8; MASK_BYTES]>) -> Vec<u8> {
    let masked = if mask.is_some() { MASKED } else { 0 };
    let mut frame = vec![BINARY, SMALL as u8 | masked];
    frame.extend(mask.into_iter().flatten());
    let mask = mask.unwrap_or_default();
    let bytes = payload.iter().zip(mask.iter().cycle());
    frame.extend(bytes.map(|(byte, mask)| byte ^ mask));
    frame
}

/// Turns the connection into a WebSocket.
pub(super) async fn open(stream: &mut Stream, host: &str) -> anyhow::Result<()> {
    stream.write_all(&upgrade(host)).await?;
    let mut head = Vec::new();
    // By the byte: what follows is not the head's. It happens once for each connection.
    while !head.ends_with(b"\r\n\r\n") {
        ensure!(head.len() < HEAD_BYTES_MAX, "a handshake without an end");
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8(head)?;
    ensure!(head.starts_with("HTTP/1.1 101 "), "no WebSocket: {head}");
    head.find(WEBSOCKET_ACCEPT)
        .context("a handshake without the right Sec-WebSocket-Accept")?;
    Ok(())
}

/// Sends `payload` and waits for its echo. Whoever echoes, it is counted for the first version.
pub(super) async fn ask(
    stream: &mut Stream,
    buffer: &mut [u8],
    payload: &str,
) -> anyhow::Result<usize> {
    stream
        .write_all(&frame(payload.as_bytes(), Some(MASK)))
        .await?;
    let echo = &mut buffer[..HEAD_BYTES + payload.len()];
    stream.read_exact(echo).await?;
    ensure!(*echo == frame(payload.as_bytes(), None), "a wrong echo");
    Ok(0)
}

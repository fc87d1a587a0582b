//! The WebSocket half of the backend: messages of one length are echoed, with their mask taken off
//! (RFC 6455, section 5.3). It knows no other frames, as the benchmark's clients send none.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::answer::WEBSOCKET_ACCEPT;
use crate::case::SMALL;
use crate::user::websocket::{HEAD_BYTES, MASK_BYTES, frame};

/// Agrees to the WebSocket, then echoes until the client ends the connection.
pub(super) async fn echo(mut stream: TcpStream, mut buffer: Vec<u8>) -> anyhow::Result<()> {
    let agreed = format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: {WEBSOCKET_ACCEPT}\r\n\r\n"
    );
    stream.write_all(agreed.as_bytes()).await?;
    let message = &mut buffer[..HEAD_BYTES + MASK_BYTES + SMALL];
    // The client's end of the connection ends the loop as an error, which nobody has to hear of.
    loop {
        stream.read_exact(message).await?;
        let (mask, payload) = message[HEAD_BYTES..].split_at(MASK_BYTES);
        let unmasked = payload.iter().zip(mask.iter().cycle());
        let payload: Vec<u8> = unmasked.map(|(byte, mask)| byte ^ mask).collect();
        stream.write_all(&frame(&payload, None)).await?;
    }
}

//! A client that writes bytes and reads bytes, for what no HTTP library would send.

use crate::client::connect;
use crate::within;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// How bytes are handed to the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// In one write.
    Whole,
    /// One write for each byte.
    ByteByByte,
    /// In two writes, of which the first has so many bytes.
    CutAt(usize),
}

/// A connection without a protocol.
pub struct Raw {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Raw {
    /// Connects.
    ///
    /// # Errors
    /// When there is no connection.
    pub async fn to(address: SocketAddr) -> anyhow::Result<Self> {
        Ok(Self {
            stream: connect(address).await?,
            read: Vec::new(),
        })
    }

    /// Writes; a peer that has closed meanwhile is no fault, since it may have judged what came before.
    pub async fn write(&mut self, bytes: &[u8], pace: Pace) {
        write(&mut self.stream, bytes, pace).await;
    }

    /// Says that nothing more comes.
    pub async fn finish(&mut self) {
        // A peer that has closed meanwhile needs no telling.
        let _ = self.stream.shutdown().await;
    }

    /// Ends the connection at once, as a peer that crashed does.
    pub fn reset(self) {
        // A peer that has closed meanwhile needs no telling.
        let _ = self.stream.set_zero_linger();
    }

    /// Reads until the other side closes; everything read on this connection.
    ///
    /// # Errors
    /// When it does not close in time.
    pub async fn read_to_end(&mut self) -> anyhow::Result<String> {
        // A reset ends a connection as well as a close.
        let _ = within("a close", self.stream.read_to_end(&mut self.read)).await?;
        Ok(self.text())
    }

    /// Reads until `wanted` is content with all that was read so far, or the other side closes.
    ///
    /// # Errors
    /// When neither happens in time.
    pub async fn read_until(&mut self, wanted: impl Fn(&str) -> bool) -> anyhow::Result<String> {
        while !wanted(&self.text()) {
            let read = within("bytes", self.stream.read_buf(&mut self.read)).await?;
            if read.unwrap_or(0) == 0 {
                break;
            }
        }
        Ok(self.text())
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.read).into_owned()
    }
}

/// Writes at a pace, for as long as the other side takes it.
pub async fn write(stream: &mut TcpStream, bytes: &[u8], pace: Pace) {
    let (first, rest) = match pace {
        Pace::Whole => (bytes, &[][..]),
        Pace::ByteByByte => (&[][..], bytes),
        Pace::CutAt(at) => bytes.split_at(at.min(bytes.len())),
    };
    let step = if pace == Pace::ByteByByte {
        1
    } else {
        rest.len()
    };
    for part in std::iter::once(first).chain(rest.chunks(step.max(1))) {
        if stream.write_all(part).await.is_err() {
            return;
        }
        // Lets the other side see this part by itself.
        tokio::task::yield_now().await;
    }
}

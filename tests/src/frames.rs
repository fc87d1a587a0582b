//! HTTP/2 frames made and read by hand (RFC 9113, section 4), for what no library would send. Fields are written as literals
//! without any compression (RFC 7541, section 6.2.2).

use crate::client::connect;
use crate::within;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Frame types (RFC 9113, section 6).
pub const DATA: u8 = 0;
/// See [`DATA`].
pub const HEADERS: u8 = 1;
/// See [`DATA`].
pub const PRIORITY: u8 = 2;
/// See [`DATA`].
pub const RST_STREAM: u8 = 3;
/// See [`DATA`].
pub const SETTINGS: u8 = 4;
/// See [`DATA`].
pub const PING: u8 = 6;
/// See [`DATA`].
pub const GOAWAY: u8 = 7;
/// See [`DATA`].
pub const WINDOW_UPDATE: u8 = 8;
/// See [`DATA`].
pub const CONTINUATION: u8 = 9;

/// How much of a body may be sent before a WINDOW_UPDATE, as SETTINGS name it (RFC 9113, section 6.5.2).
pub const INITIAL_WINDOW_SIZE: u16 = 4;

/// Flags of HEADERS and DATA.
pub const END_STREAM: u8 = 1;
/// See [`END_STREAM`].
pub const END_HEADERS: u8 = 4;

/// What a client says first (RFC 9113, section 3.4).
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Its type.
    pub kind: u8,
    /// Its flags.
    pub flags: u8,
    /// Its stream, 0 for the connection.
    pub stream: u32,
    /// What it holds.
    pub payload: Vec<u8>,
}

impl Frame {
    /// One of these.
    pub fn new(kind: u8, flags: u8, stream: u32, payload: impl Into<Vec<u8>>) -> Self {
        Self {
            kind,
            flags,
            stream,
            payload: payload.into(),
        }
    }

    /// As it is sent.
    ///
    /// # Panics
    /// When the payload has more bytes than 24 bits can say.
    pub fn bytes(&self) -> Vec<u8> {
        let length = u32::try_from(self.payload.len()).expect("a test sends little");
        assert!(length < 1 << 24, "a length has 24 bits");
        let mut bytes = length.to_be_bytes()[1..].to_vec();
        bytes.extend([self.kind, self.flags]);
        bytes.extend(self.stream.to_be_bytes());
        bytes.extend(&self.payload);
        bytes
    }

    /// The number that RST_STREAM and WINDOW_UPDATE begin with, and that GOAWAY has behind the last stream.
    pub fn code(&self) -> Option<u32> {
        let at = if self.kind == GOAWAY { 4 } else { 0 };
        let code = self.payload.get(at..at + 4)?;
        Some(u32::from_be_bytes(code.try_into().ok()?))
    }
}

/// A header block of literals.
pub fn block<N: AsRef<[u8]>, V: AsRef<[u8]>>(fields: impl IntoIterator<Item = (N, V)>) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        string(&mut block, name.as_ref());
        string(&mut block, value.as_ref());
    }
    block
}

/// RFC 7541, sections 5.1 and 5.2.
fn string(block: &mut Vec<u8>, text: &[u8]) {
    match u8::try_from(text.len()) {
        Ok(length) if length < 0x7f => block.push(length),
        _ => {
            block.push(0x7f);
            let mut rest = text.len() - 0x7f;
            while rest >= 0x80 {
                block.push(0x80 | (rest % 0x80) as u8);
                rest /= 0x80;
            }
            block.push(rest as u8);
        }
    }
    block.extend_from_slice(text);
}

/// What a client begins with: the preface, and these settings.
pub fn opening(settings: &[(u16, u32)]) -> Vec<u8> {
    let setting = |(name, value): &(u16, u32)| {
        let (name, value) = (name.to_be_bytes(), value.to_be_bytes());
        name.into_iter().chain(value)
    };
    let settings: Vec<u8> = settings.iter().flat_map(setting).collect();
    let settings = Frame::new(SETTINGS, 0, 0, settings);
    [PREFACE.to_vec(), settings.bytes()].concat()
}

/// A connection over which frames are sent.
pub struct Frames {
    stream: TcpStream,
    unread: Vec<u8>,
}

impl Frames {
    /// Connects, and sends the preface and settings without a word.
    ///
    /// # Errors
    /// When there is no connection.
    pub async fn to(address: SocketAddr) -> anyhow::Result<Self> {
        Self::with(address, &[]).await
    }

    /// As [`Frames::to`], with these settings.
    ///
    /// # Errors
    /// When there is no connection.
    pub async fn with(address: SocketAddr, settings: &[(u16, u32)]) -> anyhow::Result<Self> {
        let mut frames = Self {
            stream: connect(address).await?,
            unread: Vec::new(),
        };
        frames.send(&opening(settings)).await;
        Ok(frames)
    }

    /// The other side of a connection: waits for the preface, and sends settings without a word.
    ///
    /// # Errors
    /// When another preface comes, or none in time.
    pub async fn serving(mut stream: TcpStream) -> anyhow::Result<Self> {
        let mut preface = [0; PREFACE.len()];
        within("a preface", stream.read_exact(&mut preface)).await??;
        anyhow::ensure!(preface == PREFACE, "{preface:?} is no preface");
        let mut frames = Self {
            stream,
            unread: Vec::new(),
        };
        frames.send(&Frame::new(SETTINGS, 0, 0, []).bytes()).await;
        Ok(frames)
    }

    /// Reads frames until one of this type comes.
    ///
    /// # Errors
    /// When none does before the connection ends, or in time.
    pub async fn until(&mut self, kind: u8) -> anyhow::Result<Frame> {
        while let Some(frame) = self.next().await? {
            if frame.kind == kind {
                return Ok(frame);
            }
        }
        anyhow::bail!("the connection ended before a frame of type {kind}")
    }

    /// Sends bytes; a peer that has closed meanwhile is no fault, since it may have judged what came before.
    pub async fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes).await;
    }

    /// Ends the connection at once, as a peer that crashed does.
    pub fn reset(self) {
        // A peer that has closed meanwhile needs no telling.
        let _ = self.stream.set_zero_linger();
    }

    /// The next frame, or `None` at the end of the connection.
    ///
    /// # Errors
    /// When neither comes in time.
    pub async fn next(&mut self) -> anyhow::Result<Option<Frame>> {
        loop {
            if let Some(frame) = self.take() {
                return Ok(Some(frame));
            }
            let read = within("a frame", self.stream.read_buf(&mut self.unread)).await?;
            // A reset ends a connection as well as a close.
            if read.unwrap_or(0) == 0 {
                return Ok(None);
            }
        }
    }

    fn take(&mut self) -> Option<Frame> {
        let [a, b, c, kind, flags, stream @ ..] = *self.unread.first_chunk::<9>()?;
        let end = 9 + u32::from_be_bytes([0, a, b, c]) as usize;
        let payload = self.unread.get(9..end)?.to_vec();
        self.unread.drain(..end);
        Some(Frame::new(
            kind,
            flags,
            u32::from_be_bytes(stream) & (u32::MAX >> 1),
            payload,
        ))
    }
}

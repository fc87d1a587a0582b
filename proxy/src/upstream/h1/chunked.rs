//! Decoding the chunked coding (RFC 9112 section 7.1) from a read buffer, piece by piece.

use bytes::{Buf, Bytes, BytesMut};
use http::HeaderMap;
use memchr::memchr;

use super::error::ChunkFault;
use super::limits::{CHUNK_DIGITS_MAX, CHUNK_EXTENSIONS_MAX, CHUNK_LINE_MAX};
use super::scan::LineScan;
use super::trailers;

/// What the next bytes of a body are.
#[derive(Debug)]
pub(super) enum Piece {
    /// Some of the body, never empty.
    Data(Bytes),
    /// The trailer fields that may pass, at least one; the body is complete.
    Trailers(HeaderMap),
    /// The body is complete.
    End,
    /// More has to be read first.
    More,
}

/// A chunked body being read.
#[derive(Debug)]
pub(super) struct Chunked {
    state: State,
    extensions: u64,
    trailer_bytes_max: usize,
}

#[derive(Debug)]
enum State {
    Size,
    /// Bytes left of this chunk's data, at least one.
    Data(u64),
    DataEnd,
    Trailers(LineScan),
    Done,
}

/// What follows the last data of nearly every body.
const LAST_CHUNK: &[u8] = b"\r\n0\r\n\r\n";

impl Chunked {
    pub(super) fn new(trailer_bytes_max: usize) -> Self {
        Self {
            state: State::Size,
            extensions: 0,
            trailer_bytes_max,
        }
    }

    /// Whether the last chunk and the trailers have been read.
    pub(super) fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// Takes the next piece off the front of `buffer`. Bytes behind the body are left in it.
    pub(super) fn decode(&mut self, buffer: &mut BytesMut) -> Result<Piece, ChunkFault> {
        loop {
            let advanced = match &mut self.state {
                State::Size => self.size(buffer)?,
                State::Data(_) if buffer.is_empty() => false,
                State::Data(left) => {
                    let left = *left;
                    return Ok(Piece::Data(self.data(left, buffer)));
                }
                State::DataEnd => self.data_end(buffer)?,
                State::Trailers(_) => return self.trailers(buffer),
                State::Done => return Ok(Piece::End),
            };
            if !advanced {
                return Ok(Piece::More);
            }
        }
    }

    fn size(&mut self, buffer: &mut BytesMut) -> Result<bool, ChunkFault> {
        let Some(feed) = memchr(b'\n', &buffer[..buffer.len().min(CHUNK_LINE_MAX)]) else {
            return if buffer.len() >= CHUNK_LINE_MAX {
                Err(ChunkFault::Extensions)
            } else {
                Ok(false)
            };
        };
        let line = buffer[..feed].strip_suffix(b"\r").ok_or(ChunkFault::Size)?;
        let (size, extension_bytes) = parse_size_line(line)?;
        self.extensions += extension_bytes;
        if self.extensions > CHUNK_EXTENSIONS_MAX {
            return Err(ChunkFault::Extensions);
        }
        buffer.advance(feed + 1);
        self.state = match size {
            0 => State::Trailers(LineScan::default()),
            size => State::Data(size),
        };
        Ok(true)
    }

    /// Takes what is there of the chunk. When that is the last of the body and its end has come
    /// too, the end is taken with it, so that the reader knows at once.
    fn data(&mut self, left: u64, buffer: &mut BytesMut) -> Bytes {
        let here = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let data = buffer.split_to(here).freeze();
        let left = left - here as u64;
        self.state = if left > 0 {
            State::Data(left)
        } else if buffer.starts_with(LAST_CHUNK) {
            buffer.advance(LAST_CHUNK.len());
            State::Done
        } else {
            State::DataEnd
        };
        data
    }

    fn data_end(&mut self, buffer: &mut BytesMut) -> Result<bool, ChunkFault> {
        let shown = buffer.len().min(2);
        if buffer[..shown] != b"\r\n"[..shown] {
            return Err(ChunkFault::DataEnd);
        }
        if shown < 2 {
            return Ok(false);
        }
        buffer.advance(2);
        self.state = State::Size;
        Ok(true)
    }

    fn trailers(&mut self, buffer: &mut BytesMut) -> Result<Piece, ChunkFault> {
        let State::Trailers(scan) = &mut self.state else {
            return Ok(Piece::More);
        };
        let end = scan.find_end(buffer).map_err(|_| ChunkFault::Trailers)?;
        if end.unwrap_or(buffer.len()) > self.trailer_bytes_max {
            return Err(ChunkFault::TrailersTooLarge);
        }
        let Some(end) = end else {
            return Ok(Piece::More);
        };
        self.state = State::Done;
        let fields = trailers::parse(&buffer.split_to(end))?;
        Ok(if fields.is_empty() {
            Piece::End
        } else {
            Piece::Trailers(fields)
        })
    }
}

/// The chunk's size and how many bytes of the line were not needed to tell it.
fn parse_size_line(line: &[u8]) -> Result<(u64, u64), ChunkFault> {
    let digits = line
        .iter()
        .take_while(|byte| byte.is_ascii_hexdigit())
        .count();
    if digits == 0 || digits > CHUNK_DIGITS_MAX {
        return Err(ChunkFault::Size);
    }
    let (number, extensions) = line.split_at(digits);
    let size = number
        .iter()
        .fold(0, |size, digit| size << 4 | hex_value(*digit));
    if is_skippable(extensions) {
        Ok((size, extensions.len() as u64))
    } else {
        Err(ChunkFault::Size)
    }
}

/// The value of a hexadecimal digit.
fn hex_value(digit: u8) -> u64 {
    u64::from(match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20) - b'a' + 10,
    })
}

/// Whether what follows the size is blank, or extensions without control characters.
fn is_skippable(extensions: &[u8]) -> bool {
    let rest = extensions.trim_ascii_start();
    (rest.is_empty() || rest[0] == b';')
        && extensions
            .iter()
            .all(|byte| *byte == b'\t' || !byte.is_ascii_control())
}

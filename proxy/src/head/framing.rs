//! How the body of a request is delimited.

use super::Refusal;
use super::survey::{Field, Survey};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Version, header};

/// How the body of a request is delimited; the fields that said so are gone from the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// There is no body and nothing announced one.
    Absent,
    /// This many bytes.
    Length(u64),
    /// Until the sender says that it ends (`chunked`, or HTTP/2 without a length).
    Streamed,
}

impl Framing {
    /// Whether bytes may follow the head.
    #[must_use]
    pub const fn has_body(self) -> bool {
        !matches!(self, Self::Absent | Self::Length(0))
    }

    /// The length, where it is known.
    #[must_use]
    pub const fn length(self) -> Option<u64> {
        match self {
            Self::Absent => Some(0),
            Self::Length(bytes) => Some(bytes),
            Self::Streamed => None,
        }
    }
}

/// RFC 9112 section 6.3, read strictly: at most one of a length and `chunked`.
pub(super) fn of(parts: &Parts, survey: &Survey, ended: bool) -> Result<Framing, Refusal> {
    match (
        survey.saw(Field::ContentLength),
        survey.saw(Field::TransferEncoding),
    ) {
        (false, false) if parts.version == Version::HTTP_2 && !ended => Ok(Framing::Streamed),
        (false, false) => Ok(Framing::Absent),
        (true, false) => length(&parts.headers).map(Framing::Length),
        (true, true) => Err(Refusal::TransferEncoding),
        // Only HTTP/1.1 has transfer codings.
        (false, true) if parts.version != Version::HTTP_11 => Err(Refusal::TransferEncoding),
        (false, true) => chunked(&parts.headers).map(|()| Framing::Streamed),
    }
}

/// Several lines that say the same are one (RFC 9110 section 8.6); a list on one line is refused.
fn length(headers: &HeaderMap) -> Result<u64, Refusal> {
    let mut lines = headers.get_all(header::CONTENT_LENGTH).iter();
    let first = lines.next().ok_or(Refusal::ContentLength)?;
    if lines.any(|line| line != first) {
        return Err(Refusal::ContentLength);
    }
    number(first)
}

fn number(value: &HeaderValue) -> Result<u64, Refusal> {
    let digits = value.to_str().map_err(|_| Refusal::ContentLength)?;
    // `u64::from_str` takes a leading plus sign, the grammar does not.
    if digits.starts_with('+') {
        return Err(Refusal::ContentLength);
    }
    digits.parse().map_err(|_| Refusal::ContentLength)
}

fn chunked(headers: &HeaderMap) -> Result<(), Refusal> {
    let mut lines = headers.get_all(header::TRANSFER_ENCODING).iter();
    let first = lines.next().ok_or(Refusal::TransferEncoding)?;
    if lines.next().is_none() && is_chunked(first.as_bytes()) {
        return Ok(());
    }
    let mut codings = headers
        .get_all(header::TRANSFER_ENCODING)
        .iter()
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii);
    if codings.any(|coding| !coding.is_empty() && !is_chunked(coding)) {
        Err(Refusal::UnknownCoding)
    } else {
        Err(Refusal::TransferEncoding)
    }
}

fn is_chunked(coding: &[u8]) -> bool {
    coding.eq_ignore_ascii_case(b"chunked")
}

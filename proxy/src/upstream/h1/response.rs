//! Reading the head of an answer: strict where another reader could see another message.

use std::mem::MaybeUninit;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{StatusCode, Version};

use super::error::BadResponse;
use super::framing::{FramingFields, ResponseFraming, is_bodiless, leaves_a_body};
use super::limits::FIELDS_MAX;
use super::names::Names;
use crate::spare;

/// How every acceptable answer begins.
const BEGINNING: &[u8] = b"HTTP/1.";

/// The head of one answer, interim or final.
#[derive(Debug)]
pub(super) struct ResponseHead {
    pub(super) status: StatusCode,
    /// End-to-end fields only. `content-length` is among them, once, where it tells of a body that
    /// is not sent; `upgrade` in a 101 that names one protocol properly.
    pub(super) headers: HeaderMap,
    pub(super) framing: ResponseFraming,
    /// Whether the connection may carry another request once the body has been read.
    pub(super) keep_alive: bool,
}

/// Whether bytes that are no whole head yet can still become one.
pub(super) fn may_begin(head: &[u8]) -> bool {
    let shown = head.len().min(BEGINNING.len());
    head[..shown] == BEGINNING[..shown]
}

/// Parses a whole head, final empty line included, in which every line feed was seen to follow a
/// carriage return. `to_head` tells that the request was a HEAD.
pub(super) fn parse(
    head: &Bytes,
    to_head: bool,
    names: &mut Names,
) -> Result<ResponseHead, BadResponse> {
    let mut slots = [const { MaybeUninit::<httparse::Header<'_>>::uninit() }; FIELDS_MAX];
    let mut parsed = httparse::Response::new(&mut []);
    httparse::ParserConfig::default()
        .parse_response_with_uninit_headers(&mut parsed, head, &mut slots)
        .map_err(bad_syntax)
        .and_then(|status| match status {
            httparse::Status::Complete(read) if read == head.len() => Ok(()),
            _ => Err(BadResponse::Syntax),
        })?;
    let status = status_of(parsed.code.ok_or(BadResponse::Syntax)?)?;
    let version = match parsed.version {
        Some(0) => Version::HTTP_10,
        _ => Version::HTTP_11,
    };
    let mut fields = Fields::with_capacity(parsed.headers.len());
    for (place, field) in parsed.headers.iter().enumerate() {
        let name = names.name(place, field.name.as_bytes());
        let name = name.map_err(|_| BadResponse::Syntax)?;
        fields.take(head, name, field)?;
    }
    fields.finish(status, version, to_head)
}

fn bad_syntax(error: httparse::Error) -> BadResponse {
    match error {
        httparse::Error::TooManyHeaders => BadResponse::TooManyFields,
        httparse::Error::Version => BadResponse::NotHttp1,
        _ => BadResponse::Syntax,
    }
}

/// httparse takes any three digits.
fn status_of(code: u16) -> Result<StatusCode, BadResponse> {
    let status = StatusCode::from_u16(code).ok().filter(|_| code < 600);
    status.ok_or(BadResponse::Status(code))
}

/// What the fields say, gathered line by line.
#[derive(Debug)]
struct Fields {
    headers: HeaderMap,
    framing: FramingFields,
    upgrades: Vec<HeaderValue>,
    connection: ConnectionOptions,
}

/// What the `connection` lines say (RFC 9110 section 7.6.1).
#[derive(Debug, Default)]
struct ConnectionOptions {
    close: bool,
    keep_alive: bool,
    upgrade: bool,
    /// Fields named as meant for this connection only.
    named: Vec<HeaderName>,
}

impl Fields {
    fn with_capacity(count: usize) -> Self {
        Self {
            headers: spare::headers(count),
            framing: FramingFields::default(),
            upgrades: Vec::new(),
            connection: ConnectionOptions::default(),
        }
    }

    fn take(
        &mut self,
        head: &Bytes,
        name: HeaderName,
        field: &httparse::Header<'_>,
    ) -> Result<(), BadResponse> {
        match name {
            header::CONTENT_LENGTH => self.framing.content_length(field.value),
            header::TRANSFER_ENCODING => self.framing.transfer_encoding(field.value),
            header::CONNECTION => {
                self.connection.take(field.value);
                Ok(())
            }
            header::UPGRADE => {
                self.upgrades.push(value_of(head, field)?);
                Ok(())
            }
            name if is_for_one_connection(&name) => Ok(()),
            name => {
                self.headers.append(name, value_of(head, field)?);
                Ok(())
            }
        }
    }

    fn finish(
        mut self,
        status: StatusCode,
        version: Version,
        to_head: bool,
    ) -> Result<ResponseHead, BadResponse> {
        for name in &self.connection.named {
            self.headers.remove(name);
        }
        let announced = self.framing.framing(version)?;
        if status == StatusCode::SWITCHING_PROTOCOLS && version == Version::HTTP_11 {
            self.put_back_upgrade();
        }
        if to_head || status == StatusCode::NOT_MODIFIED {
            self.put_back_length();
        }
        let framing = match announced {
            _ if to_head || is_bodiless(status) => ResponseFraming::Empty,
            ResponseFraming::Length(0) => ResponseFraming::Empty,
            announced => announced,
        };
        let keep_alive = self.connection.persists(version)
            && framing != ResponseFraming::Close
            && !leaves_a_body(status, announced);
        Ok(ResponseHead {
            status,
            headers: self.headers,
            framing,
            keep_alive,
        })
    }

    /// One protocol, listed as an option of the connection; anything else names none.
    fn put_back_upgrade(&mut self) {
        if self.upgrades.len() == 1
            && self.connection.upgrade
            && let Some(protocol) = self.upgrades.pop()
        {
            let upgrade = HeaderValue::from_static("upgrade");
            self.headers.insert(header::CONNECTION, upgrade);
            self.headers.insert(header::UPGRADE, protocol);
        }
    }

    fn put_back_length(&mut self) {
        if let Some(length) = self.framing.length() {
            let length = HeaderValue::from(length);
            self.headers.insert(header::CONTENT_LENGTH, length);
        }
    }
}

impl ConnectionOptions {
    fn take(&mut self, value: &[u8]) {
        for option in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
            if option.eq_ignore_ascii_case(b"close") {
                self.close = true;
            } else if option.eq_ignore_ascii_case(b"keep-alive") {
                self.keep_alive = true;
            } else if option.eq_ignore_ascii_case(b"upgrade") {
                self.upgrade = true;
            } else if let Ok(name) = HeaderName::from_bytes(option) {
                self.named.push(name);
            }
        }
    }

    /// Whether the connection persists (RFC 9112 section 9.3).
    fn persists(&self, version: Version) -> bool {
        !self.close && (version == Version::HTTP_11 || self.keep_alive)
    }
}

/// The field's value as a piece of the head, not copied.
fn value_of(head: &Bytes, field: &httparse::Header<'_>) -> Result<HeaderValue, BadResponse> {
    let value = HeaderValue::from_maybe_shared(head.slice_ref(field.value));
    value.map_err(|_| BadResponse::Syntax)
}

fn is_for_one_connection(name: &HeaderName) -> bool {
    matches!(
        *name,
        header::TE | header::TRAILER | header::PROXY_AUTHENTICATE
    ) || matches!(name.as_str(), "keep-alive" | "proxy-connection")
}

//! Writing a request's head: one request line, the given fields, one framing.

use std::fmt;
use std::io::Write;

use bytes::Bytes;
use http::Method;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http_body::Body;

use super::error::RequestFault;

/// A request without its body. What it says about framing is decided by [`RequestFraming`].
#[derive(Debug, Clone, Copy)]
pub struct RequestHead<'a> {
    /// Any method but CONNECT.
    pub method: &'a Method,
    /// Path and query in origin form, or `*`.
    pub target: &'a str,
    /// Fields to send, `host` among them. `connection`, `content-length`, `transfer-encoding` and
    /// `upgrade` in it are passed over: they are the codec's to write.
    pub headers: &'a HeaderMap,
    /// Fields to send behind those, none of them the codec's to write.
    pub more: Option<&'a dyn MoreFields>,
    /// The body's length in bytes where it is known beforehand; absent, the body's own exact size
    /// is taken, and without one the body is chunked.
    pub length: Option<u64>,
    /// The protocol to ask for, e.g. `websocket`; only without a body.
    pub upgrade: Option<&'a HeaderValue>,
}

/// Fields that their owner keeps in another form than a map.
pub trait MoreFields: fmt::Debug {
    /// Writes them all.
    fn write(&self, lines: &mut FieldLines<'_>);
}

/// Field lines being written; what can end a line early has no way in.
#[derive(Debug)]
pub struct FieldLines<'o>(&'o mut Vec<u8>);

impl FieldLines<'_> {
    /// Writes one line.
    pub fn field(&mut self, name: &HeaderName, value: &HeaderValue) {
        write_field(self.0, name, value);
    }

    /// Writes lines that were made ready before.
    pub fn ready(&mut self, lines: &ReadyLines) {
        self.0.extend_from_slice(&lines.0);
    }

    /// Writes one line with a text that is made for it: hexadecimal digits.
    pub fn digits(&mut self, name: &HeaderName, digits: &HexDigits) {
        write_line(self.0, name, &digits.0);
    }
}

/// Field lines made ready, for what is written again and again.
#[derive(Debug, Clone)]
pub struct ReadyLines(Box<[u8]>);

impl ReadyLines {
    /// Makes these fields ready, a line each.
    pub fn of<const N: usize>(fields: [(&HeaderName, &HeaderValue); N]) -> Self {
        let mut lines = Vec::new();
        for (name, value) in fields {
            write_field(&mut lines, name, value);
        }
        Self(lines.into())
    }
}

/// A number in hexadecimal, of 32 digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HexDigits([u8; 32]);

impl HexDigits {
    /// The digits of `number`, its highest first.
    #[must_use]
    pub fn of(number: u128) -> Self {
        let mut digits = [0; 32];
        // Without a table, so that many digits are made at once.
        let digit = |half: u8| half + if half < 10 { b'0' } else { b'a' - 10 };
        for (pair, byte) in digits.chunks_exact_mut(2).zip(number.to_be_bytes()) {
            pair[0] = digit(byte >> 4);
            pair[1] = digit(byte & 15);
        }
        Self(digits)
    }

    /// The digits as a field's value.
    #[must_use]
    pub fn to_value(self) -> HeaderValue {
        HeaderValue::from_bytes(&self.0).expect("hexadecimal digits are visible ASCII")
    }
}

/// How a request says where its body ends (RFC 9112 section 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestFraming {
    /// No body and no framing field.
    Empty,
    /// `content-length`, in bytes.
    Length(u64),
    /// `transfer-encoding: chunked`.
    Chunked,
}

impl RequestFraming {
    /// The framing of a request with this body. A method that usually has a body says so when it
    /// has none (RFC 9110 section 8.6).
    pub(super) fn of<B: Body<Data = Bytes>>(head: &RequestHead<'_>, body: &B) -> Self {
        let length = head.length.or_else(|| body.size_hint().exact());
        match length {
            Some(0) => Self::without_body(head.method),
            None if body.is_end_stream() => Self::without_body(head.method),
            Some(length) => Self::Length(length),
            None => Self::Chunked,
        }
    }

    fn without_body(method: &Method) -> Self {
        match *method {
            Method::POST | Method::PUT | Method::PATCH => Self::Length(0),
            _ => Self::Empty,
        }
    }

    /// Whether no byte of a body follows the head.
    pub(super) fn is_empty(self) -> bool {
        matches!(self, Self::Empty | Self::Length(0))
    }
}

/// Appends the head to `out`, final empty line included.
///
/// # Errors
///
/// [`RequestFault`] when the target or method could be read as something else, with `out`
/// unchanged.
pub fn write_head(
    out: &mut Vec<u8>,
    head: &RequestHead<'_>,
    framing: RequestFraming,
) -> Result<(), RequestFault> {
    check(head, framing)?;
    out.extend_from_slice(head.method.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(head.target.as_bytes());
    out.extend_from_slice(b" HTTP/1.1\r\n");
    for (name, value) in head.headers {
        if !is_ours(name) {
            write_field(out, name, value);
        }
    }
    if let Some(more) = head.more {
        more.write(&mut FieldLines(out));
    }
    if let Some(protocol) = head.upgrade {
        out.extend_from_slice(b"connection: upgrade\r\n");
        write_field(out, &header::UPGRADE, protocol);
    }
    write_framing(out, framing);
    out.extend_from_slice(b"\r\n");
    Ok(())
}

/// Appends one field line. Neither type can hold a CR or LF.
pub(super) fn write_field(out: &mut Vec<u8>, name: &HeaderName, value: &HeaderValue) {
    write_line(out, name, value.as_bytes());
}

fn write_line(out: &mut Vec<u8>, name: &HeaderName, value: &[u8]) {
    out.extend_from_slice(name.as_str().as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

fn check(head: &RequestHead<'_>, framing: RequestFraming) -> Result<(), RequestFault> {
    if *head.method == Method::CONNECT {
        return Err(RequestFault::Connect);
    }
    if head.upgrade.is_some() && !framing.is_empty() {
        return Err(RequestFault::UpgradeWithBody);
    }
    let shaped = head.target.starts_with('/') || head.target == "*";
    // Every byte, without a stop at the first bad one: many are looked at in one step then.
    let clean = head
        .target
        .bytes()
        .fold(true, |clean, byte| clean & may_stand_in_target(byte));
    if !shaped || !clean {
        return Err(RequestFault::Target);
    }
    Ok(())
}

/// Refuses what would end the target or the line early. Whether the rest is a good path is for
/// whoever routed the request to say.
fn may_stand_in_target(byte: u8) -> bool {
    byte > b' ' && byte != 0x7f && byte != b'#'
}

fn is_ours(name: &HeaderName) -> bool {
    matches!(
        *name,
        header::CONNECTION | header::CONTENT_LENGTH | header::TRANSFER_ENCODING | header::UPGRADE
    )
}

fn write_framing(out: &mut Vec<u8>, framing: RequestFraming) {
    match framing {
        RequestFraming::Empty => {}
        RequestFraming::Length(length) => {
            write!(out, "content-length: {length}\r\n").expect("writing to a Vec cannot fail");
        }
        RequestFraming::Chunked => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
    }
}

//! Whom a request is for (RFC 9110 section 7.2): said once, and the same wherever it is said.

use super::Refusal;
use super::survey::{Field, Survey};
use super::target::Named;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Version, header};
use std::fmt;
use std::net::Ipv6Addr;
use std::rc::Rc;

/// The longest host, in bytes: a DNS name in text with its last dot (RFC 1035 section 2.3.4).
const HOST_BYTES_MAX: usize = 254;

/// The host a request is for: lower case, without port and last dot, IPv6 addresses in brackets.
#[derive(Clone, PartialEq, Eq)]
pub struct Host {
    /// `host` or `host:port`, shared with the request's `Host` field.
    field: HeaderValue,
    /// Apart from the field, so that it is known to be text without a look at each byte.
    name: HostName,
}

/// The name of a host that was admitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostName(Rc<str>);

impl Host {
    /// The name alone.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.name.0
    }

    /// The name alone, to be kept for [`super::admit_after`].
    #[must_use]
    pub const fn name(&self) -> &HostName {
        &self.name
    }

    /// Whether this would be admitted as a `Host` field.
    #[must_use]
    pub fn is_written(value: &HeaderValue) -> bool {
        Written::of(value).is_ok()
    }

    /// The `Host` field as it is forwarded: the name, and the port where one was written.
    #[must_use]
    pub const fn field(&self) -> &HeaderValue {
        &self.field
    }
}

impl Host {
    /// A field that is, byte for byte, a name admitted before: canonical, and without a port.
    fn again(field: HeaderValue, name: &HostName) -> Self {
        Self {
            field,
            name: name.clone(),
        }
    }
}

impl HostName {
    fn of(written: &Written<'_>) -> Self {
        Self(if written.canonical {
            written.name.into()
        } else {
            written.name.to_ascii_lowercase().into()
        })
    }

    /// Whether it is written so, without a port.
    fn is(&self, written: &[u8]) -> bool {
        *self.0.as_bytes() == *written
    }

    fn to_field(&self) -> Result<HeaderValue, Refusal> {
        HeaderValue::from_str(&self.0).map_err(|_| Refusal::HostMalformed)
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Host({:?})", self.field)
    }
}

/// Leaves exactly one `Host`, canonical, in the head and returns its parts.
pub(super) fn settle(
    parts: &mut Parts,
    named: Option<&Named>,
    survey: &Survey,
    before: Option<&HostName>,
) -> Result<(Host, Option<u16>), Refusal> {
    let line = if survey.saw(Field::Host) {
        only_line(&parts.headers)?
    } else {
        None
    };
    match (line, named, before) {
        (Some(line), None, Some(before)) if before.is(line.as_bytes()) => {
            return Ok((Host::again(line.clone(), before), None));
        }
        (None, Some(named), Some(before))
            if parts.version == Version::HTTP_2
                && before.is(named.authority.as_str().as_bytes()) =>
        {
            let field = replace(before.to_field()?, &mut parts.headers);
            return Ok((Host::again(field, before), None));
        }
        _ => {}
    }
    let written = match (line, named) {
        (Some(line), named) => agreed(Written::of(line)?, named)?,
        // HTTP/2 has `:authority` in place of `Host`; HTTP/1 must send `Host` in any case.
        (None, Some(named)) if parts.version == Version::HTTP_2 => {
            Written::parse(named.authority.as_str())?
        }
        (None, _) => return Err(Refusal::HostMissing),
    };
    let (name, port) = (HostName::of(&written), written.port);
    let field = match line {
        Some(line) if written.canonical => line.clone(),
        _ => replace(written.to_field()?, &mut parts.headers),
    };
    Ok((Host { field, name }, port))
}

fn only_line(headers: &HeaderMap) -> Result<Option<&HeaderValue>, Refusal> {
    let mut lines = headers.get_all(header::HOST).iter();
    let first = lines.next();
    if lines.next().is_some() {
        Err(Refusal::HostRepeated)
    } else {
        Ok(first)
    }
}

fn agreed<'h>(written: Written<'h>, named: Option<&Named>) -> Result<Written<'h>, Refusal> {
    let Some(named) = named else {
        return Ok(written);
    };
    let target = Written::parse(named.authority.as_str())?;
    let port = |written: &Written<'_>| written.port.unwrap_or(named.port_default);
    if target.name.eq_ignore_ascii_case(written.name) && port(&target) == port(&written) {
        Ok(written)
    } else {
        Err(Refusal::HostMismatch)
    }
}

fn replace(field: HeaderValue, headers: &mut HeaderMap) -> HeaderValue {
    headers.insert(header::HOST, field.clone());
    field
}

/// `host[:port]`, read but not yet canonical.
struct Written<'h> {
    name: &'h str,
    port: Option<u16>,
    /// Whether it was written as [`Written::to_field`] would write it.
    canonical: bool,
}

impl<'h> Written<'h> {
    fn of(value: &'h HeaderValue) -> Result<Self, Refusal> {
        if let Some(name) = plain(value.as_bytes()) {
            return Ok(Self {
                name,
                port: None,
                canonical: true,
            });
        }
        Self::parse(value.to_str().map_err(|_| Refusal::HostMalformed)?)
    }

    fn parse(text: &'h str) -> Result<Self, Refusal> {
        if text.is_empty() {
            return Err(Refusal::HostMissing);
        }
        let (whole, port_text) = split(text)?;
        let name = whole.strip_suffix('.').unwrap_or(whole);
        if !is_name(name) || name.len() > HOST_BYTES_MAX {
            return Err(Refusal::HostMalformed);
        }
        let port = port_text.map(port).transpose()?.flatten();
        let canonical = name.len() == whole.len()
            && !name.bytes().any(|byte| byte.is_ascii_uppercase())
            && port_text.is_none_or(|text| !text.is_empty() && !text.starts_with('0'));
        Ok(Self {
            name,
            port,
            canonical,
        })
    }

    fn to_field(&self) -> Result<HeaderValue, Refusal> {
        let mut text = self.name.to_ascii_lowercase();
        if let Some(port) = self.port {
            text.push(':');
            text.push_str(&port.to_string());
        }
        HeaderValue::try_from(text).map_err(|_| Refusal::HostMalformed)
    }
}

/// What nearly all clients write, told by one look at each byte: a canonical name without a port.
///
/// [`Written::parse`] says the same of it, in four times as many steps.
fn plain(written: &[u8]) -> Option<&str> {
    let mut in_label = false;
    for byte in written {
        in_label = match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => true,
            b'.' if in_label => false,
            _ => return None,
        };
    }
    if !in_label || written.len() > HOST_BYTES_MAX {
        return None;
    }
    std::str::from_utf8(written).ok()
}

/// The name, and what stands after the colon.
fn split(text: &str) -> Result<(&str, Option<&str>), Refusal> {
    let name_bytes = if text.starts_with('[') {
        text.find(']').ok_or(Refusal::HostMalformed)? + 1
    } else {
        let colon = text.bytes().position(|byte| byte == b':');
        colon.unwrap_or(text.len())
    };
    match text.split_at(name_bytes) {
        (name, "") => Ok((name, None)),
        (name, rest) => rest
            .strip_prefix(':')
            .map(|port| (name, Some(port)))
            .ok_or(Refusal::HostMalformed),
    }
}

/// An empty port is the scheme's own (RFC 3986 section 3.2.3).
fn port(text: &str) -> Result<Option<u16>, Refusal> {
    if text.is_empty() {
        return Ok(None);
    }
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        Ok(port) if digits && port != 0 => Ok(Some(port)),
        _ => Err(Refusal::HostMalformed),
    }
}

/// Narrower than RFC 3986's `reg-name`, which would let a list (`a,b`) or an escape pass for a name.
fn is_name(name: &str) -> bool {
    if let Some(address) = name
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
    {
        return address.parse::<Ipv6Addr>().is_ok();
    }
    // Byte by byte, for names are short and every request has one.
    let mut label_bytes = 0;
    for byte in name.bytes() {
        match byte {
            b'.' if label_bytes > 0 => label_bytes = 0,
            b'-' | b'_' => label_bytes += 1,
            _ if byte.is_ascii_alphanumeric() => label_bytes += 1,
            _ => return false,
        }
    }
    label_bytes > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A name is plain just where reading it with care finds it canonical, without a port and no address.
    #[track_caller]
    fn check(written: &str) {
        let read = Written::parse(written).ok();
        let read = read.filter(|read| read.canonical && read.port.is_none());
        let read = read
            .map(|read| read.name)
            .filter(|name| !name.starts_with('['));
        assert_eq!(plain(written.as_bytes()), read, "{written:?}");
    }

    fn check_longer(written: &mut String, by: usize) {
        check(written);
        for byte in "az09AZ-_.:[]@, ~".chars().take_while(|_| by > 0) {
            written.push(byte);
            check_longer(written, by - 1);
            written.pop();
        }
    }

    #[test]
    fn what_is_plain_reads_the_same_with_care() {
        check_longer(&mut String::new(), 4);
    }

    #[test]
    fn a_plain_name_is_as_long_as_any_at_most() {
        for bytes in HOST_BYTES_MAX - 1..=HOST_BYTES_MAX + 1 {
            check(&"a".repeat(bytes));
        }
        assert_eq!(plain(b"a\xff"), None);
    }
}

//! Small parsers that several parts of a spec share: names, values, addresses, numbers.
//!
//! Each takes what was written and answers what is meant, or the reason why not; none knows where it stands.

use crate::fault::FaultReason;
use http::{HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use std::time::Duration;

/// The longest host name (RFC 1035 section 2.3.4, without the root's dot).
const HOST_BYTES_MAX: usize = 253;

/// The longest label of a host name (RFC 1035 section 2.3.4).
const LABEL_BYTES_MAX: usize = 63;

/// The longest path pattern and rewrite. Request lines are bounded at a few times this, so more never matches anything.
const PATH_BYTES_MAX: usize = 4096;

/// The longest text of any other kind (names, values, URLs): what common servers take as one header line.
const TEXT_BYTES_MAX: usize = 8192;

/// A week. Longer than any sensible request, short enough that adding it to any clock cannot overflow.
const TIMEOUT_MS_MAX: u64 = 7 * 24 * 3600 * 1000;

/// A text that is there and not too long.
pub(crate) fn text(written: &str) -> Result<&str, FaultReason> {
    if written.is_empty() {
        return Err(FaultReason::Nothing);
    }
    short(written, TEXT_BYTES_MAX)
}

/// A text of at most `max` bytes.
pub(crate) fn short(written: &str, max: usize) -> Result<&str, FaultReason> {
    let bytes = written.len();
    if bytes > max {
        return Err(FaultReason::TooLong { bytes, max });
    }
    Ok(written)
}

/// A host name, in lower case and without the dot of the root.
pub(crate) fn host(written: &str) -> Result<Box<str>, FaultReason> {
    let name = written.strip_suffix('.').unwrap_or(written);
    if name.len() > HOST_BYTES_MAX || !name.split('.').all(is_label) {
        return Err(FaultReason::Host(written.to_owned()));
    }
    Ok(name.to_ascii_lowercase().into_boxed_str())
}

/// Whether this is a label as hosts have it: letters, digits and inner hyphens.
fn is_label(label: &str) -> bool {
    !label.is_empty()
        && label.len() <= LABEL_BYTES_MAX
        && label
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

/// A path as it may stand in a request, without query.
pub(crate) fn path(written: &str) -> Result<&str, FaultReason> {
    if !written.starts_with('/') {
        return Err(FaultReason::Path(written.to_owned()));
    }
    path_part(written)
}

/// A part of a path, also one that does not start with `/`.
pub(crate) fn path_part(written: &str) -> Result<&str, FaultReason> {
    let foreign = |c: char| c.is_ascii_control() || matches!(c, ' ' | '?' | '#');
    if written.contains(foreign) {
        return Err(FaultReason::Path(written.to_owned()));
    }
    short(written, PATH_BYTES_MAX)
}

/// A header name, in lower case as the `http` crate keeps it.
pub(crate) fn header_name(written: &str) -> Result<HeaderName, FaultReason> {
    HeaderName::from_bytes(text(written)?.as_bytes())
        .map_err(|_| FaultReason::HeaderName(written.to_owned()))
}

/// Fields that the proxy alone writes: those of one connection (RFC 9110 section 7.6.1), of framing, and of routing. In a
/// forwarded head they would make two readers see two messages.
const OWN_HEADERS: [HeaderName; 11] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::EXPECT,
    header::HOST,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("keep-alive"),
];

/// The name of a header that goes from end to end, so that a rule may change it.
pub(crate) fn changeable_header(written: &str) -> Result<HeaderName, FaultReason> {
    let name = header_name(written)?;
    let own = OWN_HEADERS.contains(&name) || name.as_str().starts_with("proxy-");
    if own {
        return Err(FaultReason::OwnHeader(name.as_str().to_owned()));
    }
    Ok(name)
}

/// A header value; empty is one.
pub(crate) fn header_value(written: &str) -> Result<HeaderValue, FaultReason> {
    HeaderValue::from_str(short(written, TEXT_BYTES_MAX)?)
        .map_err(|_| FaultReason::HeaderValue(written.to_owned()))
}

/// A cookie name that clients may send: wider than RFC 6265, since some do.
pub(crate) fn cookie_name(written: &str) -> Result<Box<str>, FaultReason> {
    let foreign = |c: char| c.is_control() || matches!(c, '=' | ';' | ',');
    let name = text(written)?;
    if name.contains(foreign) || name.starts_with(' ') || name.ends_with(' ') {
        return Err(FaultReason::CookieName(written.to_owned()));
    }
    Ok(name.into())
}

/// A cookie name that we set: a token (RFC 6265 section 4.1.1), which a header name is too.
pub(crate) fn own_cookie_name(written: &str) -> Result<Box<str>, FaultReason> {
    HeaderName::from_bytes(text(written)?.as_bytes())
        .map(|_| written.into())
        .map_err(|_| FaultReason::CookieName(written.to_owned()))
}

/// A method. They are case-sensitive, and one in small letters is a slip of the pen.
pub(crate) fn method(written: &str) -> Result<Method, FaultReason> {
    let fault = || FaultReason::Method(written.to_owned());
    if written.bytes().any(|b| b.is_ascii_lowercase()) {
        return Err(fault());
    }
    Method::from_bytes(written.as_bytes()).map_err(|_| fault())
}

/// The status of a redirect.
pub(crate) fn redirect_status(written: u16) -> Result<StatusCode, FaultReason> {
    match written {
        301 | 302 | 303 | 307 | 308 => {
            StatusCode::from_u16(written).map_err(|_| FaultReason::RedirectStatus(written))
        }
        _ => Err(FaultReason::RedirectStatus(written)),
    }
}

/// A whole `http` or `https` URL.
pub(crate) fn url(written: &str) -> Result<Uri, FaultReason> {
    let fault = || FaultReason::Url(written.to_owned());
    let uri: Uri = text(written)?.parse().map_err(|_| fault())?;
    match uri.scheme_str() {
        Some("http" | "https") if uri.host().is_some_and(|host| !host.is_empty()) => Ok(uri),
        _ => Err(fault()),
    }
}

/// A number within bounds, both included.
pub(crate) fn within(value: u64, min: u64, max: u64) -> Result<u64, FaultReason> {
    if (min..=max).contains(&value) {
        return Ok(value);
    }
    Err(FaultReason::OutOfRange { value, min, max })
}

/// A time limit, from a millisecond to a week.
pub(crate) fn timeout(milliseconds: u64) -> Result<Duration, FaultReason> {
    within(milliseconds, 1, TIMEOUT_MS_MAX).map(Duration::from_millis)
}

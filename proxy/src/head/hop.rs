//! Fields that are for one connection only (RFC 9110 section 7.6.1) and end here.

use super::survey::{Field, QUIET, Survey};
use http::{HeaderMap, HeaderName, HeaderValue, header};

/// Fields that never leave the proxy as they came.
const ENDS_HERE: [(Field, HeaderName); 12] = [
    (Field::Connection, header::CONNECTION),
    (Field::ContentLength, header::CONTENT_LENGTH),
    (Field::Expect, header::EXPECT),
    (
        Field::Http2Settings,
        HeaderName::from_static("http2-settings"),
    ),
    (Field::KeepAlive, HeaderName::from_static("keep-alive")),
    (Field::ProxyAuthenticate, header::PROXY_AUTHENTICATE),
    (Field::ProxyAuthorization, header::PROXY_AUTHORIZATION),
    (
        Field::ProxyConnection,
        HeaderName::from_static("proxy-connection"),
    ),
    (Field::Te, header::TE),
    (Field::Trailer, header::TRAILER),
    (Field::TransferEncoding, header::TRANSFER_ENCODING),
    (Field::Upgrade, header::UPGRADE),
];

/// Not a field of HTTP at all, but CGI programs find it in the variable that names their own proxy (CVE-2016-5385).
const PROXY: HeaderName = HeaderName::from_static("proxy");

/// Strips a request and returns the protocol it asks to change to, where it asks properly for one that can be tunnelled.
pub(super) fn strip_request(headers: &mut HeaderMap, survey: &Survey) -> Option<HeaderValue> {
    if survey.saw_only(QUIET) {
        return None;
    }
    let listed = Listed::of(headers, survey);
    let upgrade = if listed.upgrade {
        protocol(headers)
    } else {
        None
    };
    listed.remove_from(headers);
    strip_named(headers, survey, false);
    if survey.saw(Field::Proxy) {
        headers.remove(PROXY);
    }
    upgrade
}

/// Cleans a response head on its way downstream: hop-by-hop fields go, and the framing fields with
/// them, because the framing is written anew. Where `keeps_length` (answers to `HEAD`, and 304) one
/// content length stays, as information about a body that is not sent.
///
/// Whoever serves a 101 takes its `Upgrade` before and writes it after.
pub fn sanitise_response(headers: &mut HeaderMap, keeps_length: bool) {
    let survey = Survey::of(headers);
    if survey.saw_only(QUIET) {
        return;
    }
    Listed::of(headers, &survey).remove_from(headers);
    strip_named(headers, &survey, keeps_length);
    if keeps_length && survey.saw(Field::ContentLength) {
        keep_one_length(headers);
    }
}

fn strip_named(headers: &mut HeaderMap, survey: &Survey, keeps_length: bool) {
    for (field, name) in &ENDS_HERE {
        if survey.saw(*field) && !(keeps_length && *field == Field::ContentLength) {
            headers.remove(name);
        }
    }
}

fn keep_one_length(headers: &mut HeaderMap) {
    let mut lines = headers.get_all(header::CONTENT_LENGTH).iter();
    let first = lines.next().cloned();
    if lines.next().is_some()
        && let Some(first) = first
    {
        headers.insert(header::CONTENT_LENGTH, first);
    }
}

/// Whether `TE` lists `trailers`, the only one of its values that means anything to a proxy of ours.
pub(super) fn welcomes_trailers(headers: &HeaderMap) -> bool {
    tokens(headers, &header::TE).any(|token| token.eq_ignore_ascii_case(b"trailers"))
}

/// Whether `Connection` lists `close`.
pub(super) fn closes(headers: &HeaderMap) -> bool {
    tokens(headers, &header::CONNECTION).any(|token| token.eq_ignore_ascii_case(b"close"))
}

/// What `Connection` lists.
#[derive(Default)]
struct Listed {
    upgrade: bool,
    names: Vec<HeaderName>,
}

impl Listed {
    fn of(headers: &HeaderMap, survey: &Survey) -> Self {
        let mut listed = Self::default();
        if !survey.saw(Field::Connection) {
            return listed;
        }
        for token in tokens(headers, &header::CONNECTION) {
            if token.eq_ignore_ascii_case(b"upgrade") {
                listed.upgrade = true;
            } else if !is_option(token) {
                // What is no name cannot be the name of a field.
                listed
                    .names
                    .extend(HeaderName::from_bytes(token).ok().filter(may_be_listed));
            }
        }
        listed
    }

    fn remove_from(&self, headers: &mut HeaderMap) {
        for name in &self.names {
            headers.remove(name);
        }
    }
}

/// The connection options proper, which name no field of their own or one that goes anyway.
fn is_option(token: &[u8]) -> bool {
    [&b"keep-alive"[..], b"close", b"te", b"http2-settings", b""]
        .iter()
        .any(|option| token.eq_ignore_ascii_case(option))
}

/// A client must not be able to take away what the proxy or those before it say about the request,
/// nor what has been judged already.
fn may_be_listed(name: &HeaderName) -> bool {
    let name = name.as_str();
    let stands = matches!(
        name,
        "host"
            | "content-length"
            | "content-type"
            | "cookie"
            | "authorization"
            | "forwarded"
            | "x-real-ip"
            | "x-request-id"
    );
    !stands && !name.starts_with("x-forwarded-")
}

/// One protocol, and not HTTP/2 in clear: that is offered by prior knowledge only (RFC 9113 section 3.1).
fn protocol(headers: &HeaderMap) -> Option<HeaderValue> {
    let mut lines = headers.get_all(header::UPGRADE).iter();
    let only = lines.next().filter(|_| lines.next().is_none())?;
    let bytes = only.as_bytes();
    let single = !bytes.is_empty()
        && bytes
            .iter()
            .all(|byte| byte.is_ascii_graphic() && *byte != b',');
    (single && !bytes.eq_ignore_ascii_case(b"h2c")).then(|| only.clone())
}

fn tokens<'h>(headers: &'h HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'h [u8]> {
    let lines = headers.get_all(name).iter();
    lines
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
}

//! Judges and cleans message heads: what hyper lets through and a proxy must not.
//!
//! [`admit`] refuses a request head that two parsers could read in two ways, and leaves one that
//! means the same to everybody: an origin-form target, exactly one `Host`, no hop-by-hop field and
//! no framing field (whoever writes the message writes its framing, from [`Framing`]).
//! [`sanitise_response`] and [`sanitise_trailers`] do the same for what comes back and for what
//! follows a body.
//!
//! This module never looks at a body, a connection or the route table, and never answers: it says
//! why not, and its caller does the rest. A fragment in the target is refused before
//! (`lines`) or, in HTTP/2, cut off by the parser below; nothing is routed or forwarded by it.

mod fields;
mod framing;
mod hop;
mod host;
mod path;
mod refusal;
mod survey;
mod target;
mod trailers;

pub use self::framing::Framing;
pub use self::hop::sanitise_response;
pub use self::host::{Host, HostName};
pub use self::refusal::Refusal;
pub use self::trailers::sanitise_trailers;

use self::survey::{Field, Survey};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Version, header};

/// The longest request target, in bytes: what nginx allows for one line, and more than browsers send.
pub const TARGET_BYTES_MAX: usize = 8 * 1024;

/// The largest request head, in bytes, counted as HTTP/1.1 would write it (`name: value` and a line end).
pub const HEAD_BYTES_MAX: usize = 32 * 1024;

/// The most fields in a head, cookie crumbs counted as the one field they are joined to.
/// A small field costs a peer two bytes in HTTP/2 and us some hundred.
pub const FIELDS_MAX: usize = 100;

/// How much a request head may hold; what holds more is refused with 414 or 431.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadLimits {
    /// Bytes of the whole head, counted as [`HEAD_BYTES_MAX`] is.
    pub bytes: usize,
    /// Fields, counted as [`FIELDS_MAX`] is.
    pub fields: usize,
    /// Bytes of the request target.
    pub target_bytes: usize,
}

impl Default for HeadLimits {
    /// [`HEAD_BYTES_MAX`], [`FIELDS_MAX`] and [`TARGET_BYTES_MAX`].
    fn default() -> Self {
        Self {
            bytes: HEAD_BYTES_MAX,
            fields: FIELDS_MAX,
            target_bytes: TARGET_BYTES_MAX,
        }
    }
}

/// What a head that passed says, beside its cleaned [`Parts`].
///
/// The path and the query are those of `parts.uri`, which is in origin form now (or is `*`, for
/// `OPTIONS` only): what is matched there is what is forwarded.
#[derive(Debug)]
pub struct Admitted {
    /// Whom the request is for.
    pub host: Host,
    /// The port written in `Host`, where there is one.
    pub port: Option<u16>,
    /// How the body is delimited.
    pub framing: Framing,
    /// The one protocol asked for by `Upgrade` (RFC 9110 section 7.8). The field itself is gone.
    pub upgrade: Option<HeaderValue>,
    /// Whether `TE` said that trailers are welcome. The field itself is gone.
    pub te_trailers: bool,
    /// Whether the client closes the connection behind this request (RFC 9112 section 9.6).
    pub closes: bool,
    /// Whether the content type is one of gRPC's.
    pub grpc: bool,
}

/// Judges a request head as hyper hands it over and cleans it in place.
///
/// `ended` is whether the body is known to be empty already (`Body::is_end_stream`); only HTTP/2
/// needs it, where no field announces a body.
///
/// # Errors
/// The first reason to refuse the request. `parts` may be half cleaned then and must not be used.
pub fn admit(parts: &mut Parts, ended: bool) -> Result<Admitted, Refusal> {
    admit_after(parts, ended, None, &HeadLimits::default())
}

/// As [`admit`], within `limits`, on a connection that asked for the host `before` before: the same again needs no second
/// look, and most clients never ask for another.
///
/// # Errors
/// As [`admit`].
pub fn admit_after(
    parts: &mut Parts,
    ended: bool,
    before: Option<&HostName>,
    limits: &HeadLimits,
) -> Result<Admitted, Refusal> {
    serve(&parts.method)?;
    let survey = Survey::of(&parts.headers);
    survey.within_bounds(target::bytes(&parts.uri), limits)?;
    let authority = target::settle(&mut parts.uri, &parts.method)?;
    let (host, port) = host::settle(parts, authority.as_ref(), &survey, before)?;
    let framing = framing::of(parts, &survey, ended)?;
    if survey.saw(Field::Expect) {
        expect(&parts.headers)?;
    }
    let te_trailers = survey.saw(Field::Te) && hop::welcomes_trailers(&parts.headers);
    let closes = survey.saw(Field::Connection) && hop::closes(&parts.headers);
    let protocol = hop::strip_request(&mut parts.headers, &survey);
    let upgrade = protocol.filter(|_| parts.version == Version::HTTP_11);
    if upgrade.is_some() && framing.has_body() {
        return Err(Refusal::UpgradeWithBody);
    }
    fields::tidy(&mut parts.headers, &survey)?;
    let grpc = survey.saw(Field::ContentType) && is_grpc(&parts.headers);
    Ok(Admitted {
        host,
        port,
        framing,
        upgrade,
        te_trailers,
        closes,
        grpc,
    })
}

/// `CONNECT` would make a tunnel of us and `TRACE` shows a client what others added to its request.
fn serve(method: &Method) -> Result<(), Refusal> {
    if *method == Method::CONNECT || *method == Method::TRACE {
        return Err(Refusal::Method);
    }
    Ok(())
}

/// RFC 9110 section 10.1.1: the one expectation there is. Hyper sends the 100 once the body is asked for.
fn expect(headers: &HeaderMap) -> Result<(), Refusal> {
    let mut lines = headers.get_all(header::EXPECT).iter();
    let known = lines
        .next()
        .is_some_and(|line| line.as_bytes().eq_ignore_ascii_case(b"100-continue"));
    if known && lines.next().is_none() {
        Ok(())
    } else {
        Err(Refusal::Expectation)
    }
}

/// `application/grpc`, alone or followed by a format (`+proto`) or parameters.
fn is_grpc(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(header::CONTENT_TYPE) else {
        return false;
    };
    let rest = value.as_bytes().strip_prefix(b"application/grpc");
    rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';' | b' ')))
}

#[cfg(test)]
mod tests;

//! A redirect that a rule answers with.

use crate::fault::{FaultReason, Faults};
use crate::parse;
use crate::spec::RedirectSpec;
use http::StatusCode;

/// A redirect: a whole URL, or the parts of the request's own URL that change. At least one part is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    status: StatusCode,
    url: Option<Box<str>>,
    scheme: Option<Box<str>>,
    host: Option<Box<str>>,
    port: Option<u16>,
    path: Option<Box<str>>,
}

impl Redirect {
    pub(crate) fn parse(spec: &RedirectSpec, faults: &mut Faults) -> Option<Self> {
        if is_empty(spec) {
            faults.add(FaultReason::Nothing);
            return None;
        }
        let status = faults.check("status", parse::redirect_status(spec.status));
        let url = part("url", spec.url.as_deref(), faults, url);
        let scheme = part("scheme", spec.scheme.as_deref(), faults, scheme);
        let host = part("host", spec.host.as_deref(), faults, parse::host);
        let path = part("path", spec.path.as_deref(), faults, |path| {
            parse::path(path).map(Into::into)
        });
        let port = u64::from(spec.port.unwrap_or(1));
        let port = faults.check("port", parse::within(port, 1, u64::from(u16::MAX)));
        Some(Self {
            status: status?,
            url: url?,
            scheme: scheme?,
            host: host?,
            port: port.map(|_| spec.port)?,
            path: path?,
        })
    }

    /// 301, 302, 303, 307 or 308.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// A whole URL; when given, nothing else is used.
    #[must_use]
    pub fn url(&self) -> Option<&str> {
        self.url.as_deref()
    }

    /// `http` or `https`.
    #[must_use]
    pub fn scheme(&self) -> Option<&str> {
        self.scheme.as_deref()
    }

    /// The host.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// The path; the query is kept.
    #[must_use]
    pub fn path(&self) -> Option<&str> {
        self.path.as_deref()
    }
}

fn is_empty(spec: &RedirectSpec) -> bool {
    let texts = [&spec.url, &spec.scheme, &spec.host, &spec.path];
    texts.iter().all(|text| text.is_none()) && spec.port.is_none()
}

fn part(
    step: &str,
    written: Option<&str>,
    faults: &mut Faults,
    parse: impl Fn(&str) -> Result<Box<str>, FaultReason>,
) -> Option<Option<Box<str>>> {
    match written {
        None => Some(None),
        Some(text) => faults.check(step, parse(text)).map(Some),
    }
}

fn url(written: &str) -> Result<Box<str>, FaultReason> {
    parse::url(written)?;
    Ok(written.into())
}

fn scheme(written: &str) -> Result<Box<str>, FaultReason> {
    match written {
        "http" | "https" => Ok(written.into()),
        _ => Err(FaultReason::Scheme(written.to_owned())),
    }
}

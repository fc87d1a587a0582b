//! Who may pass: a password list, or another service's word. Neither is checked here.

use crate::fault::{FaultReason, Faults};
use crate::parse;
use crate::spec::{BasicAuthSpec, ExternalAuthSpec};
use http::{HeaderName, Method, Uri};

/// The most users of one list: looked up by name, and the list is copied to every proxy.
const USERS_MAX: usize = 10_000;

/// The longest line of such a list, in bytes: a user name and the longest hash in use, several times over.
const USER_BYTES_MAX: usize = 1_024;

/// The most headers copied from the answer of another service.
const COPIED_MAX: usize = 64;

/// The same, but for a realm that is no header value, a list that is too long or lines that are. What the lines hold is
/// not looked at: who reads them decides which hashes it knows.
pub(super) fn basic(spec: &BasicAuthSpec, faults: &mut Faults) -> Option<BasicAuthSpec> {
    let realm = faults.check("realm", parse::header_value(&spec.realm));
    let users = faults.each("users", &spec.users, USERS_MAX, |line, faults| {
        faults.note(parse::short(line, USER_BYTES_MAX).map(drop))
    });
    realm.and(users).map(|_| spec.clone())
}

/// A subrequest that decides whether a request may pass.
#[derive(Clone, Debug)]
pub struct ExternalAuth {
    url: Uri,
    method: Option<Method>,
    sign_in: Option<Box<str>>,
    response_headers: Box<[HeaderName]>,
}

impl ExternalAuth {
    pub(crate) fn parse(spec: &ExternalAuthSpec, faults: &mut Faults) -> Option<Self> {
        let url = faults.check("url", parse::url(&spec.url));
        let method = faults.option("method", spec.method.as_ref(), |method, faults| {
            faults.note(parse::method(method))
        });
        let sign_in = faults.option("sign_in", spec.sign_in.as_ref(), |url, faults| {
            faults.note(template(url))
        });
        let copied = &spec.response_headers;
        let headers = faults.each("response_headers", copied, COPIED_MAX, |name, faults| {
            faults.note(parse::header_name(name))
        });
        Some(Self {
            url: url?,
            method: method?,
            sign_in: sign_in?,
            response_headers: headers?.into(),
        })
    }

    /// Where to ask: a whole URL, `http` or `https`.
    #[must_use]
    pub fn url(&self) -> &Uri {
        &self.url
    }

    /// The method asked with; the request's own where absent.
    #[must_use]
    pub fn method(&self) -> Option<&Method> {
        self.method.as_ref()
    }

    /// Where a client refused with 401 is sent; `{url}` in it stands for the original URL.
    #[must_use]
    pub fn sign_in(&self) -> Option<&str> {
        self.sign_in.as_deref()
    }

    /// Headers of the answer that are copied to the request.
    #[must_use]
    pub fn response_headers(&self) -> &[HeaderName] {
        &self.response_headers
    }
}

/// A URL, once `{url}` is filled in.
fn template(written: &str) -> Result<Box<str>, FaultReason> {
    parse::url(&written.replace("{url}", ""))?;
    Ok(written.into())
}

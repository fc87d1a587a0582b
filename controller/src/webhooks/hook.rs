//! Where to call and how: what a Secret says.
//!
//! The address itself may be a secret, as Slack's are: neither it nor anything else of the Secret is ever shown.

use http::uri::Scheme;
use http::{HeaderValue, Uri};
use k8s_openapi::ByteString;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// The longest `url` that is taken, in bytes.
const URL_BYTES_MAX: usize = 2048;
/// The longest `authorization` that is taken, in bytes: signed tokens are long.
const AUTHORIZATION_BYTES_MAX: usize = 8192;
/// How many authorities `ca.crt` may hold.
const AUTHORITIES_MAX: usize = 32;

/// The Secret that a hook comes from.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HookName {
    /// Its namespace, which is that of the object that names it.
    pub namespace: String,
    /// Its name.
    pub secret: String,
}

impl fmt::Display for HookName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret {}/{}", self.namespace, self.secret)
    }
}

/// In what form a hook is told something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Speech {
    /// A [`crate::webhooks::Notice`] as JSON.
    #[default]
    Generic,
    /// `{"text": ...}`, as Slack and what is compatible with it take it.
    Slack,
}

/// Where to call, and how.
#[derive(Clone)]
pub struct Hook {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) tls: bool,
    /// What the request asks for.
    pub(super) target: Uri,
    pub(super) authority: HeaderValue,
    pub(super) speech: Speech,
    pub(super) authorization: Option<HeaderValue>,
    /// Whose certificates are believed, where that are not the usual authorities.
    pub(super) roots: Option<Arc<RootCertStore>>,
}

/// Why a Secret is no hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum HookFault {
    /// The Secret is not there, or may not be read.
    #[error("the Secret is not there, or may not be read")]
    Absent,
    /// It says nowhere to call.
    #[error("url: is missing")]
    NoUrl,
    /// It cannot be called.
    #[error(
        "url: is no http:// or https:// address of at most {URL_BYTES_MAX} bytes, without user and password"
    )]
    Url,
    /// Neither of the forms there are.
    #[error("kind: is neither \"slack\" nor \"generic\"")]
    Kind,
    /// It cannot be sent.
    #[error("authorization: is no header value of at most {AUTHORIZATION_BYTES_MAX} bytes")]
    Authorization,
    /// Everybody on the way could read it.
    #[error("authorization: is only sent to https:// addresses")]
    InClear,
    /// No certificate, or too many.
    #[error("ca.crt: is no list of at most {AUTHORITIES_MAX} certificates as PEM")]
    Authority,
}

impl Hook {
    /// Reads the data of a Secret: `url`, and where given `kind`, `authorization` and `ca.crt`.
    ///
    /// # Errors
    /// The first fault found, without what was written.
    pub fn read(data: &BTreeMap<String, ByteString>) -> Result<Self, HookFault> {
        let url = text(data, "url", URL_BYTES_MAX, HookFault::Url)?.ok_or(HookFault::NoUrl)?;
        let url: Uri = url.parse().map_err(|_| HookFault::Url)?;
        let tls = match url.scheme() {
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            Some(scheme) if *scheme == Scheme::HTTP => false,
            _ => return Err(HookFault::Url),
        };
        let authority = url.authority().filter(|all| !all.as_str().contains('@'));
        let authority = authority.ok_or(HookFault::Url)?;
        let target = url.path_and_query().map_or("/", |target| target.as_str());
        let authorization = authorization(data)?;
        if authorization.is_some() && !tls {
            return Err(HookFault::InClear);
        }
        Ok(Self {
            host: authority.host().trim_matches(['[', ']']).to_owned(),
            port: authority.port_u16().unwrap_or(if tls { 443 } else { 80 }),
            tls,
            target: target.parse().map_err(|_| HookFault::Url)?,
            authority: HeaderValue::from_str(authority.as_str()).map_err(|_| HookFault::Url)?,
            speech: speech(data)?,
            authorization,
            roots: roots(data)?,
        })
    }
}

/// Nothing of it is for logs.
impl fmt::Debug for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hook").finish_non_exhaustive()
    }
}

/// A key's text without the line end that editors leave, if the key is there.
fn text<'d>(
    data: &'d BTreeMap<String, ByteString>,
    key: &str,
    bytes_max: usize,
    fault: HookFault,
) -> Result<Option<&'d str>, HookFault> {
    let Some(ByteString(bytes)) = data.get(key) else {
        return Ok(None);
    };
    let text = str::from_utf8(bytes).map_err(|_| fault)?.trim();
    match (1..=bytes_max).contains(&text.len()) {
        true => Ok(Some(text)),
        false => Err(fault),
    }
}

fn speech(data: &BTreeMap<String, ByteString>) -> Result<Speech, HookFault> {
    match text(data, "kind", URL_BYTES_MAX, HookFault::Kind)? {
        None | Some("generic") => Ok(Speech::Generic),
        Some("slack") => Ok(Speech::Slack),
        Some(_) => Err(HookFault::Kind),
    }
}

fn authorization(data: &BTreeMap<String, ByteString>) -> Result<Option<HeaderValue>, HookFault> {
    let fault = HookFault::Authorization;
    let Some(written) = text(data, "authorization", AUTHORIZATION_BYTES_MAX, fault)? else {
        return Ok(None);
    };
    let mut value = HeaderValue::from_str(written).map_err(|_| fault)?;
    value.set_sensitive(true);
    Ok(Some(value))
}

fn roots(data: &BTreeMap<String, ByteString>) -> Result<Option<Arc<RootCertStore>>, HookFault> {
    let Some(ByteString(pem)) = data.get("ca.crt") else {
        return Ok(None);
    };
    let certificates = CertificateDer::pem_slice_iter(pem).take(AUTHORITIES_MAX + 1);
    let certificates: Result<Vec<_>, _> = certificates.collect();
    let certificates = certificates.map_err(|_| HookFault::Authority)?;
    if !(1..=AUTHORITIES_MAX).contains(&certificates.len()) {
        return Err(HookFault::Authority);
    }
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots.add(certificate).map_err(|_| HookFault::Authority)?;
    }
    Ok(Some(Arc::new(roots)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Hook, HookFault> {
        let data = pairs.iter();
        let data =
            data.map(|(key, value)| ((*key).to_owned(), ByteString(value.as_bytes().into())));
        Hook::read(&data.collect())
    }

    #[test]
    fn a_url_says_where_to_call() {
        // url, host, port, target
        let cases = [
            (
                "https://hooks.example.com/a?b=c",
                "hooks.example.com",
                443,
                "/a?b=c",
            ),
            ("http://gate.shop:8080", "gate.shop", 8080, "/"),
            ("https://[2001:db8::1]:8443/x\n", "2001:db8::1", 8443, "/x"),
        ];
        for (url, host, port, target) in cases {
            let hook = read(&[("url", url)]).unwrap();
            assert_eq!(hook.host, host, "{url}");
            assert_eq!(hook.port, port, "{url}");
            assert_eq!(hook.target, target, "{url}");
        }
    }

    #[test]
    fn what_cannot_be_called_is_refused() {
        let good = ("url", "https://a.example");
        // data, fault
        let cases: &[(&[(&str, &str)], HookFault)] = &[
            (&[], HookFault::NoUrl),
            (&[("url", "")], HookFault::Url),
            (&[("url", "a.example/hook")], HookFault::Url),
            (&[("url", "ftp://a.example")], HookFault::Url),
            (&[("url", "https://user:pass@a.example")], HookFault::Url),
            (&[("url", "file:///etc/passwd")], HookFault::Url),
            (&[good, ("kind", "irc")], HookFault::Kind),
            (&[good, ("authorization", "a\nb")], HookFault::Authorization),
            (&[good, ("ca.crt", "")], HookFault::Authority),
            (&[good, ("ca.crt", "no certificate")], HookFault::Authority),
            (
                &[("url", "http://a.example"), ("authorization", "Bearer x")],
                HookFault::InClear,
            ),
        ];
        for (data, fault) in cases {
            assert_eq!(read(data).unwrap_err(), *fault, "{data:?}");
        }
        let long = format!("https://a.example/{}", "a".repeat(URL_BYTES_MAX));
        assert_eq!(read(&[("url", &long)]).unwrap_err(), HookFault::Url);
    }

    #[test]
    fn nothing_of_it_is_shown() {
        let data = [
            ("url", "https://a.example/token"),
            ("authorization", "Bearer secret"),
        ];
        assert_eq!(format!("{:?}", read(&data).unwrap()), "Hook { .. }");
    }
}

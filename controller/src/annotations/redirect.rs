//! `permanent-redirect` and `temporal-redirect`: a redirect instead of a backend.

use super::Reader;
use super::values::{is_dns_name, url};
use crate::problem::Refused;
use haldane_routing::spec::RedirectSpec;
use std::num::NonZeroU16;

const PERMANENT: u16 = 301;
const TEMPORAL: u16 = 302;

/// The temporal one wins, as in ingress-nginx.
pub(crate) fn read(reader: &mut Reader<'_>) -> Option<RedirectSpec> {
    let temporal = read_one(
        reader,
        "temporal-redirect",
        "temporal-redirect-code",
        TEMPORAL,
    );
    let permanent = read_one(
        reader,
        "permanent-redirect",
        "permanent-redirect-code",
        PERMANENT,
    );
    temporal.or(permanent)
}

fn read_one(
    reader: &mut Reader<'_>,
    target: &str,
    code: &str,
    default: u16,
) -> Option<RedirectSpec> {
    let status = reader.shared(code, status).unwrap_or(default);
    let spec = reader.shared(target, self::target)?;
    Some(RedirectSpec { status, ..spec })
}

fn status(text: &str) -> Result<u16, Refused> {
    match text {
        "301" => Ok(301),
        "302" => Ok(302),
        "303" => Ok(303),
        "307" => Ok(307),
        "308" => Ok(308),
        _ => Refused::because(format!("{text:?} is not one of 301, 302, 303, 307, 308")),
    }
}

/// A whole URL, or `SCHEME://HOST$request_uri`, where scheme and host may be `$scheme` and `$host`.
fn target(text: &str) -> Result<RedirectSpec, Refused> {
    if !text.contains('$') {
        return url(text).map(|url| RedirectSpec {
            url: Some(url),
            ..RedirectSpec::default()
        });
    }
    let changed = parts(text).filter(|parts| *parts != RedirectSpec::default());
    changed.ok_or_else(|| {
        Refused(format!("of nginx's variables only $scheme://$host$request_uri and parts of it are known, not {text:?}"))
    })
}

fn parts(text: &str) -> Option<RedirectSpec> {
    let (scheme, rest) = text.split_once("://")?;
    let authority = rest.strip_suffix("$request_uri")?;
    let (host, port) = authority
        .split_once(':')
        .map_or((authority, None), |(host, port)| (host, Some(port)));
    Some(RedirectSpec {
        scheme: literal(scheme, &["$scheme"], |scheme| {
            matches!(scheme, "http" | "https")
        })?,
        host: literal(host, &["$host", "$http_host"], is_dns_name)?,
        port: port.map(str::parse).transpose().ok()?.map(NonZeroU16::get),
        ..RedirectSpec::default()
    })
}

/// `Some(None)` for a variable that keeps what the request had, `None` for what is neither that nor valid.
fn literal(
    text: &str,
    variables: &[&str],
    is_valid: impl Fn(&str) -> bool,
) -> Option<Option<String>> {
    if variables.contains(&text) {
        return Some(None);
    }
    is_valid(text).then(|| Some(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_a_url_or_keeps_parts_of_the_request() {
        let spec = |url: Option<&str>, scheme: Option<&str>, host: Option<&str>, port| {
            Some(RedirectSpec {
                status: 0,
                url: url.map(str::to_owned),
                scheme: scheme.map(str::to_owned),
                host: host.map(str::to_owned),
                port,
                path: None,
            })
        };
        let cases = [
            (
                "https://new.example.com/x?a=b",
                spec(Some("https://new.example.com/x?a=b"), None, None, None),
            ),
            (
                "https://new.example.com$request_uri",
                spec(None, Some("https"), Some("new.example.com"), None),
            ),
            (
                "$scheme://$host:8443$request_uri",
                spec(None, None, None, Some(8443)),
            ),
            (
                "https://$http_host$request_uri",
                spec(None, Some("https"), None, None),
            ),
            ("$scheme://$host$request_uri", None),
            ("https://$host:0$request_uri", None),
            ("https://new.example.com/x$request_uri", None),
            ("https://$server_name$request_uri", None),
            ("javascript:alert(1)", None),
            ("/only/a/path", None),
            ("https://a b/", None),
            ("https://", None),
        ];
        for (text, expected) in cases {
            assert_eq!(target(text).ok(), expected, "{text}");
        }
    }
}

//! `enable-cors` and `cors-*`.

use super::Reader;
use super::values::{flag, header_names, is_dns_name, list, method, number};
use crate::problem::Refused;
use haldane_routing::spec::CorsSpec;

/// What ingress-nginx allows where nothing is said.
const METHODS: &[&str] = &["GET", "PUT", "POST", "DELETE", "PATCH", "OPTIONS"];
const HEADERS: &[&str] = &[
    "dnt",
    "keep-alive",
    "user-agent",
    "x-requested-with",
    "if-modified-since",
    "cache-control",
    "content-type",
    "range",
    "authorization",
];
const MAX_AGE_S: u64 = 1_728_000;

const OPTIONS: &[&str] = &[
    "cors-allow-origin",
    "cors-allow-methods",
    "cors-allow-headers",
    "cors-allow-credentials",
    "cors-max-age",
    "cors-expose-headers",
];

/// `None` unless `enable-cors` is true.
pub(crate) fn read(reader: &mut Reader<'_>) -> Option<CorsSpec> {
    let enabled = reader.shared("enable-cors", flag).unwrap_or(false);
    let spec = CorsSpec {
        origins: reader
            .shared("cors-allow-origin", origins)
            .unwrap_or_else(|| owned(&["*"])),
        methods: reader
            .shared("cors-allow-methods", methods)
            .unwrap_or_else(|| owned(METHODS)),
        headers: reader
            .shared("cors-allow-headers", names)
            .unwrap_or_else(|| owned(HEADERS)),
        expose: reader
            .shared("cors-expose-headers", names)
            .unwrap_or_default(),
        credentials: reader
            .shared("cors-allow-credentials", flag)
            .unwrap_or(true),
        max_age_s: reader.shared("cors-max-age", max_age).unwrap_or(MAX_AGE_S),
    };
    if !enabled {
        warn_idle(reader);
    }
    enabled.then_some(spec)
}

fn warn_idle(reader: &mut Reader<'_>) {
    if let Some(option) = OPTIONS.iter().find(|option| reader.has(option)) {
        reader.warn(option, "has no effect without enable-cors: \"true\"");
    }
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn max_age(text: &str) -> Result<u64, Refused> {
    number(text, 0, u64::from(u32::MAX))
}

fn methods(text: &str) -> Result<Vec<String>, Refused> {
    list(text)?.into_iter().map(method).collect()
}

fn names(text: &str) -> Result<Vec<String>, Refused> {
    match text {
        "*" => Ok(owned(&["*"])),
        text => header_names(text),
    }
}

fn origins(text: &str) -> Result<Vec<String>, Refused> {
    list(text)?.into_iter().map(origin).collect()
}

/// `*`, or a scheme, a host whose first label may be `*`, and perhaps a port.
fn origin(text: &str) -> Result<String, Refused> {
    if text == "*" || is_origin(&text.to_ascii_lowercase()) {
        Ok(text.to_ascii_lowercase())
    } else {
        Refused::because(format!(
            "{text:?} is not an origin such as \"https://*.example.com\""
        ))
    }
}

fn is_origin(text: &str) -> bool {
    let Some((scheme, authority)) = text.split_once("://") else {
        return false;
    };
    let (host, port) = authority.rsplit_once(':').unwrap_or((authority, "443"));
    let is_scheme = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    let is_host = is_dns_name(host.strip_prefix("*.").unwrap_or(host))
        || host.parse::<std::net::Ipv4Addr>().is_ok();
    let has_scheme = scheme.starts_with(|letter: char| letter.is_ascii_alphabetic())
        && scheme.bytes().all(is_scheme);
    has_scheme && is_host && port.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_have_scheme_and_host() {
        let cases = [
            ("*", true),
            ("https://shop.example.com", true),
            ("HTTPS://Shop.example.com:8443", true),
            ("https://*.example.com", true),
            ("capacitor://localhost", true),
            ("http://127.0.0.1:3000", true),
            ("example.com", false),
            ("https://*", false),
            ("https://a.*.example.com", false),
            ("https://example.com/", false),
            ("https://example.com:port", false),
            ("null", false),
        ];
        for (text, expected) in cases {
            assert_eq!(origin(text).is_ok(), expected, "{text}");
        }
    }
}

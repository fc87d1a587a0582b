//! The kinds of values that several annotations share: flags, numbers, sizes, networks, names, URLs.

use crate::limits::LIST_MAX;
use crate::problem::Refused;
use http::{HeaderName, HeaderValue, Uri};
use ipnet::IpNet;
use std::net::IpAddr;
use std::str::FromStr;

/// The longest time limit taken, a week: longer than any sensible request.
const SECONDS_MAX: u64 = 7 * 24 * 3600;

/// The largest body limit taken, a pebibyte: beyond, a digit too many was typed.
const SIZE_MAX: u64 = 1 << 50;

/// A flag, as Go's `ParseBool` reads it.
pub(crate) fn flag(text: &str) -> Result<bool, Refused> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(false),
        _ => Refused::because(format!("{text:?} is neither \"true\" nor \"false\"")),
    }
}

/// `on` and `off`, as nginx has it, or a flag.
pub(crate) fn switch(text: &str) -> Result<bool, Refused> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => flag(text).map_err(|_| Refused(format!("{text:?} is neither \"on\" nor \"off\""))),
    }
}

/// A whole number in a range.
pub(crate) fn number(text: &str, min: u64, max: u64) -> Result<u64, Refused> {
    match text.parse::<u64>() {
        Ok(number) if (min..=max).contains(&number) => Ok(number),
        _ => Refused::because(format!(
            "{text:?} is not a whole number from {min} to {max}"
        )),
    }
}

/// A number of seconds, without a unit, in milliseconds.
pub(crate) fn seconds_as_ms(text: &str) -> Result<u64, Refused> {
    match number(text, 1, SECONDS_MAX) {
        Ok(seconds) => Ok(seconds * 1000),
        Err(_) => Refused::because(format!(
            "{text:?} is not a number of seconds from 1 to {SECONDS_MAX}, written without a unit"
        )),
    }
}

/// A number of bytes with an optional unit, as nginx has it: `512`, `8k`, `10m`, `1g`.
pub(crate) fn size(text: &str) -> Result<u64, Refused> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "" | "b" => Some(1_u64),
        "k" => Some(1 << 10),
        "m" => Some(1 << 20),
        "g" => Some(1 << 30),
        _ => None,
    };
    let bytes = unit.and_then(|unit| digits.parse::<u64>().ok()?.checked_mul(unit));
    match bytes {
        Some(bytes) if bytes <= SIZE_MAX => Ok(bytes),
        _ => Refused::because(format!(
            "{text:?} is not a size such as \"8m\" (units k, m, g)"
        )),
    }
}

/// The parts of a list between commas, trimmed, empty ones left out; at least one, at most [`LIST_MAX`].
pub(crate) fn list(text: &str) -> Result<Vec<&str>, Refused> {
    let parts: Vec<_> = text
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .collect();
    match parts.len() {
        0 => Refused::because("the list is empty"),
        1..=LIST_MAX => Ok(parts),
        count => Refused::because(format!(
            "{count} entries are too many, at most {LIST_MAX} are taken"
        )),
    }
}

/// Networks and single addresses between commas.
pub(crate) fn networks(text: &str) -> Result<Vec<IpNet>, Refused> {
    list(text)?.into_iter().map(network).collect()
}

pub(crate) fn network(text: &str) -> Result<IpNet, Refused> {
    let network = IpNet::from_str(text).map(|network| network.trunc());
    let network = network.or_else(|_| IpAddr::from_str(text).map(IpNet::from));
    network.map_err(|_| {
        Refused(format!(
            "{text:?} is not an address or network such as \"10.0.0.0/8\""
        ))
    })
}

/// A header's name, in lower case.
pub(crate) fn header_name(text: &str) -> Result<String, Refused> {
    match HeaderName::from_str(text) {
        Ok(name) => Ok(name.as_str().to_owned()),
        Err(_) => Refused::because(format!("{text:?} is not a header name")),
    }
}

pub(crate) fn header_names(text: &str) -> Result<Vec<String>, Refused> {
    list(text)?.into_iter().map(header_name).collect()
}

/// A header's value: no control characters, so that nothing can follow it.
pub(crate) fn header_value(text: &str) -> Result<String, Refused> {
    let visible = text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    match HeaderValue::from_str(text) {
        Ok(_) if visible => Ok(text.to_owned()),
        _ => Refused::because(format!(
            "{text:?} is not a header value: only visible ASCII characters and blanks"
        )),
    }
}

/// A cookie's name (RFC 6265, section 4.1.1: a token).
pub(crate) fn cookie_name(text: &str) -> Result<String, Refused> {
    if is_token(text) {
        Ok(text.to_owned())
    } else {
        Refused::because(format!("{text:?} is not a cookie name"))
    }
}

/// A host and perhaps a port, as a Host header has them.
pub(crate) fn authority(text: &str) -> Result<String, Refused> {
    let (host, port) = text.split_once(':').unwrap_or((text, "80"));
    if is_dns_name(&host.to_ascii_lowercase()) && port.parse::<u16>().is_ok_and(|port| port > 0) {
        Ok(text.to_owned())
    } else {
        Refused::because(format!("{text:?} is not a host name, perhaps with a port"))
    }
}

/// A request method, in upper case as all registered ones are.
pub(crate) fn method(text: &str) -> Result<String, Refused> {
    if is_token(text) {
        Ok(text.to_ascii_uppercase())
    } else {
        Refused::because(format!("{text:?} is not a request method"))
    }
}

/// RFC 9110, section 5.6.2.
fn is_token(text: &str) -> bool {
    let is_tchar = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.len() <= 256 && text.bytes().all(is_tchar)
}

/// The value of a pod label, which is what names a version; never empty.
pub(crate) fn version_name(text: &str) -> Result<String, Refused> {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if !text.is_empty() && text.len() <= 63 && text.bytes().all(known) {
        Ok(text.to_owned())
    } else {
        Refused::because(format!(
            "{text:?} is not the name of a version: letters, digits, '-', '_' and '.', at most 63"
        ))
    }
}

/// An absolute `http` or `https` URL.
pub(crate) fn url(text: &str) -> Result<String, Refused> {
    let refused = || Refused(format!("{text:?} is not an http or https URL"));
    let uri = Uri::from_str(text).map_err(|_| refused())?;
    match (uri.scheme_str(), uri.host()) {
        (Some("http" | "https"), Some(host)) if !host.is_empty() => Ok(text.to_owned()),
        _ => Err(refused()),
    }
}

/// A path: absolute, visible ASCII, no query.
pub(crate) fn path(text: &str) -> Result<String, Refused> {
    let visible = text
        .bytes()
        .all(|byte| matches!(byte, b'!'..=b'~') && byte != b'?' && byte != b'#');
    if text.starts_with('/') && visible {
        Ok(text.to_owned())
    } else {
        Refused::because(format!(
            "{text:?} is not a path: it starts with '/' and has no blanks, '?' or '#'"
        ))
    }
}

/// A host name to serve, in lower case: exact, or `*.` before a suffix.
pub(crate) fn host(text: &str) -> Result<String, Refused> {
    let name = text.to_ascii_lowercase();
    if is_dns_name(name.strip_prefix("*.").unwrap_or(&name)) {
        Ok(name)
    } else {
        Refused::because(format!(
            "{text:?} is not a host name: labels of a-z, 0-9 and '-', or one \"*.\" before them"
        ))
    }
}

/// A DNS name without wildcard; an IPv4 address passes as one, as in Kubernetes it does not.
pub(crate) fn is_dns_name(name: &str) -> bool {
    let is_label = |label: &str| {
        let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let edges = !label.starts_with('-') && !label.ends_with('-');
        (1..=63).contains(&label.len()) && edges && label.bytes().all(inner)
    };
    name.len() <= 253 && name.split('.').all(is_label) && name.parse::<IpAddr>().is_err()
}

/// One of a few words.
pub(crate) fn one_of<T: Copy>(text: &str, words: &[(&str, T)]) -> Result<T, Refused> {
    match words
        .iter()
        .find(|(word, _)| word.eq_ignore_ascii_case(text))
    {
        Some((_, value)) => Ok(*value),
        None if words.len() == 1 => Refused::because(format!("{text:?} is not {:?}", words[0].0)),
        None => {
            let known: Vec<_> = words.iter().map(|(word, _)| *word).collect();
            Refused::because(format!("{text:?} is not one of {}", known.join(", ")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        let cases = [
            ("0", Some(0)),
            ("512", Some(512)),
            ("8k", Some(8192)),
            ("10M", Some(10 << 20)),
            ("1g", Some(1 << 30)),
            ("m", None),
            ("1.5m", None),
            ("-1", None),
            ("8mb", None),
            ("99999999999999999999g", None),
        ];
        for (text, expected) in cases {
            assert_eq!(size(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn header_values_are_visible_ascii() {
        let cases = [
            ("a b=\"c\";", true),
            ("", true),
            ("a\r\nb: c", false),
            ("a\0", false),
            ("a\tb", false),
            ("é", false),
        ];
        for (text, expected) in cases {
            assert_eq!(header_value(text).is_ok(), expected, "{text:?}");
        }
    }

    #[test]
    fn hosts_are_dns_names() {
        let cases = [
            ("shop.example.com", true),
            ("Shop.Example.COM", true),
            ("*.example.com", true),
            ("localhost", true),
            ("*", false),
            ("*.*.example.com", false),
            ("a.*.example.com", false),
            ("10.0.0.1", false),
            ("-a.example.com", false),
            ("a..b", false),
            ("a b", false),
            ("a.example.com:80", false),
            ("bücher.example.com", false),
            ("", false),
        ];
        for (text, expected) in cases {
            assert_eq!(host(text).is_ok(), expected, "{text}");
        }
    }

    #[test]
    fn networks_may_be_single_addresses() {
        let cases = [
            ("10.0.0.0/8", Some("10.0.0.0/8")),
            ("10.1.2.3/8 , fd00::1", Some("10.0.0.0/8 fd00::1/128")),
            ("10.0.0.0/33", None),
            ("office", None),
            (" , ", None),
        ];
        for (text, expected) in cases {
            let seen = networks(text).ok().map(|networks| {
                let shown: Vec<_> = networks.iter().map(ToString::to_string).collect();
                shown.join(" ")
            });
            assert_eq!(seen.as_deref(), expected, "{text}");
        }
    }
}

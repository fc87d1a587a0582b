//! What matching may look at of a request, and how headers, cookies and parameters are read.
//!
//! Nothing is parsed before a condition asks for it, and nothing is kept.

use http::{HeaderMap, HeaderName, Method, header};
use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// A request as the table sees it.
#[derive(Clone, Copy, Debug)]
pub struct RequestView<'a> {
    /// The method.
    pub method: &'a Method,
    /// The host asked for: lower case, without port and trailing dot; empty where the request has none.
    pub host: &'a str,
    /// The path as it came, percent-encoding and all.
    pub path: &'a str,
    /// What follows `?`.
    pub query: Option<&'a str>,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// The client's address, after trusted proxies.
    pub source: IpAddr,
    /// The client's country; only asked for when [`crate::Table::uses_country`].
    pub country: Option<Country>,
}

impl<'a> RequestView<'a> {
    /// A header's value, several lines joined with `, ` (RFC 9110 section 5.3). Allocates only to join.
    #[must_use]
    pub fn header(&self, name: &HeaderName) -> Option<Cow<'a, [u8]>> {
        let mut lines = self.headers.get_all(name).iter();
        let first = lines.next()?.as_bytes();
        let Some(second) = lines.next() else {
            return Some(Cow::Borrowed(first));
        };
        let mut joined = first.to_vec();
        for line in std::iter::once(second).chain(lines) {
            joined.extend_from_slice(b", ");
            joined.extend_from_slice(line.as_bytes());
        }
        Some(Cow::Owned(joined))
    }

    /// The value of the first cookie of this name, whatever the case of the name; quotes stay.
    #[must_use]
    pub fn cookie(&self, name: &str) -> Option<&'a [u8]> {
        let lines = self.headers.get_all(header::COOKIE).iter();
        lines
            .map(http::HeaderValue::as_bytes)
            .find_map(|line| cookie_in(line, name.as_bytes()))
    }

    /// The value of the first parameter of this name, decoded (`%41` is `A`, `+` is a blank). Allocates only to decode.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<Cow<'a, str>> {
        let pairs = form_urlencoded::parse(self.query?.as_bytes());
        let mut named = pairs.filter(|(key, _)| key == name);
        named.next().map(|(_, value)| value)
    }
}

/// Reads one line as nginx does: a pair that is passed over ends at `;` or `,`, a value that is taken only at `;`.
fn cookie_in<'a>(mut line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    while !line.is_empty() {
        if let Some(value) = value_after(line, name) {
            return Some(value);
        }
        let end = line.iter().position(|byte| matches!(byte, b';' | b','))?;
        line = without_blanks(&line[end + 1..]);
    }
    None
}

/// The value, where the line starts with `name=`; blanks around the `=` do not count.
fn value_after<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (start, rest) = line.split_at_checked(name.len())?;
    if !start.eq_ignore_ascii_case(name) {
        return None;
    }
    let value = without_blanks(without_blanks(rest).strip_prefix(b"=")?);
    let end = value.iter().position(|&byte| byte == b';');
    Some(&value[..end.unwrap_or(value.len())])
}

fn without_blanks(text: &[u8]) -> &[u8] {
    let start = text.iter().position(|&byte| byte != b' ');
    &text[start.unwrap_or(text.len())..]
}

/// A country by its two letters (ISO 3166-1 alpha-2), in capitals. Whether it exists is not asked.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Country([u8; 2]);

impl Country {
    /// The two letters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("a country is two ASCII letters")
    }
}

impl FromStr for Country {
    type Err = CountryError;

    fn from_str(written: &str) -> Result<Self, CountryError> {
        match *written.as_bytes() {
            [a, b] if a.is_ascii_alphabetic() && b.is_ascii_alphabetic() => {
                Ok(Self([a.to_ascii_uppercase(), b.to_ascii_uppercase()]))
            }
            _ => Err(CountryError),
        }
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Country({self})")
    }
}

/// A text is not two ASCII letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a country is two letters")]
pub struct CountryError;

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_cookie(lines: &[&'static str], name: &str, value: Option<&str>) {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::COOKIE, http::HeaderValue::from_static(line));
        }
        let seen = view(&headers, None)
            .cookie(name)
            .map(String::from_utf8_lossy);
        assert_eq!(seen.as_deref(), value);
    }

    fn view<'a>(headers: &'a HeaderMap, query: Option<&'a str>) -> RequestView<'a> {
        RequestView {
            method: &Method::GET,
            host: "",
            path: "/",
            query,
            headers,
            source: IpAddr::from([127, 0, 0, 1]),
            country: None,
        }
    }

    #[test]
    fn cookies_are_read_as_nginx_reads_them() {
        check_cookie(&["a=1; b=2"], "b", Some("2"));
        check_cookie(&["A=1"], "a", Some("1"));
        check_cookie(&["a=1; a=2"], "a", Some("1"));
        check_cookie(&["a=1", "b=2"], "b", Some("2"));
        check_cookie(&["x=1,a=2"], "a", Some("2"));
        check_cookie(&["a=1,b=2; c=3"], "a", Some("1,b=2"));
        check_cookie(&["a = 1 ; b=2"], "a", Some("1 "));
        check_cookie(&["ab=1"], "a", None);
        check_cookie(&["ba=1"], "a", None);
        check_cookie(&["a"], "a", None);
        check_cookie(&["a=\"1\""], "a", Some("\"1\""));
        check_cookie(&["a="], "a", Some(""));
        check_cookie(&[], "a", None);
    }

    #[track_caller]
    fn check_parameter(query: &str, name: &str, value: Option<&str>) {
        let headers = HeaderMap::new();
        assert_eq!(
            view(&headers, Some(query)).parameter(name).as_deref(),
            value
        );
    }

    #[test]
    fn the_first_parameter_of_a_name_is_decoded() {
        check_parameter("a=1&b=2", "b", Some("2"));
        check_parameter("a=1&a=2", "a", Some("1"));
        check_parameter("a=x%20y+z", "a", Some("x y z"));
        check_parameter("%61=1", "a", Some("1"));
        check_parameter("a", "a", Some(""));
        check_parameter("A=1", "a", None);
        check_parameter("", "a", None);
    }

    #[test]
    fn lines_of_one_header_are_joined() {
        let mut headers = HeaderMap::new();
        let name = HeaderName::from_static("x-a");
        assert_eq!(view(&headers, None).header(&name), None);
        headers.append("x-a", http::HeaderValue::from_static("1"));
        assert!(matches!(
            view(&headers, None).header(&name),
            Some(Cow::Borrowed(b"1"))
        ));
        headers.append("x-a", http::HeaderValue::from_static("2"));
        assert_eq!(
            view(&headers, None).header(&name).as_deref(),
            Some(&b"1, 2"[..])
        );
    }
}

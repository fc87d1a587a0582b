//! Where a redirect leads, as a header value.
//!
//! Whatever a client or a rule wrote is percent-encoded where it could mean anything but itself: a location can neither
//! end its header nor be read in two ways.

use haldane_routing::Redirect;
use http::{HeaderValue, Uri};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

/// What may not stand in a URL (RFC 3986 section 2), and `\`, which browsers take for `/`. Bytes beyond ASCII are always
/// encoded; `%` is not, since what is encoded already stays as it is.
const FOREIGN: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// The URL that a request was made with.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Whether the client used TLS.
    pub https: bool,
    /// The host without port, as [`crate::head::Host`] admits it.
    pub host: &'a str,
    /// The port that the client wrote, where it wrote one.
    pub port: Option<u16>,
    /// Path and query.
    pub uri: &'a Uri,
}

impl Asked<'_> {
    /// The whole URL.
    pub fn url(&self) -> String {
        let scheme = if self.https { "https" } else { "http" };
        join(scheme, self.host, self.port, self.path(), self.uri.query())
    }

    /// The same URL by https at this port (RFC 9110 section 4.2.2).
    pub fn by_https(&self, port: u16) -> HeaderValue {
        let url = join(
            "https",
            self.host,
            Some(port),
            self.path(),
            self.uri.query(),
        );
        location(&url)
    }

    /// Where a rule's redirect leads. A changed scheme brings its own port, as in the Gateway API; the query stays.
    pub fn redirected(&self, redirect: &Redirect) -> HeaderValue {
        if let Some(url) = redirect.url() {
            return location(url);
        }
        let asked_scheme = if self.https { "https" } else { "http" };
        let asked_port = self.port.filter(|_| redirect.scheme().is_none());
        location(&join(
            redirect.scheme().unwrap_or(asked_scheme),
            redirect.host().unwrap_or(self.host),
            redirect.port().or(asked_port),
            redirect.path().unwrap_or(self.path()),
            self.uri.query(),
        ))
    }

    /// `*`, the target of some `OPTIONS` requests, is no path.
    fn path(&self) -> &str {
        let path = self.uri.path();
        if path.starts_with('/') { path } else { "/" }
    }
}

/// A URL; a port that the scheme has anyway is left out.
fn join(scheme: &str, host: &str, port: Option<u16>, path: &str, query: Option<&str>) -> String {
    let mut url = format!("{scheme}://{host}");
    let own_port = if scheme == "https" { 443 } else { 80 };
    if let Some(port) = port.filter(|port| *port != own_port) {
        url.push_str(&format!(":{port}"));
    }
    url.push_str(path);
    if let Some(query) = query {
        url.push('?');
        url.push_str(query);
    }
    url
}

/// A URL as a header value.
pub(super) fn location(url: &str) -> HeaderValue {
    let escaped = utf8_percent_encode(url, FOREIGN).to_string();
    HeaderValue::try_from(escaped).expect("only visible ASCII is left")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filters::built;
    use haldane_routing::Action;
    use haldane_routing::spec::{ActionSpec, RedirectSpec};

    fn asked<'a>(https: bool, port: Option<u16>, uri: &'a Uri) -> Asked<'a> {
        Asked {
            https,
            host: "shop.example",
            port,
            uri,
        }
    }

    #[test]
    fn by_https() {
        #[rustfmt::skip]
        let cases = [
            ("/",               None,       443,  "https://shop.example/"),
            ("/a/b?c=d&e=%20f", Some(80),   443,  "https://shop.example/a/b?c=d&e=%20f"),
            ("/a",              Some(8080), 8443, "https://shop.example:8443/a"),
            ("//evil.example",  None,       443,  "https://shop.example//evil.example"),
            ("/a?",             None,       443,  "https://shop.example/a?"),
            ("*",               None,       443,  "https://shop.example/"),
            ("/{a}|\"",          None,       443,  "https://shop.example/%7Ba%7D%7C%22"),
            ("/%0d%0aSet-Cookie:a=b", None, 443,  "https://shop.example/%0d%0aSet-Cookie:a=b"),
        ];
        for (uri, port, https_port, expected) in cases {
            let uri: Uri = uri.parse().expect(uri);
            assert_eq!(
                asked(false, port, &uri).by_https(https_port),
                expected,
                "{uri}"
            );
        }
    }

    #[test]
    fn nothing_ends_the_header() {
        #[rustfmt::skip]
        let cases = [
            ("https://a.example/\r\nSet-Cookie: a=b", "https://a.example/%0D%0ASet-Cookie:%20a=b"),
            ("https://a.example/\0\t\u{7f}",         "https://a.example/%00%09%7F"),
            ("https://a.example\\@b.example/",       "https://a.example%5C@b.example/"),
            ("https://a.example/\u{e9}",             "https://a.example/%C3%A9"),
            ("",                                     ""),
        ];
        for (url, expected) in cases {
            assert_eq!(location(url), expected, "{url:?}");
        }
    }

    #[test]
    fn what_a_rule_says() {
        let url = |url: &str| RedirectSpec {
            url: Some(url.to_owned()),
            ..spec()
        };
        let scheme = |scheme: &str| RedirectSpec {
            scheme: Some(scheme.to_owned()),
            ..spec()
        };
        let host = |host: &str| RedirectSpec {
            host: Some(host.to_owned()),
            ..spec()
        };
        let path = |path: &str| RedirectSpec {
            path: Some(path.to_owned()),
            ..spec()
        };
        let port = |port: u16| RedirectSpec {
            port: Some(port),
            ..spec()
        };
        #[rustfmt::skip]
        let cases = [
            (url("https://a.example/b?c"), false, None,     "https://a.example/b?c"),
            (scheme("https"), false, Some(8080),            "https://shop.example/cart?id=1"),
            (scheme("http"),  true,  None,                  "http://shop.example/cart?id=1"),
            (host("www.shop.example"), false, Some(8080),   "http://www.shop.example:8080/cart?id=1"),
            (host("www.shop.example"), true, Some(443),     "https://www.shop.example/cart?id=1"),
            (path("/app"), true, None,                      "https://shop.example/app?id=1"),
            (port(8443),   true, Some(443),                 "https://shop.example:8443/cart?id=1"),
            (port(80),     false, Some(8080),               "http://shop.example/cart?id=1"),
            (RedirectSpec { port: Some(80), ..scheme("https") }, false, None, "https://shop.example:80/cart?id=1"),
        ];
        let uri = Uri::from_static("/cart?id=1");
        for (spec, https, port, expected) in cases {
            let rule = built::rule(ActionSpec::Redirect(spec.clone()), Default::default());
            let Action::Redirect(redirect) = rule.action() else {
                unreachable!("the rule redirects");
            };
            assert_eq!(
                asked(https, port, &uri).redirected(redirect),
                expected,
                "{spec:?}"
            );
        }
    }

    fn spec() -> RedirectSpec {
        RedirectSpec {
            status: 302,
            ..RedirectSpec::default()
        }
    }
}

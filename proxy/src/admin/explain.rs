//! `/explain`: judges a request that is described in a query as the listeners would judge it, and lets the table explain.

use crate::head::{self, Refusal};
use haldane_routing::{Country, Explanation, RequestView, Table, TicketKey};
use http::request::Parts;
use http::uri::{PathAndQuery, Scheme};
use http::{HeaderName, HeaderValue, Method, Request, Uri, header};
use serde::Serialize;
use std::net::{IpAddr, Ipv4Addr};
use thiserror::Error;

/// A request to be explained.
#[derive(Debug)]
pub(super) struct Asked {
    parts: Parts,
    from: IpAddr,
    country: Option<Country>,
}

/// What is wrong with the question.
#[derive(Debug, PartialEq, Eq, Error)]
pub(super) enum Fault {
    #[error("there is no parameter {0}; there are url, method, header, from and country")]
    Unknown(String),
    #[error("url must be given, as http://HOST/PATH or https://HOST/PATH")]
    Url,
    #[error("method is not a method")]
    Method,
    #[error("header must be written Name: value")]
    Header,
    #[error("from must be an IP address")]
    From,
    #[error("country must be two letters")]
    Country,
}

/// The answer.
#[derive(Serialize)]
struct Explained<'a> {
    generation: u64,
    /// Why the request is refused before any rule is looked for.
    refused: Option<Refused>,
    explanation: Option<&'a Explanation>,
    /// The same for people.
    text: String,
}

#[derive(Serialize)]
struct Refused {
    status: u16,
    reason: &'static str,
}

impl Asked {
    /// Reads the query: `url`, and optionally `method`, `header` (again for each), `from`, `country`.
    pub(super) fn parse(query: &str) -> Result<Self, Fault> {
        let mut url = None;
        let mut asked = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "url" => url = Some(value.parse::<Uri>().map_err(|_| Fault::Url)?),
                other => asked.set(other, &value)?,
            }
        }
        asked.go_to(url.ok_or(Fault::Url)?)?;
        Ok(asked)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), Fault> {
        match name {
            "method" => self.parts.method = value.parse::<Method>().map_err(|_| Fault::Method)?,
            "from" => self.from = value.parse().map_err(|_| Fault::From)?,
            "country" => self.country = Some(value.parse().map_err(|_| Fault::Country)?),
            "header" => return self.add_header(value).ok_or(Fault::Header),
            _ => return Err(Fault::Unknown(name.to_owned())),
        }
        Ok(())
    }

    fn add_header(&mut self, written: &str) -> Option<()> {
        let (name, value) = written.split_once(':')?;
        let name = name.parse::<HeaderName>().ok()?;
        let value = HeaderValue::from_str(value.trim()).ok()?;
        self.parts.headers.try_append(name, value).ok().map(drop)
    }

    /// Asks for the URL as clients do: the host in `Host` (unless that was given), the rest in the target.
    fn go_to(&mut self, url: Uri) -> Result<(), Fault> {
        let url = url.into_parts();
        let known = url
            .scheme
            .is_some_and(|scheme| [Scheme::HTTP, Scheme::HTTPS].contains(&scheme));
        let authority = url.authority.filter(|_| known).ok_or(Fault::Url)?;
        if !self.parts.headers.contains_key(header::HOST) {
            let host = HeaderValue::from_str(authority.as_str()).map_err(|_| Fault::Url)?;
            self.parts.headers.insert(header::HOST, host);
        }
        self.parts.uri = url
            .path_and_query
            .unwrap_or_else(|| PathAndQuery::from_static("/"))
            .into();
        Ok(())
    }

    /// The answer as JSON.
    pub(super) fn explained(self, table: &Table, generation: u64, key: &TicketKey) -> String {
        let explanation = self.explain(table, key);
        let refused = explanation.as_ref().err().copied();
        let explained = Explained {
            generation,
            refused: refused.map(|refusal| Refused {
                status: refusal.status().as_u16(),
                reason: refusal.reason(),
            }),
            text: match &explanation {
                Ok(explanation) => explanation.to_string(),
                Err(refusal) => format!("refused with {}: {refusal}\n", refusal.status().as_u16()),
            },
            explanation: explanation.as_ref().ok(),
        };
        serde_json::to_string(&explained).expect("all keys are strings")
    }

    fn explain(mut self, table: &Table, key: &TicketKey) -> Result<Explanation, Refusal> {
        let admitted = head::admit(&mut self.parts, true)?;
        let view = RequestView {
            method: &self.parts.method,
            host: admitted.host.as_str(),
            path: self.parts.uri.path(),
            query: self.parts.uri.query(),
            headers: &self.parts.headers,
            source: self.from,
            country: self.country,
        };
        Ok(table.explain(&view, key))
    }
}

impl Default for Asked {
    /// A plain request of a client on this machine.
    fn default() -> Self {
        let (parts, ()) = Request::new(()).into_parts();
        Self {
            parts,
            from: Ipv4Addr::LOCALHOST.into(),
            country: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(query: &str, expected: &str) {
        let shown =
            Asked::parse(query).map_or_else(|fault| format!("{fault:?}"), |asked| show(&asked));
        assert_eq!(shown, expected, "{query}");
    }

    fn show(asked: &Asked) -> String {
        let Parts {
            method,
            uri,
            headers,
            ..
        } = &asked.parts;
        let headers: Vec<_> = headers
            .iter()
            .map(|(name, value)| format!("{name}={value:?}"))
            .collect();
        let country = asked
            .country
            .map(|country| format!(" {country}"))
            .unwrap_or_default();
        format!(
            "{method} {uri} {} {}{country}",
            headers.join(" "),
            asked.from
        )
    }

    #[test]
    fn questions_are_read() {
        check(
            "url=http://a.example",
            r#"GET / host="a.example" 127.0.0.1"#,
        );
        check(
            "url=https%3A%2F%2Fa.example%3A8443%2Fb%3Fc%3D%2526",
            r#"GET /b?c=%26 host="a.example:8443" 127.0.0.1"#,
        );
        check(
            "url=http://a/&header=Host:+b",
            r#"GET / host="b" 127.0.0.1"#,
        );
        check(
            "header=X-A:%201&url=http://a/&header=x-a:2",
            r#"GET / x-a="1" x-a="2" host="a" 127.0.0.1"#,
        );
        check(
            "url=http://a/&method=PUT&from=2001:db8::1&country=kr",
            r#"PUT / host="a" 2001:db8::1 KR"#,
        );
    }

    #[test]
    fn faults_are_named() {
        check("", "Url");
        check("method=GET", "Url");
        check("url=/a", "Url");
        check("url=ftp://a/", "Url");
        check("url=http://a b/", "Url");
        check("url=a.example", "Url");
        check("url=http://a/&method=A%20B", "Method");
        check("url=http://a/&header=X", "Header");
        check("url=http://a/&header=X%20Y:1", "Header");
        check(
            "url=http://a/&header=X:%0A",
            r#"GET / x="" host="a" 127.0.0.1"#,
        );
        check("url=http://a/&header=X:a%0Db", "Header");
        check("url=http://a/&from=localhost", "From");
        check("url=http://a/&country=KOR", "Country");
        check("url=http://a/&ip=1.2.3.4", r#"Unknown("ip")"#);
    }
}

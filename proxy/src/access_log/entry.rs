//! One request's line. What clients send is escaped by the JSON encoder and cut to a bound.

use crate::metrics::Outcome;
use http::uri::PathAndQuery;
use http::{HeaderValue, Method, Version};
use serde::Serialize;
use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, SystemTime};

/// The longest text that is logged of anything a client sends, in bytes; what is longer is cut. Enough for the URLs
/// that browsers make, and it keeps a hostile request's line below some 40 KiB.
pub const FIELD_BYTES_MAX: usize = 2_048;

/// What is known of a request before its outcome is. Made only where the log is on.
#[derive(Clone, Debug)]
pub struct Entry {
    /// When the request head was read.
    pub time: SystemTime,
    /// The request's id, its own or ours.
    pub request_id: Option<HeaderValue>,
    /// The client's address, as believed.
    pub client: IpAddr,
    /// The method.
    pub method: Method,
    /// The host asked for.
    pub host: String,
    /// Path and query, as received.
    pub target: Option<PathAndQuery>,
    /// The version of HTTP that the client speaks.
    pub protocol: Version,
    /// The version of TLS, such as `TLSv1.3`; `None` in clear.
    pub tls: Option<&'static str>,
    /// The `User-Agent`.
    pub user_agent: Option<HeaderValue>,
    /// The rule's id; empty where none was found.
    pub rule: String,
    /// The version assigned; empty where there is none.
    pub version: String,
    /// What decided on the version, as in the metrics.
    pub by: &'static str,
    /// The endpoint of the last attempt; empty where there was none.
    pub endpoint: String,
    /// Attempts after the first.
    pub retries: u32,
    /// The `grpc-status` of the response.
    pub grpc_status: Option<String>,
}

impl Default for Entry {
    fn default() -> Self {
        Self {
            time: SystemTime::UNIX_EPOCH,
            request_id: None,
            client: Ipv4Addr::UNSPECIFIED.into(),
            method: Method::GET,
            host: String::new(),
            target: None,
            protocol: Version::HTTP_11,
            tls: None,
            user_agent: None,
            rule: String::new(),
            version: String::new(),
            by: "none",
            endpoint: String::new(),
            retries: 0,
            grpc_status: None,
        }
    }
}

/// The line's fields, in the order in which they are written. Absent ones are null, so that every line has all.
#[derive(Serialize)]
struct Line<'a> {
    time: String,
    request_id: Option<Cow<'a, str>>,
    client: IpAddr,
    method: &'a str,
    host: &'a str,
    path: Option<&'a str>,
    query: Option<&'a str>,
    protocol: &'static str,
    status: Option<u16>,
    bytes_in: u64,
    bytes_out: u64,
    duration_ms: f64,
    head_ms: Option<f64>,
    rule: Option<&'a str>,
    version: Option<&'a str>,
    by: &'static str,
    endpoint: Option<&'a str>,
    retries: u32,
    error: Option<&'static str>,
    grpc_status: Option<&'a str>,
    user_agent: Option<Cow<'a, str>>,
    tls: Option<&'static str>,
}

impl Entry {
    /// Appends the line, with its line feed.
    pub(super) fn write_line(&self, outcome: &Outcome, to: &mut Vec<u8>) {
        serde_json::to_writer(&mut *to, &self.line(outcome))
            .expect("strings and numbers are JSON, and a vector takes all");
        to.push(b'\n');
    }

    fn line<'a>(&'a self, outcome: &Outcome) -> Line<'a> {
        Line {
            // A clock before 1970 is wrong anyway, and has no such text.
            time: humantime::format_rfc3339_millis(self.time.max(SystemTime::UNIX_EPOCH))
                .to_string(),
            request_id: self.request_id.as_ref().map(text),
            client: self.client,
            method: cut(self.method.as_str()),
            host: cut(&self.host),
            path: self.target.as_ref().map(|target| cut(target.path())),
            query: self.target.as_ref().and_then(PathAndQuery::query).map(cut),
            protocol: protocol(self.protocol),
            status: Some(outcome.status).filter(|status| *status != 0),
            bytes_in: outcome.bytes_in,
            bytes_out: outcome.bytes_out,
            duration_ms: ms(outcome.total),
            head_ms: outcome.head.map(ms),
            rule: some(&self.rule),
            version: some(&self.version),
            by: self.by,
            endpoint: some(&self.endpoint),
            retries: self.retries,
            error: outcome.error.map(crate::metrics::ErrorClass::as_str),
            grpc_status: self.grpc_status.as_deref().map(cut),
            user_agent: self.user_agent.as_ref().map(text),
            tls: self.tls,
        }
    }
}

fn some(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(FIELD_BYTES_MAX)]
}

fn text(value: &HeaderValue) -> Cow<'_, str> {
    let bytes = value.as_bytes();
    String::from_utf8_lossy(&bytes[..bytes.len().min(FIELD_BYTES_MAX)])
}

/// Milliseconds to the microsecond.
fn ms(duration: Duration) -> f64 {
    #[expect(
        clippy::cast_precision_loss,
        reason = "microseconds are exact for 285 years"
    )]
    let us = duration.as_micros() as f64;
    us / 1_000.0
}

fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_11 => "HTTP/1.1",
        Version::HTTP_2 => "HTTP/2",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::ErrorClass;

    fn write(entry: &Entry, outcome: &Outcome) -> String {
        let mut bytes = Vec::new();
        entry.write_line(outcome, &mut bytes);
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_line_has_every_field() {
        let entry = Entry {
            time: SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_005),
            request_id: Some(HeaderValue::from_static("abc")),
            client: "2001:db8::1".parse().unwrap(),
            method: Method::POST,
            host: "shop.example".to_owned(),
            target: Some(PathAndQuery::from_static("/cart?a=%22b")),
            protocol: Version::HTTP_2,
            tls: Some("TLSv1.3"),
            user_agent: Some(HeaderValue::from_bytes(b"a \"b\" \\ \xff\tc").unwrap()),
            rule: "shop/web /cart".to_owned(),
            version: "canary".to_owned(),
            by: "split",
            endpoint: "10.0.0.1:80".to_owned(),
            retries: 1,
            grpc_status: Some("0".to_owned()),
        };
        let outcome = Outcome {
            status: 502,
            error: Some(ErrorClass::BadResponse),
            head: Some(Duration::from_micros(1_500)),
            total: Duration::from_micros(2_001),
            bytes_in: 3,
            bytes_out: 4,
        };
        let expected = concat!(
            r#"{"time":"2023-11-14T22:13:20.005Z","request_id":"abc","client":"2001:db8::1","method":"POST","#,
            r#""host":"shop.example","path":"/cart","query":"a=%22b","protocol":"HTTP/2","status":502,"bytes_in":3,"bytes_out":4,"#,
            r#""duration_ms":2.001,"head_ms":1.5,"rule":"shop/web /cart","version":"canary","by":"split","endpoint":"10.0.0.1:80","#,
            r#""retries":1,"error":"bad_response","grpc_status":"0","user_agent":"a \"b\" \\ "#,
            "\u{fffd}",
            r#"\tc","tls":"TLSv1.3"}"#,
            "\n"
        );
        assert_eq!(write(&entry, &outcome), expected);
    }

    #[test]
    fn what_is_not_there_is_null() {
        let entry = Entry {
            time: SystemTime::UNIX_EPOCH - Duration::from_secs(1),
            ..Entry::default()
        };
        let line: serde_json::Value =
            serde_json::from_str(&write(&entry, &Outcome::default())).unwrap();
        assert_eq!(line["time"], "1970-01-01T00:00:00.000Z");
        for field in [
            "request_id",
            "path",
            "query",
            "status",
            "head_ms",
            "rule",
            "version",
            "endpoint",
            "error",
            "grpc_status",
            "user_agent",
            "tls",
        ] {
            assert_eq!(line.get(field), Some(&serde_json::Value::Null), "{field}");
        }
    }

    #[test]
    fn long_fields_are_cut() {
        let long = "é".repeat(FIELD_BYTES_MAX);
        let entry = Entry {
            host: format!("a{long}"),
            target: Some(
                PathAndQuery::try_from(format!("/{}?{}", "p".repeat(9_000), "q".repeat(9_000)))
                    .unwrap(),
            ),
            user_agent: Some(HeaderValue::from_str(&long).unwrap()),
            request_id: Some(HeaderValue::from_str(&long).unwrap()),
            ..Entry::default()
        };
        let line: serde_json::Value =
            serde_json::from_str(&write(&entry, &Outcome::default())).unwrap();
        let bytes = |field: &str| line[field].as_str().unwrap().len();
        let fields = ["host", "path", "query", "user_agent", "request_id"].map(bytes);
        assert_eq!(
            fields,
            [
                FIELD_BYTES_MAX - 1,
                FIELD_BYTES_MAX,
                FIELD_BYTES_MAX,
                FIELD_BYTES_MAX,
                FIELD_BYTES_MAX
            ]
        );
    }
}

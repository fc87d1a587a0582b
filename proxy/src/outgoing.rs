//! The request as its upstream sees it: target, headers, limits. Made once; every attempt sends the same.

use crate::answer::Call;
use crate::body::Progress;
use crate::forwarded::Told;
use crate::metrics::ErrorClass;
use crate::upstream::h1::{FieldLines, MoreFields};
use haldane_routing::{Filters, Forward, Timeouts};
use http::header::{HOST, TE};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use std::borrow::Cow;
use std::rc::Rc;
use tokio::time::Instant;

/// How long the client of a gRPC call waits (gRPC over HTTP2, "Timeout").
const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// A request as it leaves, for any attempt.
pub(crate) struct Outgoing<'c> {
    pub(crate) method: Cow<'c, Method>,
    pub(crate) target: Cow<'c, str>,
    pub(crate) headers: Cow<'c, HeaderMap>,
    /// `None` where `headers` has it.
    pub(crate) told: Option<Cow<'c, Told>>,
    pub(crate) length: Option<u64>,
    pub(crate) upgrade: Option<HeaderValue>,
    /// The request's host, for TLS towards the upstream and HTTP/2's `:authority`.
    pub(crate) host: Cow<'c, str>,
    pub(crate) timeouts: Timeouts,
    pub(crate) whole_by: Option<Instant>,
    /// Whether `whole_by` is what the client asked for: missing it then says nothing about the upstream.
    pub(crate) deadline_is_clients: bool,
    pub(crate) progress: Option<Rc<Progress>>,
}

impl Outgoing<'_> {
    /// What went wrong on the client's side while its body was being sent.
    pub(crate) fn body_fault(&self) -> Option<ErrorClass> {
        let progress = self.progress.as_ref()?;
        let too_large = progress.is_too_large().then_some(ErrorClass::BodyTooLarge);
        too_large.or_else(|| progress.has_failed().then_some(ErrorClass::ClientGone))
    }

    /// The same request for a copy of it.
    pub(crate) fn duplicate(&self) -> Outgoing<'static> {
        Outgoing {
            method: Cow::Owned(Method::clone(&self.method)),
            target: Cow::Owned(self.target.clone().into_owned()),
            headers: Cow::Owned(HeaderMap::clone(&self.headers)),
            told: self.told.as_deref().cloned().map(Cow::Owned),
            length: self.length,
            upgrade: None,
            host: Cow::Owned(self.host.clone().into_owned()),
            timeouts: self.timeouts,
            whole_by: self.whole_by,
            deadline_is_clients: self.deadline_is_clients,
            progress: None,
        }
    }
}

impl MoreFields for Told {
    fn write(&self, lines: &mut FieldLines<'_>) {
        for (name, value) in self.fields() {
            lines.field(name, value);
        }
    }
}

/// Applies what the rule changes in the request's headers.
pub(crate) fn edit(call: &mut Call, filters: &Filters) {
    let headers = &mut call.parts.headers;
    if call.admitted.te_trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
    filters.request_headers().apply(headers);
    if let Some(host) = filters.upstream_host() {
        headers.insert(HOST, host.clone());
    }
}

/// The request of a call whose headers were edited; `rewritten` is its path where the rule changes that.
pub(crate) fn prepare<'c>(
    call: &'c Call,
    forward: &Forward,
    rewritten: Option<String>,
    progress: Option<Rc<Progress>>,
) -> Outgoing<'c> {
    let headers = &call.parts.headers;
    let timeouts = *forward.timeouts();
    let begun = Instant::from_std(call.begun);
    let asked = if call.admitted.grpc {
        grpc_timeout(headers)
    } else {
        None
    };
    Outgoing {
        method: Cow::Borrowed(&call.parts.method),
        target: target(&call.parts.uri, rewritten),
        told: call.told_apart().map(Cow::Borrowed),
        length: call.admitted.framing.length(),
        upgrade: call.admitted.upgrade.clone(),
        host: Cow::Borrowed(call.admitted.host.as_str()),
        whole_by: [timeouts.whole, asked]
            .into_iter()
            .flatten()
            .min()
            .map(|whole| begun + whole),
        deadline_is_clients: asked
            .is_some_and(|asked| timeouts.whole.is_none_or(|whole| asked < whole)),
        timeouts,
        progress,
        headers: Cow::Borrowed(headers),
    }
}

fn target(uri: &Uri, rewritten: Option<String>) -> Cow<'_, str> {
    match (rewritten, uri.query()) {
        (None, _) => Cow::Borrowed(uri.path_and_query().map_or("/", PathAndQuery::as_str)),
        (Some(path), Some(query)) => Cow::Owned(format!("{path}?{query}")),
        (Some(path), None) => Cow::Owned(path),
    }
}

/// At most eight digits and a unit.
fn grpc_timeout(headers: &HeaderMap) -> Option<std::time::Duration> {
    use std::time::Duration;
    let text = headers.get(GRPC_TIMEOUT)?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(count * 3_600),
        "M" => Duration::from_secs(count * 60),
        "S" => Duration::from_secs(count),
        "m" => Duration::from_millis(count),
        "u" => Duration::from_micros(count),
        "n" => Duration::from_nanos(count),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[track_caller]
    fn check(written: &'static str, expected: Option<Duration>) {
        let mut headers = HeaderMap::new();
        headers.insert(GRPC_TIMEOUT, HeaderValue::from_static(written));
        assert_eq!(grpc_timeout(&headers), expected, "{written:?}");
    }

    #[test]
    fn grpc_timeouts() {
        check("2S", Some(Duration::from_secs(2)));
        check("100m", Some(Duration::from_millis(100)));
        check("99999999H", Some(Duration::from_secs(99_999_999 * 3_600)));
        for bad in ["", "S", "2", "2s ", "-1S", "999999999S", "1x", "+1S"] {
            check(bad, None);
        }
    }
}

//! The request as its upstream sees it: target, headers, limits. Made once; every attempt sends the same.

use crate::answer::Call;
use crate::body::Progress;
use crate::deadline::Deadline;
use crate::forwarded::Told;
use crate::metrics::ErrorClass;
use haldane_routing::{Filters, Forward, Timeouts};
use http::header::{HOST, TE};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Uri};
use std::borrow::Cow;
use std::rc::Rc;

/// A request as it leaves, for any attempt.
pub(crate) struct Outgoing<'c> {
    pub(crate) method: Cow<'c, Method>,
    pub(crate) target: Cow<'c, str>,
    /// The target once more, where it is the one that was asked for.
    pub(crate) asked: Option<&'c PathAndQuery>,
    pub(crate) headers: Cow<'c, HeaderMap>,
    /// `None` where `headers` has it.
    pub(crate) told: Option<&'c Told>,
    /// The body's length in bytes, as the client announced it or as it was read whole.
    pub(crate) length: Option<u64>,
    pub(crate) upgrade: Option<&'c HeaderValue>,
    /// The request's host, for TLS towards the upstream and HTTP/2's `:authority`.
    pub(crate) host: Cow<'c, str>,
    pub(crate) timeouts: Timeouts,
    pub(crate) deadline: Option<Deadline>,
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
        let mut headers = HeaderMap::clone(&self.headers);
        if let Some(told) = self.told {
            told.insert_into(&mut headers);
        }
        Outgoing {
            method: Cow::Owned(Method::clone(&self.method)),
            target: Cow::Owned(self.target.clone().into_owned()),
            asked: None,
            headers: Cow::Owned(headers),
            told: None,
            length: self.length,
            upgrade: None,
            host: Cow::Owned(self.host.clone().into_owned()),
            timeouts: self.timeouts,
            deadline: self.deadline,
            progress: None,
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
    (forward, deadline): (&Forward, Option<Deadline>),
    rewritten: Option<String>,
    (length, progress): (Option<u64>, Option<Rc<Progress>>),
) -> Outgoing<'c> {
    let headers = &call.parts.headers;
    let asked = call.parts.uri.path_and_query();
    Outgoing {
        asked: asked.filter(|_| rewritten.is_none()),
        method: Cow::Borrowed(&call.parts.method),
        target: target(&call.parts.uri, rewritten),
        told: call.told_apart(),
        length,
        upgrade: call.admitted.upgrade.as_ref(),
        host: Cow::Borrowed(call.admitted.host.as_str()),
        deadline,
        timeouts: *forward.timeouts(),
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

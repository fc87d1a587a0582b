//! What upstreams are told, written behind a request's own fields or put among them.

use super::names::{
    X_FORWARDED_FOR, X_FORWARDED_HOST, X_FORWARDED_PORT, X_FORWARDED_PROTO, X_REAL_IP, X_REQUEST_ID,
};
use super::request_id::RequestId;
use super::{Origin, Peer};
use crate::upstream::h1::{FieldLines, MoreFields, ReadyLines};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use std::rc::Rc;

static HTTP: HeaderValue = HeaderValue::from_static("http");
static HTTPS: HeaderValue = HeaderValue::from_static("https");

fn scheme(https: bool) -> &'static HeaderValue {
    if https { &HTTPS } else { &HTTP }
}

/// The lines of requests that come from their peer itself, as nearly all do: the same for each request of a connection,
/// but for the host between them and the identifier behind.
#[derive(Clone, Debug)]
pub(super) struct PeerLines {
    before_host: ReadyLines,
    behind_host: ReadyLines,
}

impl PeerLines {
    pub(super) fn new(ip: &HeaderValue, https: bool, port: &HeaderValue) -> Self {
        Self {
            before_host: ReadyLines::of([(&X_FORWARDED_FOR, ip)]),
            behind_host: ReadyLines::of([
                (&X_FORWARDED_PROTO, scheme(https)),
                (&X_FORWARDED_PORT, port),
                (&X_REAL_IP, ip),
            ]),
        }
    }
}

/// What the upstream is told about a request's way: `X-Forwarded-For`, `-Host`, `-Proto`, `-Port`, `X-Real-IP`,
/// `X-Request-Id`, and `Forwarded` where the policy or a trusted peer uses it.
///
/// It stays beside the request's own fields and is written behind them: putting six fields into a map only to read them
/// out again was a tenth of all that a small request cost. Who must see or change them asks [`Told::insert_into`] first.
#[derive(Debug)]
pub struct Told {
    pub(super) origin: Origin,
    /// The host the client asked for, with its port where it wrote one.
    pub(super) host: HeaderValue,
    pub(super) peer: Rc<Peer>,
    /// On the heap, so that most requests carry no room for it.
    pub(super) seldom: Option<Box<Seldom>>,
    pub(super) request_id: RequestId,
}

/// What is told of requests that others passed on, or that are told of in RFC 7239's words.
#[derive(Debug, Default)]
pub(super) struct Seldom {
    /// `None` where the peer alone is the chain.
    pub(super) chain: Option<HeaderValue>,
    /// `None` where the client is the peer.
    pub(super) client: Option<HeaderValue>,
    /// `None` where it is the one that the peer connected to.
    pub(super) port: Option<HeaderValue>,
    pub(super) forwarded: Option<HeaderValue>,
}

impl Seldom {
    /// `None` where there is nothing of it.
    pub(super) fn kept(self) -> Option<Box<Self>> {
        let Self {
            chain,
            client,
            port,
            forwarded,
        } = &self;
        let parts = [chain, client, port, forwarded];
        parts
            .iter()
            .any(|part| part.is_some())
            .then(|| Box::new(self))
    }
}

impl Told {
    /// Where the request comes from.
    #[must_use]
    pub const fn origin(&self) -> Origin {
        self.origin
    }

    /// The request's name in the logs of everybody it passes.
    #[must_use]
    pub fn request_id(&self) -> HeaderValue {
        self.request_id.value()
    }

    /// Puts the fields among the request's own, each once.
    pub fn insert_into(&self, headers: &mut HeaderMap) {
        for (name, value) in self.way() {
            headers.insert(name, value.clone());
        }
        headers.insert(&X_REQUEST_ID, self.request_id());
        if let Some(forwarded) = self.forwarded() {
            headers.insert(header::FORWARDED, forwarded.clone());
        }
    }

    fn forwarded(&self) -> Option<&HeaderValue> {
        self.seldom.as_ref()?.forwarded.as_ref()
    }

    /// Whether the peer is the client, so that its ready lines say it.
    fn is_of_peer(&self) -> bool {
        let as_seen = |seldom: &Seldom| {
            seldom.chain.is_none() && seldom.client.is_none() && seldom.port.is_none()
        };
        self.seldom.as_deref().is_none_or(as_seen) && self.origin.https == self.peer.https
    }

    /// What is said of the way, in the order in which it is written.
    fn way(&self) -> [(&HeaderName, &HeaderValue); 5] {
        let peer = &*self.peer;
        let told = |of: fn(&Seldom) -> &Option<HeaderValue>| of(self.seldom.as_ref()?).as_ref();
        let chain = told(|seldom| &seldom.chain).unwrap_or(&peer.ip_field);
        let port = told(|seldom| &seldom.port).unwrap_or(&peer.port_field);
        let client = told(|seldom| &seldom.client).unwrap_or(&peer.ip_field);
        [
            (&X_FORWARDED_FOR, chain),
            (&X_FORWARDED_HOST, &self.host),
            (&X_FORWARDED_PROTO, scheme(self.origin.https)),
            (&X_FORWARDED_PORT, port),
            (&X_REAL_IP, client),
        ]
    }

    fn write_way(&self, lines: &mut FieldLines<'_>) {
        if self.is_of_peer() {
            lines.ready(&self.peer.lines.before_host);
            lines.field(&X_FORWARDED_HOST, &self.host);
            lines.ready(&self.peer.lines.behind_host);
            return;
        }
        for (name, value) in self.way() {
            lines.field(name, value);
        }
    }
}

impl MoreFields for Told {
    fn write(&self, lines: &mut FieldLines<'_>) {
        self.write_way(lines);
        match &self.request_id {
            RequestId::Given(id) => lines.field(&X_REQUEST_ID, id),
            RequestId::Fresh(digits) => lines.digits(&X_REQUEST_ID, digits),
        }
        if let Some(forwarded) = self.forwarded() {
            lines.field(&header::FORWARDED, forwarded);
        }
    }
}

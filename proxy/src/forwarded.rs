//! Who a request really comes from, and what its upstream is told about that.
//!
//! A peer inside the trusted networks is believed: the client is the nearest hop to the left of
//! `X-Forwarded-For` (or of RFC 7239's `Forwarded`) that is not itself trusted. Everybody else is the
//! client, and whatever such a client says about its origin is replaced or removed. `traceparent`
//! and `tracestate` are nobody's word about an origin and pass untouched.
//!
//! This module never opens a connection and never routes: names with `_` must be gone before
//! ([`crate::head::admit`]), and a PROXY protocol header must have been read into the peer's address.

mod chain;
mod names;
mod request_id;
mod rfc7239;
mod told;

pub(crate) use self::request_id::never_again;
pub use self::told::Told;

use self::chain::Hop;
use self::names::{X_FORWARDED_FOR, X_FORWARDED_HOST, X_FORWARDED_PORT, X_FORWARDED_PROTO};
use self::request_id::RequestId;
use self::told::Seldom;
use crate::head::Host;
use http::{HeaderMap, HeaderName, HeaderValue};
use ipnet::IpNet;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

/// Whom to believe, and in which words to pass it on. One for the whole process.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// Networks of the load balancers and proxies in front of us.
    pub trusted: Vec<IpNet>,
    /// Whether upstreams get RFC 7239's `Forwarded`, also where no trusted peer sent one.
    pub writes_forwarded: bool,
}

impl Policy {
    /// Whether an address is one of a proxy that tells the truth. An IPv4 address mapped into IPv6 is the IPv4 address.
    #[must_use]
    pub fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.trusted
            .iter()
            .any(|network| network.contains(&address))
    }
}

/// The other end of a connection: made once, so that a request only writes ready field values.
#[derive(Clone, Debug)]
pub struct Peer {
    ip: IpAddr,
    trusted: bool,
    https: bool,
    port: u16,
    ip_field: HeaderValue,
    port_field: HeaderValue,
    lines: told::PeerLines,
}

impl Peer {
    /// `address` is the socket's, or the source that a PROXY protocol header named; `https` and `port` are the listener's.
    #[must_use]
    pub fn new(address: SocketAddr, https: bool, port: u16, policy: &Policy) -> Self {
        let ip = address.ip().to_canonical();
        let (ip_field, port_field) = (ip_field(ip), HeaderValue::from(port));
        Self {
            ip,
            trusted: policy.trusts(ip),
            https,
            port,
            lines: told::PeerLines::new(&ip_field, https, &port_field),
            ip_field,
            port_field,
        }
    }

    /// The address, in IPv4 where it is an IPv4 address.
    #[must_use]
    pub const fn ip(&self) -> IpAddr {
        self.ip
    }

    /// Whether what it says about the origin of requests is believed.
    #[must_use]
    pub const fn trusted(&self) -> bool {
        self.trusted
    }

    /// Where its requests come from, as seen.
    const fn origin(&self) -> Origin {
        Origin {
            client: self.ip,
            https: self.https,
            port: self.port,
        }
    }
}

/// What is known about the start of a request's way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The client's address.
    pub client: IpAddr,
    /// Whether the client used TLS.
    pub https: bool,
    /// The port the client connected to.
    pub port: u16,
}

/// Finds a request's origin and takes from the request's fields what it or others said about it.
pub fn settle(headers: &mut HeaderMap, host: &Host, peer: &Rc<Peer>, policy: &Policy) -> Told {
    let (origin, told_host) = if peer.trusted {
        told(headers, peer, policy)
    } else {
        (peer.origin(), None)
    };
    // Before anything is removed: the chain is extended, not begun again.
    let chain = if peer.trusted {
        chain::extended(headers, origin.client, peer)
    } else {
        None
    };
    let seldom = Seldom {
        chain,
        client: (origin.client != peer.ip).then(|| ip_field(origin.client)),
        port: (origin.port != peer.port).then(|| HeaderValue::from(origin.port)),
        forwarded: rfc7239::extended(headers, host, peer, policy),
    };
    let told = Told {
        host: told_host.unwrap_or_else(|| host.field().clone()),
        seldom: seldom.kept(),
        request_id: RequestId::of(headers, peer.trusted),
        peer: peer.clone(),
        origin,
    };
    names::remove(headers, peer.trusted);
    told
}

/// Whether a field is one of those in [`Told`].
#[must_use]
pub fn is_told(name: &HeaderName) -> bool {
    names::is_told(name)
}

/// The peer says who the client is, and which host was asked for; what it does not say is as seen.
fn told(headers: &HeaderMap, peer: &Peer, policy: &Policy) -> (Origin, Option<HeaderValue>) {
    let hop = if headers.contains_key(&X_FORWARDED_FOR) {
        Hop::from(chain::client(headers, peer.ip, policy))
    } else {
        rfc7239::client(headers, peer.ip, policy)
    };
    let https = only(headers, &X_FORWARDED_PROTO)
        .and_then(scheme)
        .or(hop.https);
    let port = only(headers, &X_FORWARDED_PORT).and_then(port);
    let named = only(headers, &X_FORWARDED_HOST)
        .filter(|host| is_host(host))
        .cloned();
    let origin = Origin {
        client: hop.ip,
        https: https.unwrap_or(peer.https),
        port: port.unwrap_or(match https {
            // Our own port says nothing about the scheme that the client used.
            Some(true) => 443,
            Some(false) => 80,
            None => peer.port,
        }),
    };
    (origin, named.or(hop.host))
}

/// A field's value where it has one line: of two nobody knows which is meant.
fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h HeaderValue> {
    let mut lines = headers.get_all(name).iter();
    lines.next().filter(|_| lines.next().is_none())
}

fn scheme(value: &HeaderValue) -> Option<bool> {
    let scheme = value.as_bytes();
    if scheme.eq_ignore_ascii_case(b"https") {
        Some(true)
    } else {
        scheme.eq_ignore_ascii_case(b"http").then_some(false)
    }
}

fn port(value: &HeaderValue) -> Option<u16> {
    value.to_str().ok()?.parse().ok().filter(|port| *port != 0)
}

fn is_host(value: &HeaderValue) -> bool {
    Host::is_written(value)
}

fn ip_field(ip: IpAddr) -> HeaderValue {
    HeaderValue::try_from(ip.to_string()).expect("an address is written in visible ASCII")
}

#[cfg(test)]
mod tests;

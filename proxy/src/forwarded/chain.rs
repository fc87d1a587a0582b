//! `X-Forwarded-For`: the hops a request has taken, the nearest one last.

use super::names::X_FORWARDED_FOR;
use super::{Peer, Policy};
use http::{HeaderMap, HeaderValue};
use std::net::{IpAddr, SocketAddr};

/// How many hops back a client is looked for. Longer chains are loops or attacks.
pub(super) const HOPS_MAX: usize = 32;

/// A hop, and what whoever it talked to said about the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hop {
    pub(super) ip: IpAddr,
    pub(super) https: Option<bool>,
    pub(super) host: Option<HeaderValue>,
}

impl From<IpAddr> for Hop {
    fn from(ip: IpAddr) -> Self {
        Self {
            ip,
            https: None,
            host: None,
        }
    }
}

/// The nearest hop that is not trusted; the farthest one where all are. What is no address ends
/// the walk: nothing behind it can be vouched for.
pub(super) fn client(headers: &HeaderMap, peer: IpAddr, policy: &Policy) -> IpAddr {
    let mut client = peer;
    let lines = headers.get_all(&X_FORWARDED_FOR).iter().rev();
    let hops = lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
    for hop in hops.take(HOPS_MAX) {
        let Some(address) = std::str::from_utf8(hop).ok().and_then(node) else {
            return client;
        };
        client = address;
        if !policy.trusts(client) {
            return client;
        }
    }
    client
}

/// What the trusted peer sent with the peer's own address behind it, or `None` where the peer alone
/// is the chain. A client known from `Forwarded` only begins the chain here.
pub(super) fn extended(headers: &HeaderMap, client: IpAddr, peer: &Peer) -> Option<HeaderValue> {
    let lines = headers.get_all(&X_FORWARDED_FOR).iter();
    let mut chain: Vec<&[u8]> = lines
        .map(HeaderValue::as_bytes)
        .filter(|line| !line.is_empty())
        .collect();
    let client_text = client.to_string();
    if chain.is_empty() && client == peer.ip {
        return None;
    }
    if chain.is_empty() {
        chain.push(client_text.as_bytes());
    }
    chain.push(peer.ip_field.as_bytes());
    HeaderValue::from_bytes(&chain.join(&b", "[..])).ok()
}

/// An address as proxies write it: bare, or with a port, IPv6 with or without brackets.
pub(super) fn node(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(text);
    let ip = bare
        .parse()
        .or_else(|_| text.parse::<SocketAddr>().map(|socket| socket.ip()));
    ip.ok().map(|ip| ip.to_canonical())
}

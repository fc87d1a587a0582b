//! The `Forwarded` field of RFC 7239: elements parted by commas, each `for=..;host=..;proto=..`.

use super::chain::{HOPS_MAX, Hop, node};
use super::{Peer, Policy, is_host};
use crate::head::Host;
use http::{HeaderMap, HeaderValue, header};
use std::net::IpAddr;

/// The nearest hop that is not trusted, and what was said about its connection.
pub(super) fn client(headers: &HeaderMap, peer: IpAddr, policy: &Policy) -> Hop {
    let mut client = Hop::from(peer);
    let lines = headers.get_all(header::FORWARDED).iter().rev();
    let elements = lines.flat_map(|line| {
        let text = line.to_str().ok().filter(|_| closes_its_quotes(line));
        let text = text.unwrap_or("");
        split(text, b',').collect::<Vec<_>>().into_iter().rev()
    });
    for element in elements.take(HOPS_MAX) {
        let Some(hop) = hop(element) else {
            return client;
        };
        client = hop;
        if !policy.trusts(client.ip) {
            return client;
        }
    }
    client
}

/// The field to send on, where one is sent on: what a trusted peer sent, and our own element.
pub(super) fn extended(
    headers: &HeaderMap,
    host: &Host,
    peer: &Peer,
    policy: &Policy,
) -> Option<HeaderValue> {
    let came = peer.trusted && headers.contains_key(header::FORWARDED);
    if !came && !policy.writes_forwarded {
        return None;
    }
    let own = element(host, peer);
    let lines = headers.get_all(header::FORWARDED).iter().filter(|_| came);
    let mut elements: Vec<&[u8]> = lines
        .filter(|line| !line.is_empty() && closes_its_quotes(line))
        .map(HeaderValue::as_bytes)
        .collect();
    elements.push(own.as_bytes());
    HeaderValue::from_bytes(&elements.join(&b", "[..])).ok()
}

/// Section 4: hosts with ports and IPv6 addresses hold colons and so are quoted.
fn element(host: &Host, peer: &Peer) -> String {
    let host = String::from_utf8_lossy(host.field().as_bytes());
    let proto = if peer.https { "https" } else { "http" };
    match peer.ip {
        IpAddr::V4(ip) => format!("for={ip};host=\"{host}\";proto={proto}"),
        IpAddr::V6(ip) => format!("for=\"[{ip}]\";host=\"{host}\";proto={proto}"),
    }
}

fn hop(element: &str) -> Option<Hop> {
    let mut ip = None;
    let mut https = None;
    let mut host = None;
    for (name, value) in split(element, b';').filter_map(|pair| pair.trim().split_once('=')) {
        let value = value.trim_matches('"');
        match name.to_ascii_lowercase().as_str() {
            "for" => ip = node(value),
            "proto" if value.eq_ignore_ascii_case("https") => https = Some(true),
            "proto" if value.eq_ignore_ascii_case("http") => https = Some(false),
            "host" => host = HeaderValue::from_str(value).ok().filter(is_host),
            _ => {}
        }
    }
    ip.map(|ip| Hop { ip, https, host })
}

/// Whether what is appended to a line would be elements of their own. In an open quote it is part of the last one: whoever
/// sends `for=10.0.0.5;x="` names a hop that swallows those behind it.
fn closes_its_quotes(line: &HeaderValue) -> bool {
    let mut bytes = line.as_bytes().iter();
    let mut quoted = false;
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => quoted = !quoted,
            b'\\' if quoted => drop(bytes.next()),
            _ => {}
        }
    }
    !quoted
}

/// The parts of `text` between separators that stand outside quotes.
fn split(text: &str, separator: u8) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    let mut escaped = false;
    text.split(move |character: char| {
        let parts = !quoted && character == char::from(separator);
        quoted ^= character == '"' && !escaped;
        escaped = quoted && character == '\\' && !escaped;
        parts
    })
}

//! A case is who connects, what it says, and what is believed or written.

use super::*;
use crate::head;
use http::Request;

const TRUSTED: [&str; 2] = ["10.0.0.0/8", "fd00::/8"];

fn policy(writes_forwarded: bool) -> Policy {
    Policy {
        trusted: TRUSTED
            .iter()
            .map(|network| network.parse().unwrap())
            .collect(),
        writes_forwarded,
    }
}

/// Settles a request from `peer` to a clear listener on port 8080, with `Host: a` and these fields, parted by `|`.
fn settled(peer: &str, lines: &str, policy: &Policy) -> (Told, HeaderMap) {
    let mut request = Request::builder().header("host", "a");
    for (name, value) in lines.split('|').filter_map(|line| line.split_once(": ")) {
        request = request.header(name, value);
    }
    let mut parts = request.body(()).unwrap().into_parts().0;
    let admitted = head::admit(&mut parts, true).unwrap();
    let peer = Rc::new(Peer::new(
        SocketAddr::new(peer.parse().unwrap(), 5),
        false,
        8080,
        policy,
    ));
    let told = settle(&mut parts.headers, &admitted.host, &peer, policy);
    assert!(!parts.headers.keys().any(is_told), "{:?}", parts.headers);
    told.insert_into(&mut parts.headers);
    (told, parts.headers)
}

fn lines_of(headers: &HeaderMap, name: &str) -> String {
    let lines: Vec<&str> = headers
        .get_all(name)
        .iter()
        .map(|line| line.to_str().unwrap())
        .collect();
    lines.join("|")
}

#[track_caller]
fn check_client(peer: &str, lines: &str, client: &str) {
    let (told, headers) = settled(peer, lines, &policy(false));
    assert_eq!(
        told.origin().client,
        client.parse::<IpAddr>().unwrap(),
        "{peer} says {lines}"
    );
    assert_eq!(
        lines_of(&headers, "x-real-ip"),
        client,
        "{peer} says {lines}"
    );
}

#[track_caller]
fn check_field(peer: &str, lines: &str, name: &str, value: &str) {
    let (_, headers) = settled(peer, lines, &policy(false));
    assert_eq!(lines_of(&headers, name), value, "{peer} says {lines}");
}

#[test]
fn the_client_is_the_nearest_hop_that_is_not_trusted() {
    check_client("1.2.3.4", "", "1.2.3.4");
    check_client("1.2.3.4", "X-Forwarded-For: 9.9.9.9", "1.2.3.4");
    check_client("::ffff:1.2.3.4", "", "1.2.3.4");
    check_client("10.0.0.1", "", "10.0.0.1");
    check_client("10.0.0.1", "X-Forwarded-For: 9.9.9.9", "9.9.9.9");
    check_client("::ffff:10.0.0.1", "X-Forwarded-For: 9.9.9.9", "9.9.9.9");
    check_client("fd00::1", "X-Forwarded-For: 2001:db8::7", "2001:db8::7");
    check_client("10.0.0.1", "X-Forwarded-For: 6.6.6.6, 9.9.9.9", "9.9.9.9");
    check_client(
        "10.0.0.1",
        "X-Forwarded-For: 6.6.6.6, 9.9.9.9,10.0.0.2",
        "9.9.9.9",
    );
    check_client(
        "10.0.0.1",
        "X-Forwarded-For: 6.6.6.6|X-Forwarded-For: 9.9.9.9|X-Forwarded-For: 10.0.0.2",
        "9.9.9.9",
    );
    check_client(
        "10.0.0.1",
        "X-Forwarded-For: 10.0.0.3, 10.0.0.2",
        "10.0.0.3",
    );
    check_client("10.0.0.1", "X-Forwarded-For: 9.9.9.9:1234", "9.9.9.9");
    check_client(
        "10.0.0.1",
        "X-Forwarded-For: [2001:db8::7]:1234",
        "2001:db8::7",
    );
    check_client("10.0.0.1", "X-Forwarded-For: [2001:db8::7]", "2001:db8::7");
    check_client("10.0.0.1", "X-Forwarded-For: 9.9.9.9, unknown", "10.0.0.1");
    check_client(
        "10.0.0.1",
        "X-Forwarded-For: 9.9.9.9, unknown, 10.0.0.2",
        "10.0.0.2",
    );
    check_client("10.0.0.1", "X-Forwarded-For: ", "10.0.0.1");
    let endless = format!(
        "X-Forwarded-For: 9.9.9.9{}",
        ", 10.0.0.2".repeat(chain::HOPS_MAX)
    );
    check_client("10.0.0.1", &endless, "10.0.0.2");
}

#[test]
fn a_mapped_address_is_trusted_as_the_address_it_maps() {
    let trusts = |address: &str| policy(false).trusts(address.parse().unwrap());
    assert!(trusts("10.1.2.3") && trusts("::ffff:10.1.2.3") && trusts("fd00::1"));
    assert!(!trusts("11.1.2.3") && !trusts("::ffff:11.1.2.3") && !trusts("::1"));
}

#[test]
fn forwarded_is_read_where_there_is_nothing_else() {
    check_client("10.0.0.1", "Forwarded: for=9.9.9.9", "9.9.9.9");
    check_client(
        "10.0.0.1",
        "Forwarded: For=\"[2001:db8::7]:1234\"; proto=https",
        "2001:db8::7",
    );
    check_client(
        "10.0.0.1",
        "Forwarded: for=6.6.6.6, for=9.9.9.9;host=\"a,for=5.5.5.5\",for=10.0.0.2",
        "9.9.9.9",
    );
    check_client(
        "10.0.0.1",
        "Forwarded: for=6.6.6.6|Forwarded: for=9.9.9.9",
        "9.9.9.9",
    );
    check_client("10.0.0.1", "Forwarded: for=_hidden", "10.0.0.1");
    check_client(
        "10.0.0.1",
        "Forwarded: for=6.6.6.6|X-Forwarded-For: 9.9.9.9",
        "9.9.9.9",
    );
    check_client("1.2.3.4", "Forwarded: for=9.9.9.9", "1.2.3.4");
}

#[track_caller]
fn check_origin(peer: &str, lines: &str, expected: &str) {
    let (settled, headers) = settled(peer, lines, &policy(false));
    let told = |name| lines_of(&headers, name);
    let written = format!(
        "{} {} {}",
        told("x-forwarded-proto"),
        told("x-forwarded-host"),
        told("x-forwarded-port")
    );
    assert_eq!(written, expected, "{peer} says {lines}");
    let origin = settled.origin();
    let scheme = if origin.https { "https" } else { "http" };
    let found = format!("{scheme} {} {}", told("x-forwarded-host"), origin.port);
    assert_eq!(found, expected, "{peer} says {lines}");
}

#[test]
fn scheme_host_and_port_are_a_trusted_peers_or_our_own() {
    check_origin("1.2.3.4", "", "http a 8080");
    check_origin(
        "1.2.3.4",
        "X-Forwarded-Proto: https|X-Forwarded-Host: b|X-Forwarded-Port: 1",
        "http a 8080",
    );
    check_origin(
        "10.0.0.1",
        "X-Forwarded-Proto: https|X-Forwarded-Host: b|X-Forwarded-Port: 1",
        "https b 1",
    );
    check_origin("10.0.0.1", "X-Forwarded-Proto: HTTPS", "https a 443");
    check_origin("10.0.0.1", "X-Forwarded-Proto: http", "http a 80");
    check_origin("10.0.0.1", "X-Forwarded-Proto: ws", "http a 8080");
    check_origin(
        "10.0.0.1",
        "X-Forwarded-Proto: https|X-Forwarded-Proto: http",
        "http a 8080",
    );
    check_origin(
        "10.0.0.1",
        "X-Forwarded-Host: b, c|X-Forwarded-Port: 0",
        "http a 8080",
    );
    check_origin(
        "10.0.0.1",
        "X-Forwarded-Host: b:99|X-Forwarded-Port: 65536",
        "http b:99 8080",
    );
    check_origin(
        "10.0.0.1",
        "Forwarded: for=9.9.9.9;proto=https;host=b, for=10.0.0.2;proto=http;host=c",
        "https b 443",
    );
}

#[test]
fn an_open_quote_hides_nobody() {
    for open in [
        "for=10.0.0.5;x=\"",
        "for=10.0.0.5;x=\"a\\\"",
        "for=\"10.0.0.5",
    ] {
        let appended = format!("Forwarded: {open}, for=203.0.113.9");
        check_client("10.0.0.1", &appended, "10.0.0.1");
        let own = "for=10.0.0.1;host=\"a\";proto=http";
        let (_, headers) = settled("10.0.0.1", &appended, &policy(true));
        assert_eq!(lines_of(&headers, "forwarded"), own, "{open}");
        let line_behind = format!("Forwarded: {open}|Forwarded: for=203.0.113.9");
        check_client("10.0.0.1", &line_behind, "203.0.113.9");
    }
    let closed = "Forwarded: for=9.9.9.9;x=\"\\\", a\", for=10.0.0.2";
    check_client("10.0.0.1", closed, "9.9.9.9");
}

#[test]
fn chains_are_extended_for_trusted_peers_and_begun_anew_for_others() {
    check_field(
        "1.2.3.4",
        "X-Forwarded-For: 9.9.9.9|X-Forwarded-For: 8.8.8.8",
        "x-forwarded-for",
        "1.2.3.4",
    );
    check_field(
        "10.0.0.1",
        "X-Forwarded-For: 9.9.9.9|X-Forwarded-For: 8.8.8.8",
        "x-forwarded-for",
        "9.9.9.9, 8.8.8.8, 10.0.0.1",
    );
    check_field("10.0.0.1", "", "x-forwarded-for", "10.0.0.1");
    check_field("2001:db8::1", "", "x-forwarded-for", "2001:db8::1");
    check_field(
        "1.2.3.4",
        "X-Real-IP: 9.9.9.9|X-Real-IP: 8.8.8.8",
        "x-real-ip",
        "1.2.3.4",
    );
    check_field(
        "10.0.0.1",
        "Forwarded: for=9.9.9.9",
        "forwarded",
        "for=9.9.9.9, for=10.0.0.1;host=\"a\";proto=http",
    );
    check_field(
        "10.0.0.1",
        "Forwarded: for=9.9.9.9",
        "x-forwarded-for",
        "9.9.9.9, 10.0.0.1",
    );
    check_field("10.0.0.1", "", "forwarded", "");
}

#[test]
fn what_an_untrusted_peer_claims_is_removed() {
    for name in [
        "forwarded",
        "x-forwarded-prefix",
        "x-forwarded-server",
        "x-original-url",
        "x-rewrite-url",
        "x_forwarded_for",
    ] {
        check_field("1.2.3.4", &format!("{name}: 9.9.9.9"), name, "");
    }
    check_field(
        "10.0.0.1",
        "X-Forwarded-Prefix: /a",
        "x-forwarded-prefix",
        "/a",
    );
    check_field(
        "1.2.3.4",
        "traceparent: 00-1-2-01|tracestate: a=b",
        "traceparent",
        "00-1-2-01",
    );
    check_field(
        "1.2.3.4",
        "traceparent: 00-1-2-01|tracestate: a=b",
        "tracestate",
        "a=b",
    );
}

#[test]
fn forwarded_is_written_where_it_is_wanted() {
    let check = |peer: &str, expected: &str| {
        let (_, headers) = settled(peer, "Forwarded: for=9.9.9.9", &policy(true));
        assert_eq!(lines_of(&headers, "forwarded"), expected);
    };
    check("1.2.3.4", "for=1.2.3.4;host=\"a\";proto=http");
    check("2001:db8::1", "for=\"[2001:db8::1]\";host=\"a\";proto=http");
    check(
        "10.0.0.1",
        "for=9.9.9.9, for=10.0.0.1;host=\"a\";proto=http",
    );
}

#[test]
fn requests_have_one_sane_name() {
    let id =
        |peer: &str, lines: &str| lines_of(&settled(peer, lines, &policy(false)).1, "x-request-id");
    let long = "a".repeat(128);
    assert_eq!(id("10.0.0.1", "X-Request-Id: abc"), "abc");
    assert_eq!(id("10.0.0.1", &format!("X-Request-Id: {long}")), long);
    let too_long = format!("X-Request-Id: {long}a");
    for (peer, lines) in [
        ("1.2.3.4", "X-Request-Id: abc"),
        ("10.0.0.1", "X-Request-Id: a b"),
        ("10.0.0.1", "X-Request-Id: "),
        ("10.0.0.1", "X-Request-Id: a|X-Request-Id: b"),
        ("10.0.0.1", &too_long),
        ("10.0.0.1", ""),
    ] {
        let first = id(peer, lines);
        assert!(
            first.len() == 32 && first.bytes().all(|byte| byte.is_ascii_hexdigit()),
            "{first} from {lines}"
        );
        assert_ne!(first, id(peer, lines));
    }
}

//! Every case is a head on one line, fields parted by `|`, and what becomes of it.

mod edges;

use super::*;
use http::{HeaderName, Request};
use std::fmt::Write;

/// A head as hyper would hand it over. `~` stands for a byte above ASCII, `^` for a tab.
fn parts(head: &str) -> Parts {
    let mut lines = head.split('|');
    let mut start = lines.next().unwrap().split(' ');
    let (method, target, version) = (
        start.next().unwrap(),
        start.next().unwrap(),
        start.next().unwrap(),
    );
    let mut parts = Request::new(()).into_parts().0;
    parts.method = method.parse().unwrap();
    parts.uri = target.parse().unwrap();
    parts.version = match version {
        "1.0" => Version::HTTP_10,
        "2" => Version::HTTP_2,
        _ => Version::HTTP_11,
    };
    parts.headers = fields(lines);
    parts
}

fn fields<'l>(lines: impl Iterator<Item = &'l str>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in lines.filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(": ").unwrap();
        let value: Vec<u8> = value
            .bytes()
            .map(|byte| if byte == b'~' { 0xff } else { byte })
            .collect();
        let value: Vec<u8> = value
            .into_iter()
            .map(|byte| if byte == b'^' { b'\t' } else { byte })
            .collect();
        headers.append(
            HeaderName::try_from(name).unwrap(),
            HeaderValue::try_from(value).unwrap(),
        );
    }
    headers
}

fn written(headers: &HeaderMap) -> String {
    let mut lines: Vec<String> = headers
        .iter()
        .map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())))
        .collect();
    lines.sort();
    lines.join("|")
}

/// What `admit` makes of a head: `status reason`, or `target framing extras|fields`.
fn outcome(head: &str, ended: bool) -> String {
    let mut parts = parts(head);
    match admit(&mut parts, ended) {
        Err(refusal) => format!("{} {}", refusal.status().as_u16(), refusal.reason()),
        Ok(admitted) => {
            assert!(parts.uri.authority().is_none(), "{head}");
            let target = parts.uri.path_and_query().unwrap();
            let mut text = format!("{} {:?}", target.as_str(), admitted.framing);
            if let Some(protocol) = admitted.upgrade {
                write!(text, " to {}", protocol.to_str().unwrap()).unwrap();
            }
            text.push_str(if admitted.te_trailers {
                " trailers"
            } else {
                ""
            });
            text.push_str(if admitted.grpc { " grpc" } else { "" });
            text.push_str(if admitted.closes { " closes" } else { "" });
            format!("{text}|{}", written(&parts.headers))
        }
    }
}

#[track_caller]
fn check(head: &str, expected: &str) {
    assert_eq!(outcome(head, true), expected, "{head}");
}

#[track_caller]
fn check_path(path: &str, expected: &str) {
    let refused = ["400", "414"]
        .iter()
        .any(|status| expected.starts_with(status));
    let whole = if refused {
        expected.to_owned()
    } else {
        format!("{expected} Absent|host: a")
    };
    check(&format!("GET {path} 1.1|Host: a"), &whole);
}

/// The same on a new connection and after any other request on an old one.
#[track_caller]
fn check_host(lines: &str, expected: &str) {
    check_host_of(&format!("GET / 1.1|{lines}"), expected);
}

#[track_caller]
fn check_host_of(head: &str, expected: &str) {
    assert_eq!(host_of(head, None), expected, "{head}");
    for before in ["a", "b", "a.example", "[::1]"] {
        let first = admit(&mut parts(&format!("GET / 1.1|Host: {before}")), true).unwrap();
        let found = host_of(head, Some(first.host.name()));
        assert_eq!(found, expected, "{head} after {before:?}");
    }
}

fn host_of(head: &str, before: Option<&HostName>) -> String {
    let mut parts = parts(head);
    match admit_after(&mut parts, true, before, &HeadLimits::default()) {
        Err(refusal) => refusal.reason().to_owned(),
        Ok(Admitted { host, port, .. }) => {
            let lines: Vec<_> = parts.headers.get_all("host").iter().collect();
            assert_eq!(lines, [host.field()], "{head}");
            let field = host.field().to_str().unwrap();
            format!("{} {port:?} {field}", host.as_str())
        }
    }
}

#[test]
fn an_authority_is_the_host_of_http2() {
    check_host_of("GET http://a/ 2|", "a None a");
    check_host_of("GET http://A.Example./ 2|", "a.example None a.example");
    check_host_of("GET http://a:8080/ 2|", "a Some(8080) a:8080");
    check_host_of("GET http://[::1]/ 2|", "[::1] None [::1]");
    check_host_of("GET http://a/ 2|Host: a", "a None a");
    check_host_of("GET http://a/ 2|Host: b", "host_mismatch");
    check_host_of("GET http://a/ 1.1|", "host_missing");
}

#[test]
fn framing_is_one_thing_or_refused() {
    check("GET / 1.1|Host: a", "/ Absent|host: a");
    check(
        "POST / 1.1|Host: a|Content-Length: 5",
        "/ Length(5)|host: a",
    );
    check(
        "POST / 1.1|Host: a|Content-Length: 0",
        "/ Length(0)|host: a",
    );
    check(
        "POST / 1.1|Host: a|Content-Length: 5|Content-Length: 5",
        "/ Length(5)|host: a",
    );
    check(
        "POST / 1.1|Host: a|Content-Length: 5|Content-Length: 6",
        "400 content_length",
    );
    for length in [
        "5, 5",
        "+5",
        "0x5",
        "5.0",
        "-5",
        "5 5",
        "5;",
        "~5",
        "99999999999999999999",
    ] {
        check(
            &format!("POST / 1.1|Host: a|Content-Length: {length}"),
            "400 content_length",
        );
    }
    check("POST / 1.1|Host: a|Content-Length: ", "400 content_length");
    check("POST / 1.1|Host: a|Content_Length: 5", "/ Absent|host: a");
    check("POST / 1.0|Host: a", "/ Absent|host: a");
    check(
        "POST / 1.1|Host: a|Content-Encoding: chunked|Content-Length: 5",
        "/ Length(5)|content-encoding: chunked|host: a",
    );
}

#[test]
fn only_one_chunked_is_a_transfer_coding() {
    check(
        "POST / 1.1|Host: a|Transfer-Encoding: chunked",
        "/ Streamed|host: a",
    );
    check(
        "POST / 1.1|Host: a|Transfer-Encoding: cHuNkEd",
        "/ Streamed|host: a",
    );
    for coding in ["chunked, chunked", ",chunked", "chunked,", "", ","] {
        check(
            &format!("POST / 1.1|Host: a|Transfer-Encoding: {coding}"),
            "400 transfer_encoding",
        );
    }
    for coding in [
        "xchunked",
        "identity",
        "gzip, chunked",
        "identity, chunked",
        "chunked;q=1",
        "chunk",
        "~chunked",
    ] {
        check(
            &format!("POST / 1.1|Host: a|Transfer-Encoding: {coding}"),
            "501 unknown_coding",
        );
    }
    check(
        "POST / 1.1|Host: a|Transfer-Encoding: chunked|Transfer-Encoding: chunked",
        "400 transfer_encoding",
    );
    check(
        "POST / 1.1|Host: a|Transfer-Encoding: cow|Transfer-Encoding: chunked",
        "501 unknown_coding",
    );
    check(
        "POST / 1.1|Host: a|Transfer-Encoding: chunked|Content-Length: 6",
        "400 transfer_encoding",
    );
    check(
        "POST / 1.0|Host: a|Transfer-Encoding: chunked",
        "400 transfer_encoding",
    );
    check(
        "POST / 2|Host: a|Transfer-Encoding: chunked",
        "400 transfer_encoding",
    );
}

#[test]
fn http2_needs_no_field_to_have_a_body() {
    assert_eq!(outcome("POST http://a/ 2", false), "/ Streamed|host: a");
    assert_eq!(outcome("POST http://a/ 2", true), "/ Absent|host: a");
    assert_eq!(
        outcome(
            "POST http://a/ 2|Content-Length: 5|Content-Length: 5",
            false
        ),
        "/ Length(5)|host: a"
    );
    assert_eq!(outcome("POST / 1.1|Host: a", false), "/ Absent|host: a");
}

#[test]
fn host_is_said_once_and_reads_one_way() {
    check_host("Host: a", "a None a");
    check_host("Host: A.Example.:80", "a.example Some(80) a.example:80");
    check_host("Host: a:", "a None a");
    check_host("Host: a:0080", "a Some(80) a:80");
    check_host("Host: a_b-c.example", "a_b-c.example None a_b-c.example");
    check_host("Host: 10.0.0.1:8080", "10.0.0.1 Some(8080) 10.0.0.1:8080");
    check_host("Host: [::1]:8080", "[::1] Some(8080) [::1]:8080");
    check_host("Host: [FE80::1]", "[fe80::1] None [fe80::1]");
    check_host("Accept: x", "host_missing");
    check_host("Host: ", "host_missing");
    check_host("Host: a|Host: a", "host_repeated");
    check_host("Host: a|Host: b", "host_repeated");
    for host in [
        "a, b", "a,b", "a b", "a/../x", "u@a", "u:p@a", "a:99999", "a:0", "a:x", "a:+1", "a:80:80",
        "a:-1", ".", "..", "a..", ".a", "a..b", "[::1", "[::1]x", "[]", "[::g]", "::1", "a%2eb",
        "a?b", "a#b", "a\\b", "~", "*", "*.a", "a]", "a'",
    ] {
        check_host(&format!("Host: {host}"), "host_malformed");
    }
    check_host(&format!("Host: {}", "a".repeat(255)), "host_malformed");
    check("GET / 1.0", "400 host_missing");
    check("GET / 1.0|Host: a", "/ Absent|host: a");
}

#[test]
fn target_and_host_agree() {
    check("GET http://a/x?y 1.1|Host: a", "/x?y Absent|host: a");
    check("GET http://A.:80/x 1.1|Host: a", "/x Absent|host: a");
    check("GET http://a 1.1|Host: a", "/ Absent|host: a");
    check("GET http://a?x 1.1|Host: a", "/?x Absent|host: a");
    check("GET https://a:443/ 1.1|Host: a", "/ Absent|host: a");
    check("GET http://a:81/ 1.1|Host: a", "400 host_mismatch");
    check("GET http://b/ 1.1|Host: a", "400 host_mismatch");
    check("GET http://b/ 1.1", "400 host_missing");
    check("GET http://u:p@b/ 1.1|Host: b", "400 host_malformed");
    check("GET ftp://a/ 1.1|Host: a", "400 target_form");
    check("GET https://A.Example/ 2", "/ Absent|host: a.example");
    check(
        "GET https://a:8443/ 2|Host: a:8443",
        "/ Absent|host: a:8443",
    );
    check("GET https://a/ 2|Host: b", "400 host_mismatch");
    check("GET https://a/ 2|Host: a|Host: b", "400 host_repeated");
    check("GET https://u@a/ 2", "400 host_malformed");
    check("GET https://a:99999/ 2", "400 host_malformed");
    check("GET ftp://a/ 2", "400 target_form");
    check("GET / 2|Host: a", "/ Absent|host: a");
    check("GET / 2", "400 host_missing");
}

#[test]
fn targets_and_methods_that_are_not_served() {
    check("GET * 1.1|Host: a", "400 target_form");
    check("OPTIONS * 1.1|Host: a", "* Absent|host: a");
    check("GET admin 1.1|Host: admin", "400 target_form");
    check("GET b:80 1.1|Host: b:80", "400 target_form");
    check("CONNECT b:443 1.1|Host: b:443", "501 method");
    check("CONNECT / 1.1|Host: b", "501 method");
    check("TRACE / 1.1|Host: a", "501 method");
    check("BREW / 1.1|Host: a", "/ Absent|host: a");
}

#[test]
fn the_asterisk_of_http2_stands_behind_an_authority() {
    let asterisk = http::Uri::builder()
        .scheme("https")
        .authority("a")
        .path_and_query("*");
    let mut parts = parts("OPTIONS / 2");
    parts.uri = asterisk.build().unwrap();
    assert_eq!(admit(&mut parts, true).unwrap().host.as_str(), "a");
    assert_eq!(parts.uri, "*");
}

#[test]
fn the_path_that_is_matched_is_the_path_that_is_forwarded() {
    for path in [
        "/",
        "//admin",
        "/a//b",
        "/admin%2f",
        "/admin%2F",
        "/admin;x",
        "/ADMIN",
        "/a%5cb",
        "/%2561dmin",
        "/%E2%82%AC",
        "/%7F",
    ] {
        check_path(path, path);
    }
    for path in [
        "/.well-known/x",
        "/a.b",
        "/...",
        "/a/...",
        "/a.",
        "/a../b",
        "/.a",
        "/..a",
        "/a;..",
        "/a/b.;c",
        "/x?/../y",
        "/x?q=%2e%zz",
    ] {
        check_path(path, path);
    }
    check_path("/%61dmin", "/admin");
    check_path("/%61%64min%2f%7e?%61=%62", "/admin%2f~?%61=%62");
    check_path("/a%2eb", "/a.b");
    for path in [
        "/.",
        "/..",
        "/a/../admin",
        "/a/./b",
        "/a/%2e%2e/admin",
        "/a/%2E./x",
        "/a/.%2e",
        "/a/..;/x",
        "/a/..;x=1/y",
        "/a/..%3b/x",
        "/a/.%3Bx=1/y",
        "/a/%2e%2e%3b",
        "/a/.;",
        "/..%2fx",
        "/a%2f..",
        "/a%5c..%5cb",
        "/a/..%5Cb",
        "/%2e",
        "/a/..?x",
    ] {
        check_path(path, "400 dot_segment");
    }
    for path in ["/a\\b", "/a\"b", "/a{b}", "/a}", "/a\u{e9}"] {
        check_path(path, "400 path_byte");
    }
    check_path("/a?b=\u{e9}", "400 query_byte");
    check_path("/a?b={c^d`}", "/a?b={c^d`}");
    for path in ["/%", "/%4", "/%zz", "/%6", "/a%", "/%00", "/%+1", "/%2"] {
        check_path(path, "400 path_escape");
    }
}

#[test]
fn heads_are_bounded() {
    let path = |bytes: usize| format!("/{}", "a".repeat(bytes - 1));
    check_path(&path(TARGET_BYTES_MAX), &path(TARGET_BYTES_MAX));
    check_path(&path(TARGET_BYTES_MAX + 1), "414 target_too_long");
    let many = |fields: usize, name: &str| {
        (1..fields).fold("GET / 1.1|Host: a".to_owned(), |head, _| {
            format!("{head}|{name}: x")
        })
    };
    assert!(outcome(&many(FIELDS_MAX, "X"), true).starts_with("/ Absent"));
    check(&many(FIELDS_MAX + 1, "X"), "431 too_many_fields");
    assert!(outcome(&many(4 * FIELDS_MAX, "Cookie"), true).starts_with("/ Absent|cookie: x; x; x"));
    let large = |bytes: usize| {
        format!(
            "GET / 1.1|Host: a|X: {}",
            "a".repeat(bytes - "/Host: a\r\nX: \r\n".len())
        )
    };
    assert!(outcome(&large(HEAD_BYTES_MAX), true).starts_with("/ Absent"));
    check(&large(HEAD_BYTES_MAX + 1), "431 head_too_large");
}

#[test]
fn values_have_no_white_space_around_them() {
    check("GET https://a/ 2|X:  b", "400 field_padded");
    check("GET https://a/ 2|X: b^", "400 field_padded");
    check("GET https://a/ 2|X: ^b", "400 field_padded");
    check("GET https://a/ 2|X: b c", "/ Absent|host: a|x: b c");
    check("GET / 1.1|Host: a|X: a~b", "/ Absent|host: a|x: a\u{fffd}b");
}

#[test]
fn cookie_crumbs_are_one_cookie() {
    check(
        "GET https://a/ 2|Cookie: a=1|Accept: x|Cookie: b=2",
        "/ Absent|accept: x|cookie: a=1; b=2|host: a",
    );
    check(
        "GET https://a/ 2|Cookie: |Cookie: a=1|Cookie: ",
        "/ Absent|cookie: a=1|host: a",
    );
    check(
        "GET https://a/ 2|Cookie: |Cookie: ",
        "/ Absent|cookie: |host: a",
    );
    check(
        "GET / 1.1|Host: a|Cookie: a=1",
        "/ Absent|cookie: a=1|host: a",
    );
}

#[test]
fn hop_by_hop_fields_end_here() {
    check(
        "GET / 1.1|Host: a|Connection: keep-alive",
        "/ Absent|host: a",
    );
    check(
        "GET / 1.1|Host: a|Connection: |Connection: X-A|X-A: 1|X-B: 2",
        "/ Absent|host: a|x-b: 2",
    );
    check(
        "GET / 1.1|Host: a|Connection: close, x-a ,,X-B|X-A: 1|X-B: 2|X-C: 3",
        "/ Absent closes|host: a|x-c: 3",
    );
    check("GET / 1.1|Host: a|Connection: ~~", "/ Absent|host: a");
    check(
        "GET / 1.1|Host: a|Connection: Host, X-Forwarded-For, X-Real-IP|X-Forwarded-For: b",
        "/ Absent|host: a|x-forwarded-for: b",
    );
    check(
        "POST / 1.1|Host: a|Connection: Content-Length|Content-Length: 5",
        "/ Length(5)|host: a",
    );
    for line in [
        "Keep-Alive: timeout=5",
        "Proxy-Connection: close",
        "Proxy-Authenticate: x",
        "Proxy-Authorization: x",
        "TE: gzip",
        "Trailer: x",
        "Upgrade: websocket",
        "HTTP2-Settings: x",
        "Proxy: http://evil",
        "X_Forwarded_For: 1.1.1.1",
        "a_b: 1",
    ] {
        check(&format!("GET / 1.1|Host: a|{line}"), "/ Absent|host: a");
    }
    check(
        "GET / 1.1|Host: a|TE: gzip, Trailers|Connection: TE",
        "/ Absent trailers|host: a",
    );
    check(
        "POST https://a/ 2|TE: trailers|Content-Type: application/grpc+proto",
        "/ Absent trailers grpc|content-type: application/grpc+proto|host: a",
    );
    check(
        "POST / 1.1|Host: a|Content-Type: application/grpc",
        "/ Absent grpc|content-type: application/grpc|host: a",
    );
    check(
        "POST / 1.1|Host: a|Content-Type: application/grpc-web",
        "/ Absent|content-type: application/grpc-web|host: a",
    );
}

#[test]
fn upgrades_are_asked_for_properly_or_not_at_all() {
    check(
        "GET / 1.1|Host: a|Connection: Upgrade|Upgrade: websocket",
        "/ Absent to websocket|host: a",
    );
    check(
        "GET / 1.1|Host: a|Connection: keep-alive, Upgrade|Upgrade: websocket",
        "/ Absent to websocket|host: a",
    );
    check(
        "GET / 1.1|Host: a|Connection: Upgrade, HTTP2-Settings|Upgrade: h2c|HTTP2-Settings: AA",
        "/ Absent|host: a",
    );
    check(
        "POST / 1.1|Host: a|Connection: Upgrade|Upgrade: H2C|Content-Length: 5",
        "/ Length(5)|host: a",
    );
    check("GET / 1.1|Host: a|Upgrade: websocket", "/ Absent|host: a");
    check(
        "GET / 1.0|Host: a|Connection: Upgrade|Upgrade: websocket",
        "/ Absent|host: a",
    );
    check(
        "GET / 1.1|Host: a|Connection: Upgrade|Upgrade: websocket, x",
        "/ Absent|host: a",
    );
    check(
        "GET / 1.1|Host: a|Connection: Upgrade|Upgrade: a|Upgrade: b",
        "/ Absent|host: a",
    );
    check(
        "GET / 1.1|Host: a|Connection: Upgrade|Upgrade: websocket|Content-Length: 5",
        "400 upgrade_with_body",
    );
    check(
        "GET / 1.1|Host: a|Connection: Upgrade|Upgrade: websocket|Transfer-Encoding: chunked",
        "400 upgrade_with_body",
    );
    check(
        "GET / 1.1|Host: a|Connection: Upgrade|Upgrade: websocket|Content-Length: 0",
        "/ Length(0) to websocket|host: a",
    );
}

#[test]
fn one_expectation_is_known() {
    check(
        "POST / 1.1|Host: a|Expect: 100-Continue|Content-Length: 5",
        "/ Length(5)|host: a",
    );
    check("GET / 1.1|Host: a|Expect: 100-continue", "/ Absent|host: a");
    for expect in [
        "y 100-continue",
        "200-ok",
        "",
        "100-continue, 100-continue",
        "100-continue|Expect: 100-continue",
    ] {
        check(
            &format!("POST / 1.1|Host: a|Expect: {expect}"),
            "417 expectation",
        );
    }
}

#[track_caller]
fn check_response(lines: &str, keeps_length: bool, expected: &str) {
    let mut headers = fields(lines.split('|'));
    sanitise_response(&mut headers, keeps_length);
    assert_eq!(written(&headers), expected, "{lines}");
}

#[test]
fn responses_lose_what_was_for_one_connection() {
    check_response(
        "Content-Type: x|Set_It: 1",
        false,
        "content-type: x|set_it: 1",
    );
    check_response(
        "Content-Length: 5|Transfer-Encoding: chunked|A: b",
        false,
        "a: b",
    );
    check_response(
        "Content-Length: 5|Content-Length: 5|A: b",
        true,
        "a: b|content-length: 5",
    );
    check_response(
        "Connection: close, x-a|X-A: 1|Keep-Alive: x|Upgrade: h2c|Trailer: x|Proxy-Authenticate: x|A: b",
        true,
        "a: b",
    );
    check_response("TE: x|Proxy-Connection: close", false, "");
}

#[track_caller]
fn check_trailers(lines: &str, expected: &str) {
    let mut headers = fields(lines.split('|'));
    sanitise_trailers(&mut headers);
    assert_eq!(written(&headers), expected, "{lines}");
}

#[test]
fn trailers_decide_nothing() {
    check_trailers(
        "grpc-status: 0|grpc-message: ok|x-meta-bin: AA|my_key: 1",
        "grpc-message: ok|grpc-status: 0|my_key: 1|x-meta-bin: AA",
    );
    check_trailers(
        "Content-Length: 9|Host: b|Authorization: x|X-Forwarded-For: 1.1.1.1|Checksum: y",
        "checksum: y",
    );
    check_trailers(
        "X_Forwarded_For: 1|X_Real_IP: 1|Content_Length: 9|If-Match: x|Set-Cookie: a|Te: x",
        "",
    );
    check_trailers(
        "Transfer-Encoding: chunked|Connection: x|Cookie: y|X-Request-Id: z|Forwarded: for=a|X-Original-URL: /",
        "",
    );
}

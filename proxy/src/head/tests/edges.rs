//! Cases at the edge of a rule, each of which a small change of the code would turn. `cargo mutants` found them missing.

use super::*;

#[test]
fn bounds_are_what_the_documentation_says() {
    assert_eq!(TARGET_BYTES_MAX, 8_192);
    assert_eq!(HEAD_BYTES_MAX, 32_768);
    assert_eq!(FIELDS_MAX, 100);
}

#[test]
fn a_length_is_known_but_for_a_stream() {
    assert_eq!(Framing::Absent.length(), Some(0));
    assert_eq!(Framing::Length(7).length(), Some(7));
    assert_eq!(Framing::Streamed.length(), None);
}

#[test]
fn an_option_of_the_connection_names_no_field() {
    check(
        "GET / 1.1|Host: a|Connection: close, keep-alive|Close: x",
        "/ Absent closes|close: x|host: a",
    );
}

#[test]
fn a_client_that_closes_says_so_in_any_case_and_line() {
    check(
        "GET / 1.1|Host: a|Connection: X-B|Connection: CLOSE",
        "/ Absent closes|host: a",
    );
    check("GET / 1.1|Host: a|Connection: closed", "/ Absent|host: a");
    check(
        "GET / 1.1|Host: a|Close: close",
        "/ Absent|close: close|host: a",
    );
}

#[test]
fn names_may_have_signs_at_their_ends() {
    for name in ["a-", "-a", "a_", "_a", "-", "a.-"] {
        check_host(&format!("Host: {name}"), &format!("{name} None {name}"));
    }
    check_host("Host: a.", "a None a");
    check_host(
        "Host: a.example.:8080",
        "a.example Some(8080) a.example:8080",
    );
}

#[test]
fn a_name_has_254_bytes_at_most() {
    let longest = "a".repeat(254);
    check_host(
        &format!("Host: {longest}"),
        &format!("{longest} None {longest}"),
    );
    check_host(&format!("Host: {longest}a"), "host_malformed");
}

#[test]
fn brackets_stand_in_paths() {
    check_path("/a[0]", "/a[0]");
}

#[test]
fn a_host_is_written_as_it_would_be_admitted() {
    for (value, expected) in [
        ("a.example:80", true),
        ("[::1]", true),
        ("a, b", false),
        ("", false),
    ] {
        assert_eq!(
            Host::is_written(&HeaderValue::from_static(value)),
            expected,
            "{value}"
        );
    }
}

#[test]
fn a_host_shows_itself_to_who_debugs() {
    let admitted = admit(&mut parts("GET / 1.1|Host: A:80"), true).unwrap();
    assert_eq!(format!("{:?}", admitted.host), "Host(\"a:80\")");
}

//! What is refused, and how it is said.

use crate::support::{build, condition, lines, rule, rules, split};
use haldane_routing::spec::{
    ActionSpec, Address, BackendSpec, BalanceSpec, CertificateSpec, ConditionSpec, CorsSpec,
    EndpointSpec, ExternalAuthSpec, FiltersSpec, ForcedSpec, ForwardSpec, HeaderEditsSpec,
    MatchSpec, MirrorSpec, RedirectSpec, RewriteSpec, StickySpec, TableSpec, TestSpec, VersionSpec,
};
use haldane_routing::{FaultReason, Table, WeightsError};

fn faults(spec: &TableSpec) -> String {
    match Table::build(spec, None, 0) {
        Ok(_) => "none".to_owned(),
        Err(faults) => lines(&faults),
    }
}

#[test]
fn all_faults_are_told_at_once() {
    let mut spec = rules(
        "a  -.example  /
         a  h  /; header x-é = 1; method get; header x ~ (
         b  h  ~/(
         c  *.h  a",
    );
    spec.rules.push(rule("", &[]));
    spec.rules[3].action = ActionSpec::Respond {
        status: 600,
        body: String::new(),
    };
    spec.backends.push(BackendSpec {
        name: "b".to_owned(),
        endpoints: vec![EndpointSpec {
            address: Address::Name("no name".to_owned(), 0),
            state: Default::default(),
        }],
        ..BackendSpec::default()
    });
    insta::assert_snapshot!(faults(&spec), @r#"
    backends[0].endpoints[0].address (b): "no name" is not a host name
    rules[0].matches[0].host (a): "-.example" is not a host name
    rules[1].id (a): "a" is already taken
    rules[1].matches[0].conditions[0] (a): "x-é" is not a header name
    rules[1].matches[0].conditions[1] (a): "get" is not a method in capitals
    rules[1].matches[0].conditions[2] (a): not a regular expression: unclosed group
    rules[2].matches[0].path (b): not a regular expression: unclosed group
    rules[3].matches[0].path (c): "a" is not a path that starts with /
    rules[3].action.status (c): 600 is not in 200 to 599
    rules[4].id (): nothing is given
    rules[4].matches (): nothing is given
    "#);
}

/// One rule that forwards.
#[track_caller]
fn check_forward(change: impl FnOnce(&mut ForwardSpec), expected: &str) {
    assert_eq!(faults(&split("a=1, b=1", change)), expected);
}

#[test]
fn versions() {
    let at = "rules[0].action.versions";
    let version = |name: &str, backend: &str| VersionSpec {
        name: name.to_owned(),
        weight: 1,
        backend: backend.to_owned(),
        ..VersionSpec::default()
    };
    check_forward(|_| (), "none");
    check_forward(
        |spec| spec.versions.clear(),
        &format!("{at} (split): no version to choose from"),
    );
    check_forward(
        |spec| spec.versions.iter_mut().for_each(|v| v.weight = 0),
        &format!("{at} (split): every weight is zero"),
    );
    check_forward(
        |spec| spec.versions[0].weight = 10_000,
        &format!(
            "{at} (split): weights repeat only after 10001 requests, at most 10000 are allowed: use rounder weights"
        ),
    );
    check_forward(
        |spec| spec.versions.push(version("a", "no")),
        &format!(
            "{at}[2].name (split): \"a\" is already taken\n{at}[2].backend (split): there is no backend \"no\""
        ),
    );
    check_forward(
        |spec| spec.versions.push(version("", "shop/web:80 a")),
        &format!("{at}[2].name (split): nothing is given"),
    );
}

#[test]
fn how_requests_are_passed_on() {
    let forced = |version: &str, any_of: Vec<Vec<ConditionSpec>>| ForcedSpec {
        version: version.to_owned(),
        any_of,
    };
    check_forward(
        |spec| {
            spec.forced
                .push(forced("c", vec![vec![condition("method get")]]));
        },
        "rules[0].action.forced[0].version (split): there is no version \"c\"\nrules[0].action.forced[0].any_of[0][0] (split): \"get\" is not a method in capitals",
    );
    check_forward(
        |spec| spec.forced.push(forced("a", vec![])),
        "rules[0].action.forced[0].any_of (split): nothing is given",
    );
    check_forward(
        |spec| spec.forced.push(forced("a", vec![vec![]])),
        "rules[0].action.forced[0].any_of[0] (split): nothing is given",
    );
    check_forward(
        |spec| spec.sticky = Some(StickySpec::Cookie("a b".to_owned())),
        "rules[0].action.sticky (split): \"a b\" is not a cookie name",
    );
    check_forward(
        |spec| {
            spec.mirrors.push(MirrorSpec {
                backend: "c".to_owned(),
                per_10000: 10_001,
            });
        },
        "rules[0].action.mirrors[0].per_10000 (split): 10001 is not in 0 to 10000\nrules[0].action.mirrors[0].backend (split): there is no backend \"c\"",
    );
    check_forward(
        |spec| spec.balance = BalanceSpec::ConsistentHash(vec![]),
        "rules[0].action.balance (split): nothing is given",
    );
    check_forward(
        |spec| spec.timeouts.connect_ms = 0,
        "rules[0].action.timeouts.connect_ms (split): 0 is not in 1 to 604800000",
    );
    check_forward(
        |spec| spec.timeouts.whole_ms = Some(u64::MAX),
        "rules[0].action.timeouts.whole_ms (split): 18446744073709551615 is not in 1 to 604800000",
    );
    check_forward(
        |spec| spec.retry.attempts_max = 0,
        "rules[0].action.retry.attempts_max (split): 0 is not in 1 to 10",
    );
    check_forward(
        |spec| spec.retry.budget_percent = 101,
        "rules[0].action.retry.budget_percent (split): 101 is not in 0 to 100",
    );
}

#[test]
fn a_backend_at_fault_is_told_once() {
    let mut spec = split("a=1, b=1", |_| ());
    spec.backends[1].tls.server_name = Some("no name".to_owned());
    assert_eq!(
        faults(&spec),
        "backends[1].tls.server_name (shop/web:80 b): \"no name\" is not a host name"
    );
}

#[track_caller]
fn check_redirect(redirect: RedirectSpec, expected: &str) {
    let mut rule = rule("r", &["h /"]);
    rule.action = ActionSpec::Redirect(redirect);
    let spec = TableSpec {
        rules: vec![rule],
        ..TableSpec::default()
    };
    assert_eq!(faults(&spec), expected);
}

#[test]
fn redirects() {
    let some = |text: &str| Some(text.to_owned());
    check_redirect(
        RedirectSpec {
            status: 301,
            host: some("b"),
            ..RedirectSpec::default()
        },
        "none",
    );
    check_redirect(
        RedirectSpec {
            status: 308,
            url: some("https://b/?c"),
            ..RedirectSpec::default()
        },
        "none",
    );
    check_redirect(
        RedirectSpec {
            status: 301,
            ..RedirectSpec::default()
        },
        "rules[0].action (r): nothing is given",
    );
    check_redirect(
        RedirectSpec {
            status: 300,
            path: some("b"),
            scheme: some("ftp"),
            port: Some(0),
            ..RedirectSpec::default()
        },
        "rules[0].action.status (r): 300 is not one of the redirects 301, 302, 303, 307 and 308\nrules[0].action.scheme (r): \"ftp\" is neither http nor https\nrules[0].action.path (r): \"b\" is not a path that starts with /\nrules[0].action.port (r): 0 is not in 1 to 65535",
    );
    check_redirect(
        RedirectSpec {
            status: 301,
            url: some("/b"),
            ..RedirectSpec::default()
        },
        "rules[0].action.url (r): \"/b\" is not a whole http or https URL",
    );
}

#[track_caller]
fn check_filters(matched: &str, filters: FiltersSpec, expected: &str) {
    let mut rule = rule("r", &[matched]);
    rule.filters = filters;
    let spec = TableSpec {
        rules: vec![rule],
        ..TableSpec::default()
    };
    assert_eq!(faults(&spec), expected);
}

#[test]
fn headers_that_the_proxy_alone_writes() {
    for name in [
        "Transfer-Encoding",
        "content-length",
        "Connection",
        "Host",
        "Upgrade",
        "Keep-Alive",
        "TE",
        "Trailer",
        "Proxy-Connection",
        "Proxy-Authorization",
    ] {
        let edits = HeaderEditsSpec {
            remove: vec![name.to_owned()],
            set: vec![(name.to_owned(), "x".to_owned())],
            add: vec![(name.to_owned(), "x".to_owned())],
        };
        let line = |filter: &str, edit: &str| {
            let name = name.to_ascii_lowercase();
            format!(
                "rules[0].filters.{filter}_headers.{edit}[0] (r): {name:?} is written by the proxy itself"
            )
        };
        let lines = ["request", "response"]
            .map(|filter| ["remove", "set", "add"].map(|edit| line(filter, edit)));
        check_filters(
            "h /",
            FiltersSpec {
                request_headers: edits.clone(),
                response_headers: edits,
                ..FiltersSpec::default()
            },
            &lines.concat().join("\n"),
        );
    }
}

#[test]
fn filters() {
    let rewrite = |template: &str| FiltersSpec {
        rewrite: Some(RewriteSpec::Path(template.to_owned())),
        ..FiltersSpec::default()
    };
    check_filters("h ~/a(.*)", rewrite("/$1"), "none");
    check_filters(
        "h /",
        rewrite("/$1"),
        "rules[0].filters.rewrite (r): $1 stands for a group, but not every path of the rule is a regular expression",
    );
    check_filters(
        "h /",
        rewrite("a"),
        "rules[0].filters.rewrite (r): \"a\" is not a path that starts with /",
    );
    check_filters(
        "h /",
        rewrite("/?a"),
        "rules[0].filters.rewrite (r): \"/?a\" is not a path that starts with /",
    );
    check_filters(
        "h /",
        FiltersSpec {
            https_redirect: Some(200),
            upstream_host: Some("a/b".to_owned()),
            ..FiltersSpec::default()
        },
        "rules[0].filters.https_redirect (r): 200 is not one of the redirects 301, 302, 303, 307 and 308\nrules[0].filters.upstream_host (r): \"a/b\" is not a host name",
    );
    let mut headers = FiltersSpec::default();
    headers
        .request_headers
        .set
        .push(("a b".to_owned(), "c\n".to_owned()));
    check_filters(
        "h /",
        headers,
        "rules[0].filters.request_headers.set[0] (r): \"a b\" is not a header name\nrules[0].filters.request_headers.set[0] (r): \"c\\n\" is not a header value",
    );
    let cors = CorsSpec {
        origins: vec!["*".to_owned(), "a".to_owned()],
        methods: vec!["G T".to_owned()],
        ..CorsSpec::default()
    };
    check_filters(
        "h /",
        FiltersSpec {
            cors: Some(cors),
            ..FiltersSpec::default()
        },
        "rules[0].filters.cors.origins[1] (r): \"a\" is not an origin such as https://example.com or https://*.example.com\nrules[0].filters.cors.methods[0] (r): \"G T\" is not a method in capitals",
    );
    let auth = ExternalAuthSpec {
        url: "ftp://a".to_owned(),
        sign_in: Some("https://a/?to={url}".to_owned()),
        ..ExternalAuthSpec::default()
    };
    check_filters(
        "h /",
        FiltersSpec {
            external_auth: Some(auth),
            ..FiltersSpec::default()
        },
        "rules[0].filters.external_auth.url (r): \"ftp://a\" is not a whole http or https URL",
    );
}

#[track_caller]
fn check_reason(spec: &TableSpec, reason: FaultReason) {
    let faults = Table::build(spec, None, 0).err().unwrap_or_default();
    let reasons: Vec<_> = faults.into_iter().map(|fault| fault.reason).collect();
    assert_eq!(reasons, [reason]);
}

#[test]
fn everything_has_a_bound() {
    let with = |test: TestSpec| {
        let mut spec = rules("r h /");
        spec.rules[0].matches[0]
            .conditions
            .push(ConditionSpec::Header("x".to_owned(), test));
        spec
    };
    check_reason(
        &with(TestSpec::Matches("a".repeat(4097))),
        FaultReason::TooLong {
            bytes: 4097,
            max: 4096,
        },
    );
    check_reason(
        &with(TestSpec::Matches(r"\w{1000}".to_owned())),
        FaultReason::RegexTooBig { max: 1 << 20 },
    );
    check_reason(&with(TestSpec::In(vec![])), FaultReason::Nothing);
    check_reason(
        &with(TestSpec::In(vec![String::new(); 1001])),
        FaultReason::TooMany {
            count: 1001,
            max: 1000,
        },
    );
    let mut spec = rules("r h /");
    spec.rules[0].matches[0].conditions = vec![condition("method GET"); 65];
    check_reason(&spec, FaultReason::TooMany { count: 65, max: 64 });
    let mut spec = rules("r h /");
    spec.rules[0].matches = vec![MatchSpec::default(); 1025];
    check_reason(
        &spec,
        FaultReason::TooMany {
            count: 1025,
            max: 1024,
        },
    );
    let name = "a.".repeat(127);
    check_reason(
        &rules(&format!("r {name}a /")),
        FaultReason::Host(format!("{name}a")),
    );
    let versions: Vec<String> = (0..65).map(|at| format!("v{at}=1")).collect();
    let spec = split(&versions.join(", "), |_| ());
    let faults = Table::build(&spec, None, 0).err().unwrap_or_default();
    assert!(faults.iter().any(|fault| fault.reason
        == FaultReason::Weights(WeightsError::TooManyVersions { count: 65, max: 64 })));
}

#[test]
fn a_group_does_not_hide_that_a_pattern_is_none() {
    check_reason(
        &rules("r h ~/a)(b"),
        FaultReason::Regex("unopened group".to_owned()),
    );
}

#[test]
fn certificates_are_named_once_and_for_hosts() {
    let certificate = |host: &str| CertificateSpec {
        name: "c".to_owned(),
        hosts: vec![host.to_owned()],
        ..CertificateSpec::default()
    };
    let spec = TableSpec {
        certificates: vec![certificate("*.a"), certificate("b c")],
        ..TableSpec::default()
    };
    assert_eq!(
        faults(&spec),
        "certificates[1].name (c): \"c\" is already taken\ncertificates[1].hosts[0] (c): \"b c\" is not a host name"
    );
    let spec = TableSpec {
        certificates: vec![certificate("*.a")],
        ..TableSpec::default()
    };
    assert_eq!(build(&spec).certificates(), spec.certificates);
}

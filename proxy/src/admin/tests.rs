//! The admin address as those who ask see it.

use super::*;
use haldane_routing::spec::{
    ActionSpec, Address, BackendSpec, BasicAuthSpec, CertificateSpec, ConditionSpec, EndpointSpec,
    EndpointState, ExternalAuthSpec, FiltersSpec, ForwardSpec, HeaderEditsSpec, MatchSpec,
    MirrorSpec, OriginSpec, PathSpec, RuleSpec, StickySpec, TableSpec, VersionSpec,
};
use serde_json::Value;

struct State {
    metrics: Arc<Metrics>,
    table: Arc<Table>,
    key: TicketKey,
    ready: bool,
}

impl AdminState for State {
    fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    fn table(&self) -> (Arc<Table>, u64) {
        (Arc::clone(&self.table), 7)
    }

    fn ready(&self) -> bool {
        self.ready
    }

    fn ticket_key(&self) -> &TicketKey {
        &self.key
    }
}

fn state(spec: &TableSpec) -> State {
    State {
        metrics: Metrics::new(1),
        table: Arc::new(Table::build(spec, None, 1).expect("the table has no fault")),
        key: TicketKey::from_bytes([1; 32]),
        ready: true,
    }
}

fn ask(state: &State, method: Method, target: &str) -> Response<String> {
    let request = Request::builder()
        .method(method)
        .uri(target)
        .header(header::HOST, "localhost");
    respond(&request.body(()).unwrap(), state)
}

fn json(state: &State, target: &str) -> Value {
    let response = ask(state, Method::GET, target);
    assert_eq!(
        (response.status(), &response.headers()[header::CONTENT_TYPE]),
        (StatusCode::OK, &HeaderValue::from_static(JSON))
    );
    serde_json::from_str(response.body()).unwrap()
}

#[track_caller]
fn check(state: &State, method: Method, target: &str, status: u16, begin: &str) {
    let response = ask(state, method, target);
    assert_eq!(response.status(), status, "{target}");
    assert!(
        response.body().starts_with(begin),
        "{target}: {}",
        response.body()
    );
}

#[test]
fn each_path_has_its_answer() {
    let mut state = state(&TableSpec::default());
    for (method, target, status, begin) in [
        (Method::GET, "/healthz", 200, "alive"),
        (Method::HEAD, "/healthz?now", 200, "alive"),
        (Method::GET, "/readyz", 200, "ready"),
        (Method::GET, "/metrics", 200, "# HELP haldane_"),
        (Method::GET, "/table", 200, "{\"generation\":7"),
        (
            Method::GET,
            "/explain?url=http://a/",
            200,
            "{\"generation\":7",
        ),
        (Method::GET, "/explain", 400, "url must be given"),
        (Method::GET, "/", 404, "there are"),
        (Method::GET, "/metrics/", 404, "there are"),
        (Method::POST, "/metrics", 405, "this address"),
        (Method::DELETE, "/table", 405, "this address"),
    ] {
        check(&state, method, target, status, begin);
    }
    state.ready = false;
    check(&state, Method::GET, "/readyz", 503, "there is no table");
    check(&state, Method::GET, "/healthz", 200, "alive");
}

#[test]
fn a_request_by_a_strange_name_is_told_nothing() {
    let request = Request::builder()
        .uri("/metrics")
        .header(header::HOST, "evil.example");
    let response = respond(&request.body(()).unwrap(), &state(&TableSpec::default()));
    assert_eq!(response.status(), StatusCode::MISDIRECTED_REQUEST);
    assert!(!response.body().contains("haldane_"));
}

/// A table with something secret in every place that holds secrets; each has `SECRET` in it.
fn secretive() -> TableSpec {
    let edits = || HeaderEditsSpec {
        remove: Vec::new(),
        set: vec![("x-api-key".to_owned(), "SECRET1".to_owned())],
        add: vec![("x-other".to_owned(), "SECRET2".to_owned())],
    };
    let network = |text: &str| text.parse().expect("a network of the test");
    let filters = FiltersSpec {
        allow: vec![network("10.0.0.0/8"), network("2001:db8::/32")],
        deny: vec![network("10.9.0.0/16")],
        basic_auth: Some(BasicAuthSpec {
            realm: "shop".to_owned(),
            users: vec![
                "ann:$2y$05$SECRET3SECRET3SECRET3SECRET3SECRET3SECRET3SECRET3SECRET".to_owned(),
            ],
        }),
        external_auth: Some(ExternalAuthSpec {
            url: "http://auth.example/check?token=SECRET5".to_owned(),
            ..ExternalAuthSpec::default()
        }),
        request_headers: edits(),
        response_headers: edits(),
        ..FiltersSpec::default()
    };
    TableSpec {
        rules: vec![
            rule("shop/web /", "/", forward(), filters),
            rule("shop/web /s", "/s", fixed_text(), FiltersSpec::default()),
        ],
        backends: vec![BackendSpec {
            name: "stable".to_owned(),
            endpoints: vec![EndpointSpec {
                address: Address::Socket(([10, 0, 0, 1], 80).into()),
                state: EndpointState::Ready,
            }],
            ..BackendSpec::default()
        }],
        certificates: vec![CertificateSpec {
            name: "shop/tls".to_owned(),
            hosts: vec!["shop.example".to_owned()],
            chain_pem: "CHAIN".to_owned(),
            key_pem: "SECRET4".to_owned(),
        }],
    }
}

fn rule(id: &str, path: &str, action: ActionSpec, filters: FiltersSpec) -> RuleSpec {
    RuleSpec {
        id: id.to_owned(),
        origin: OriginSpec {
            name: "web".to_owned(),
            ..OriginSpec::default()
        },
        matches: vec![MatchSpec {
            path: PathSpec::Prefix(path.to_owned()),
            conditions: vec![ConditionSpec::Method(vec!["GET".to_owned()])],
            ..MatchSpec::default()
        }],
        action,
        filters,
    }
}

fn forward() -> ActionSpec {
    ActionSpec::Forward(Box::new(ForwardSpec {
        versions: vec![VersionSpec {
            name: "1.0".to_owned(),
            weight: 1,
            backend: "stable".to_owned(),
            ..VersionSpec::default()
        }],
        sticky: Some(StickySpec::Cookie("seat".to_owned())),
        mirrors: vec![MirrorSpec {
            backend: "stable".to_owned(),
            per_10000: 5,
        }],
        ..ForwardSpec::default()
    }))
}

fn fixed_text() -> ActionSpec {
    ActionSpec::Respond {
        status: 200,
        body: "SECRET6".to_owned(),
    }
}

#[test]
fn the_table_is_shown_without_its_secrets() {
    let state = state(&secretive());
    let shown = json(&state, "/table");
    let of_rule = &shown["rules"][0];
    assert_eq!(of_rule["id"], "shop/web /");
    assert_eq!(of_rule["origin"]["name"], "web");
    let written = serde_json::to_value(&secretive().rules[0].matches).unwrap();
    assert_eq!(of_rule["matches"], written);
    assert_eq!(written[0]["path"]["prefix"], "/");
    let networks = serde_json::json!({
        "allow": ["10.0.0.0/8", "2001:db8::/32"], "deny": ["10.9.0.0/16"],
    });
    assert_eq!(of_rule["networks"], networks);
    let version = &of_rule["action"]["forward"]["versions"][0];
    assert_eq!(
        (&version["name"], &version["weight"], &version["backend"]),
        (&"1.0".into(), &1.into(), &"stable".into())
    );
    assert_eq!(of_rule["action"]["forward"]["sticky"]["cookie"], "seat");
    let mirror = serde_json::json!({"backend": "stable", "per_10000": 5});
    assert_eq!(of_rule["action"]["forward"]["mirrors"][0], mirror);
    let filters = serde_json::json!([
        "basic_auth",
        "external_auth",
        "request_headers",
        "response_headers"
    ]);
    assert_eq!(of_rule["filters"], filters);
    assert_eq!(shown["rules"][1]["action"]["respond"]["status"], 200);
    assert_eq!(
        shown["backends"][0]["endpoints"][0]["socket"],
        "10.0.0.1:80"
    );
    assert_eq!(shown["certificates"][0]["hosts"][0], "shop.example");
    assert!(!shown.to_string().contains("SECRET"), "{shown}");
}

#[test]
fn a_request_is_explained_as_a_listener_would_take_it() {
    let state = state(&secretive());
    let found = json(&state, "/explain?url=http://shop.example/cart");
    assert_eq!(
        found["explanation"]["outcome"]["forward"]["rule"],
        "shop/web /"
    );
    assert_eq!(found["refused"], Value::Null);
    assert!(found["text"].as_str().unwrap().contains("shop/web /"));

    let refused = json(&state, "/explain?url=http://shop.example/a/../b");
    assert_eq!(refused["refused"]["reason"], "dot_segment");
    assert_eq!(refused["refused"]["status"], 400);
    assert_eq!(refused["explanation"], Value::Null);
}

//! What Flagger and Argo Rollouts write while nothing is released, and what metrics call a canary.

use crate::support::{WEB, documents, ingress, outcome, service, standalone, translated};
use haldane_routing::spec::ActionSpec;

/// Their annotations between releases.
const IDLE: &str = "nginx.ingress.kubernetes.io/canary: \"true\"\nnginx.ingress.kubernetes.io/canary-weight: \"0\"";

/// An Ingress of two paths: one of the Service that is released, one of another.
fn two_paths(name: &str, annotations: &str, released: &str) -> String {
    let more = "\n      - {path: /cart, pathType: Prefix, backend: {service: {name: cart, port: {name: http}}}}";
    format!(
        "{}{more}\n",
        ingress(name, "shop.example.com", released, annotations).trim_end()
    )
}

/// The table with a main and this canary Ingress, next to which no pod runs.
fn beside(canary: &str) -> String {
    let gone = service("web-canary", "").replace("[{addresses: []}]", "[]");
    outcome(&documents(&[
        &two_paths("web", "", "web"),
        canary,
        WEB,
        &gone,
        &service("cart", "10.0.2.1"),
    ]))
}

#[test]
fn an_idle_canary_ingress_of_flagger_takes_nothing() {
    insta::assert_snapshot!(beside(&two_paths("web-canary", IDLE, "web-canary")), @"
    rule shop/web shop.example.com/ (Prefix) for Service web
      match shop.example.com prefix /
      version web weight 1 by backend shop/web:80 web
      version web-canary weight 0 by backend shop/web-canary:80 web-canary
    rule shop/web shop.example.com/cart (Prefix) for Service cart
      match shop.example.com prefix /cart
      version cart weight 1 by backend shop/cart:80 cart
    backend shop/cart:80 cart by http: 10.0.2.1:8080
    backend shop/web-canary:80 web-canary by http: none
    backend shop/web:80 web by http: 10.0.0.1:8080, 10.0.0.2:8080
    ");
}

#[test]
fn argos_copy_of_a_rule_is_a_canary_of_the_released_path_alone() {
    let copy = two_paths("web-web-canary", IDLE, "web-canary");
    assert_eq!(
        beside(&copy),
        beside(&ingress(
            "web-web-canary",
            "shop.example.com",
            "web-canary",
            IDLE
        )),
        "the copied path changes nothing"
    );
}

/// The names by which metrics know the versions of the one rule.
#[track_caller]
fn check(port: &str, expected: &str) {
    let canary = ingress("web-canary", "shop.example.com", "next", IDLE);
    let manifests = documents(&[
        &ingress("web", "shop.example.com", "web", ""),
        &canary.replace("{name: http}", port),
        WEB,
        &service("next", "10.0.1.1"),
    ]);
    let translation = translated(&[("web.yaml", &manifests)], &standalone());
    let [rule] = translation.table.rules.as_slice() else {
        panic!("{:?}", translation.problems);
    };
    let ActionSpec::Forward(forward) = &rule.action else {
        panic!("{rule:?}");
    };
    let names: Vec<_> = forward.versions.iter().map(|v| v.canary.as_str()).collect();
    assert_eq!(names, ["", expected], "{port}");
}

#[test]
fn metrics_call_a_canary_by_its_backend_as_it_is_written() {
    check("{name: http}", "shop-next-http");
    check("{number: 80}", "shop-next-80");
}

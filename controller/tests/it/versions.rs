//! One Service over several versions: shares, forced routing, blue and green.

use crate::support::{WEB, changes, documents, ingress, mapping, outcome, translated};
use haldane_controller::Options;

/// Two pods of version 1.14 and one of 1.15, with annotations on Service and Ingress.
fn shop(service: &str, web: &str) -> String {
    let service = format!(
        r#"
apiVersion: v1
kind: Service
metadata:
  name: web
  namespace: shop
  annotations: {}
spec: {{selector: {{app: web}}, ports: [{{name: http, port: 80, targetPort: 8080}}]}}
"#,
        mapping(service)
    );
    let pod = |name: &str, labels: &str, address: &str| {
        format!(
            r#"
apiVersion: v1
kind: Pod
metadata: {{name: {name}, namespace: shop, labels: {{app: web, {labels}}}}}
status: {{podIP: {address}}}
"#
        )
    };
    documents(&[
        &ingress("web", "shop.example.com", "web", web),
        &service,
        &pod("a", "version: \"1.14\", color: blue", "10.0.0.1"),
        &pod("b", "version: \"1.14\", color: green", "10.0.0.2"),
        &pod("c", "version: \"1.15\", color: blue", "10.0.0.3"),
    ])
}

#[test]
fn without_weights_every_endpoint_gets_the_same() {
    insta::assert_snapshot!(outcome(&shop("", "")), @r"
    rule shop/web shop.example.com/ (Prefix) for Service web
      match shop.example.com prefix /
      version 1.14 weight 2 by backend shop/web:80 1.14
      version 1.15 weight 1 by backend shop/web:80 1.15
    backend shop/web:80 1.14 by http: 10.0.0.1:8080, 10.0.0.2:8080
    backend shop/web:80 1.15 by http: 10.0.0.3:8080
    ");
}

#[test]
fn weights_are_what_was_written() {
    insta::assert_snapshot!(changes(&shop("", ""), &[
        "haldane.dev/weights: 1.14=90, 1.15=10",
        "haldane.dev/weights: 1.15=0.05, 1.14=99.95",
        "haldane.dev/weights: \"1.15=1\"",
        "haldane.dev/weights: 1.14=90, 1.16=10",
        "haldane.dev/version-label: color",
        "haldane.dev/version-label: color\nhaldane.dev/weights: green=1, blue=3",
        "haldane.dev/weights: green=1, blue=3",
        "haldane.dev/version-label: track",
    ], |service| shop(service, "")), @r#"
    # haldane.dev/weights: 1.14=90, 1.15=10
    - version 1.14 weight 2 by backend shop/web:80 1.14
    + version 1.14 weight 9 by backend shop/web:80 1.14
    # haldane.dev/weights: 1.15=0.05, 1.14=99.95
    - version 1.14 weight 2 by backend shop/web:80 1.14
    + version 1.14 weight 1999 by backend shop/web:80 1.14
    # haldane.dev/weights: "1.15=1"
    - version 1.14 weight 2 by backend shop/web:80 1.14
    + version 1.14 weight 0 by backend shop/web:80 1.14
    # haldane.dev/weights: 1.14=90, 1.16=10
    - version 1.14 weight 2 by backend shop/web:80 1.14
    - version 1.15 weight 1 by backend shop/web:80 1.15
    + warning: web.yaml: Service shop/web: metadata.annotations[haldane.dev/weights]: no endpoint is of version "1.16"; there are: 1.14, 1.15
    + version 1.14 weight 9 by backend shop/web:80 1.14
    + version 1.16 weight 1 by backend shop/web:80 1.16
    + version 1.15 weight 0 by backend shop/web:80 1.15
    + backend shop/web:80 1.16 by http: none
    # haldane.dev/version-label: color
    - version 1.14 weight 2 by backend shop/web:80 1.14
    - version 1.15 weight 1 by backend shop/web:80 1.15
    - backend shop/web:80 1.14 by http: 10.0.0.1:8080, 10.0.0.2:8080
    - backend shop/web:80 1.15 by http: 10.0.0.3:8080
    + version blue weight 2 by backend shop/web:80 blue
    + version green weight 1 by backend shop/web:80 green
    + backend shop/web:80 blue by http: 10.0.0.1:8080, 10.0.0.3:8080
    + backend shop/web:80 green by http: 10.0.0.2:8080
    # haldane.dev/version-label: color
    # haldane.dev/weights: green=1, blue=3
    - version 1.14 weight 2 by backend shop/web:80 1.14
    - version 1.15 weight 1 by backend shop/web:80 1.15
    - backend shop/web:80 1.14 by http: 10.0.0.1:8080, 10.0.0.2:8080
    - backend shop/web:80 1.15 by http: 10.0.0.3:8080
    + version green weight 1 by backend shop/web:80 green
    + version blue weight 3 by backend shop/web:80 blue
    + backend shop/web:80 blue by http: 10.0.0.1:8080, 10.0.0.3:8080
    + backend shop/web:80 green by http: 10.0.0.2:8080
    # haldane.dev/weights: green=1, blue=3
    - version 1.14 weight 2 by backend shop/web:80 1.14
    - version 1.15 weight 1 by backend shop/web:80 1.15
    - backend shop/web:80 1.14 by http: 10.0.0.1:8080, 10.0.0.2:8080
    - backend shop/web:80 1.15 by http: 10.0.0.3:8080
    + version green weight 1 by backend shop/web:80 green
    + version blue weight 3 by backend shop/web:80 blue
    + backend shop/web:80 blue by http: 10.0.0.1:8080, 10.0.0.3:8080
    + backend shop/web:80 green by http: 10.0.0.2:8080
    # haldane.dev/version-label: track
    - version 1.14 weight 2 by backend shop/web:80 1.14
    - version 1.15 weight 1 by backend shop/web:80 1.15
    - backend shop/web:80 1.14 by http: 10.0.0.1:8080, 10.0.0.2:8080
    - backend shop/web:80 1.15 by http: 10.0.0.3:8080
    + version web weight 1 by backend shop/web:80 web
    + backend shop/web:80 web by http: 10.0.0.1:8080, 10.0.0.2:8080, 10.0.0.3:8080
    "#);
}

#[test]
fn an_ingress_speaks_for_itself() {
    let manifests = |web: &str| {
        shop(
            "haldane.dev/weights: 1.14=90, 1.15=10\nhaldane.dev/on-empty: hold\nhaldane.dev/match.1.15: cookie beta present",
            web,
        )
    };
    insta::assert_snapshot!(changes(&manifests(""), &[
        "haldane.dev/weights: 1.14=1, 1.15=1",
        "haldane.dev/active: \"1.15\"",
        "haldane.dev/on-empty: failover",
        "haldane.dev/match.1.15: query beta present",
        "haldane.dev/match.1.14: method = POST and source-ip in 10.0.0.0/8",
    ], manifests), @r#"
    # haldane.dev/weights: 1.14=1, 1.15=1
    - version 1.14 weight 9 by backend shop/web:80 1.14
    + version 1.14 weight 1 by backend shop/web:80 1.14
    # haldane.dev/active: "1.15"
    - version 1.14 weight 9 by backend shop/web:80 1.14
    + version 1.14 weight 0 by backend shop/web:80 1.14
    # haldane.dev/on-empty: failover
    - on-empty hold
    # haldane.dev/match.1.15: query beta present
    - force 1.15 if cookie beta present
    + force 1.15 if query beta present
    # haldane.dev/match.1.14: method = POST and source-ip in 10.0.0.0/8
    + force 1.14 if method in POST and source-ip in 10.0.0.0/8
    "#);
}

#[test]
fn blue_and_green() {
    insta::assert_snapshot!(changes(&shop("", ""), &[
        "haldane.dev/active: \"1.14\"",
        "haldane.dev/active: \"1.14\"\nhaldane.dev/preview: \"1.15\"",
        "haldane.dev/active: \"1.14\"\nhaldane.dev/preview: \"1.15\"\nhaldane.dev/preview-host: next.example.com",
        "haldane.dev/active: \"1.14\"\nhaldane.dev/preview: \"1.15\"\nhaldane.dev/preview-host: shop.example.com",
        "haldane.dev/preview: \"1.15\"",
        "haldane.dev/active: \"2.0\"",
    ], |service| shop(service, "")), @r#"
    # haldane.dev/active: "1.14"
    - version 1.14 weight 2 by backend shop/web:80 1.14
    - version 1.15 weight 1 by backend shop/web:80 1.15
    + version 1.14 weight 1 by backend shop/web:80 1.14
    + version 1.15 weight 0 by backend shop/web:80 1.15
    # haldane.dev/active: "1.14"
    # haldane.dev/preview: "1.15"
    - version 1.14 weight 2 by backend shop/web:80 1.14
    - version 1.15 weight 1 by backend shop/web:80 1.15
    + version 1.14 weight 1 by backend shop/web:80 1.14
    + version 1.15 weight 0 by backend shop/web:80 1.15
    # haldane.dev/active: "1.14"
    # haldane.dev/preview: "1.15"
    # haldane.dev/preview-host: next.example.com
    - version 1.14 weight 2 by backend shop/web:80 1.14
    + version 1.14 weight 1 by backend shop/web:80 1.14
    + version 1.15 weight 0 by backend shop/web:80 1.15
    + rule shop/web next.example.com/ (Prefix) for Service web
    + match next.example.com prefix /
    # haldane.dev/active: "1.14"
    # haldane.dev/preview: "1.15"
    # haldane.dev/preview-host: shop.example.com
    - version 1.14 weight 2 by backend shop/web:80 1.14
    - version 1.15 weight 1 by backend shop/web:80 1.15
    + version 1.14 weight 1 by backend shop/web:80 1.14
    + version 1.15 weight 0 by backend shop/web:80 1.15
    # haldane.dev/preview: "1.15"
    - version 1.14 weight 2 by backend shop/web:80 1.14
    - version 1.15 weight 1 by backend shop/web:80 1.15
    - backend shop/web:80 1.14 by http: 10.0.0.1:8080, 10.0.0.2:8080
    - backend shop/web:80 1.15 by http: 10.0.0.3:8080
    + error: web.yaml: Service shop/web: metadata.annotations[haldane.dev/preview]: needs active (or weights) beside it: otherwise this version would get its share; requests get 503
    + respond 503 "no service"
    # haldane.dev/active: "2.0"
    - version 1.14 weight 2 by backend shop/web:80 1.14
    - version 1.15 weight 1 by backend shop/web:80 1.15
    + warning: web.yaml: Service shop/web: metadata.annotations[haldane.dev/active]: no endpoint is of version "2.0"; there are: 1.14, 1.15
    + version 2.0 weight 1 by backend shop/web:80 2.0
    + version 1.14 weight 0 by backend shop/web:80 1.14
    + version 1.15 weight 0 by backend shop/web:80 1.15
    + backend shop/web:80 2.0 by http: none
    "#);
}

#[test]
fn copies_go_to_a_version() {
    insta::assert_snapshot!(changes(&shop("", ""), &[
        "haldane.dev/weights: \"1.14=1\"\nhaldane.dev/mirror: 1.15=5%",
        "haldane.dev/mirror: 1.15=0.5%, 2.0=100%",
    ], |service| shop(service, "")), @r#"
    # haldane.dev/weights: "1.14=1"
    # haldane.dev/mirror: 1.15=5%
    - version 1.14 weight 2 by backend shop/web:80 1.14
    - version 1.15 weight 1 by backend shop/web:80 1.15
    + version 1.14 weight 1 by backend shop/web:80 1.14
    + version 1.15 weight 0 by backend shop/web:80 1.15
    + mirror 500 of 10000 to backend shop/web:80 1.15
    # haldane.dev/mirror: 1.15=0.5%, 2.0=100%
    + warning: web.yaml: Service shop/web: metadata.annotations[haldane.dev/mirror]: no endpoint is of version "2.0"; there are: 1.14, 1.15
    + version 2.0 weight 0 by backend shop/web:80 2.0
    + mirror 50 of 10000 to backend shop/web:80 1.15
    + mirror 10000 of 10000 to backend shop/web:80 2.0
    + backend shop/web:80 2.0 by http: none
    "#);
}

#[test]
fn what_belongs_on_an_ingress_is_refused_on_a_service() {
    insta::assert_snapshot!(changes(&shop("", ""), &[
        "haldane.dev/rewrite-target: /",
        "haldane.dev/weigths: 1.14=1",
        "haldane.dev/rollout: auto",
        "nginx.ingress.kubernetes.io/rewrite-target: /",
    ], |service| shop(service, "")), @r#"
    # haldane.dev/rewrite-target: /
    - version 1.14 weight 2 by backend shop/web:80 1.14
    - version 1.15 weight 1 by backend shop/web:80 1.15
    - backend shop/web:80 1.14 by http: 10.0.0.1:8080, 10.0.0.2:8080
    - backend shop/web:80 1.15 by http: 10.0.0.3:8080
    + error: web.yaml: Service shop/web: metadata.annotations[haldane.dev/rewrite-target]: belongs on an Ingress, not on a Service
    + respond 503 "no service"
    # haldane.dev/weigths: 1.14=1
    - version 1.14 weight 2 by backend shop/web:80 1.14
    - version 1.15 weight 1 by backend shop/web:80 1.15
    - backend shop/web:80 1.14 by http: 10.0.0.1:8080, 10.0.0.2:8080
    - backend shop/web:80 1.15 by http: 10.0.0.3:8080
    + error: web.yaml: Service shop/web: metadata.annotations[haldane.dev/weigths]: is no annotation that Haldane knows; did you mean "weights"?
    + respond 503 "no service"
    # haldane.dev/rollout: auto
    # nginx.ingress.kubernetes.io/rewrite-target: /
    "#);
}

#[test]
fn what_is_done_after_an_abort_needs_a_controller_that_may() {
    let class = "kubernetes.io/ingress.class: haldane\nhaldane.dev/rollout: auto\n";
    // on-abort, whether Deployments may be written to, whether there is a problem
    for (on_abort, on_abort_writes, expected) in [
        ("hold", false, false),
        ("scale-down", false, true),
        ("undo", false, true),
        ("undo", true, false),
    ] {
        let annotations = format!("{class}haldane.dev/on-abort: {on_abort}");
        let manifests = documents(&[&ingress("web", "a.example", "web", &annotations), WEB]);
        let options = Options {
            on_abort_writes,
            ..Options::default()
        };
        let problems = translated(&[("web.yaml", &manifests)], &options).problems;
        let told = problems
            .iter()
            .any(|problem| problem.field == "metadata.annotations[haldane.dev/on-abort]");
        assert_eq!(told, expected, "{on_abort} {on_abort_writes}: {problems:?}");
    }
}

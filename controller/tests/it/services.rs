//! Kinds of Services, and how their ports are named.

use crate::support::{WEB, changes, documents, ingress, outcome, shown, standalone, translated};
use haldane_controller::Options;

/// An Ingress whose backend has this port, and a Service with this spec.
fn backed(port: &str, spec: &str) -> String {
    let web = ingress("web", "shop.example.com", "web", "")
        .replace("port: {name: http}", &format!("port: {port}"));
    let service = format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: web, namespace: shop}}\nspec: {spec}\n"
    );
    let slice = WEB.split_once("---").map_or("", |(_, slice)| slice);
    documents(&[&web, &service, slice])
}

#[test]
fn every_kind_of_service_is_its_endpoints() {
    let plain = backed("{name: http}", "{ports: [{name: http, port: 80}]}");
    let manifests = |spec: &str| backed("{name: http}", spec);
    insta::assert_snapshot!(changes(&plain, &[
        "{type: NodePort, ports: [{name: http, port: 80, nodePort: 30080}]}",
        "{type: LoadBalancer, selector: {app: web}, ports: [{name: http, port: 80, targetPort: 8080}]}",
        "{clusterIP: None, ports: [{name: http, port: 80}]}",
        "{ports: [{name: http, port: 80, appProtocol: kubernetes.io/h2c}]}",
        "{ports: [{name: http, port: 80, appProtocol: HTTPS}]}",
        "{ports: [{name: http, port: 80, appProtocol: kubernetes.io/ws}]}",
        "{ports: [{name: http, port: 80, appProtocol: grpc}]}",
        "{ports: [{name: http, port: 80, appProtocol: redis}]}",
        "{ports: [{name: http, port: 80, protocol: UDP}]}",
        "{type: ExternalName, externalName: api.example.com}",
    ], manifests), @r#"
    # {type: NodePort, ports: [{name: http, port: 80, nodePort: 30080}]}
    # {type: LoadBalancer, selector: {app: web}, ports: [{name: http, port: 80, targetPort: 8080}]}
    # {clusterIP: None, ports: [{name: http, port: 80}]}
    # {ports: [{name: http, port: 80, appProtocol: kubernetes.io/h2c}]}
    - version web weight 1 by backend shop/web:80 web
    - backend shop/web:80 web by http: 10.0.0.1:8080, 10.0.0.2:8080
    + version web weight 1 by backend shop/web:80 web h2c
    + backend shop/web:80 web h2c by h2c: 10.0.0.1:8080, 10.0.0.2:8080
    # {ports: [{name: http, port: 80, appProtocol: HTTPS}]}
    - version web weight 1 by backend shop/web:80 web
    - backend shop/web:80 web by http: 10.0.0.1:8080, 10.0.0.2:8080
    + version web weight 1 by backend shop/web:80 web https
    + backend shop/web:80 web https by https: 10.0.0.1:8080, 10.0.0.2:8080
    # {ports: [{name: http, port: 80, appProtocol: kubernetes.io/ws}]}
    # {ports: [{name: http, port: 80, appProtocol: grpc}]}
    - version web weight 1 by backend shop/web:80 web
    - backend shop/web:80 web by http: 10.0.0.1:8080, 10.0.0.2:8080
    + version web weight 1 by backend shop/web:80 web h2c
    + backend shop/web:80 web h2c by h2c: 10.0.0.1:8080, 10.0.0.2:8080
    # {ports: [{name: http, port: 80, appProtocol: redis}]}
    + warning: web.yaml: Service shop/web: spec.ports: appProtocol "redis" is not known; HTTP/1.1 is spoken
    # {ports: [{name: http, port: 80, protocol: UDP}]}
    - version web weight 1 by backend shop/web:80 web
    - backend shop/web:80 web by http: 10.0.0.1:8080, 10.0.0.2:8080
    + error: web.yaml: Ingress shop/web: spec.rules[0].http.paths[0].backend: port 80 of Service shop/web is "UDP", not TCP; requests get 503
    + respond 503 "no service"
    # {type: ExternalName, externalName: api.example.com}
    - version web weight 1 by backend shop/web:80 web
    - backend shop/web:80 web by http: 10.0.0.1:8080, 10.0.0.2:8080
    + error: web.yaml: Ingress shop/web: spec.rules[0].http.paths[0].backend: Service shop/web is of type ExternalName, which is not allowed here; requests get 503
    + respond 503 "no service"
    "#);
}

#[test]
fn ports_are_named_or_numbered() {
    let spec = "{ports: [{name: other, port: 81}, {name: http, port: 80}]}";
    let plain = backed("{name: http}", spec);
    insta::assert_snapshot!(changes(&plain, &[
        "{number: 80}",
        "{name: https}",
        "{number: 8080}",
        "{}",
        "{number: 81}",
    ], |port| backed(port, spec)), @r#"
    # {number: 80}
    # {name: https}
    - version web weight 1 by backend shop/web:80 web
    - backend shop/web:80 web by http: 10.0.0.1:8080, 10.0.0.2:8080
    + error: web.yaml: Ingress shop/web: spec.rules[0].http.paths[0].backend: Service shop/web has no such port, only 81 (other), 80 (http); requests get 503
    + respond 503 "no service"
    # {number: 8080}
    - version web weight 1 by backend shop/web:80 web
    - backend shop/web:80 web by http: 10.0.0.1:8080, 10.0.0.2:8080
    + error: web.yaml: Ingress shop/web: spec.rules[0].http.paths[0].backend: Service shop/web has no such port, only 81 (other), 80 (http); requests get 503
    + respond 503 "no service"
    # {}
    - version web weight 1 by backend shop/web:80 web
    - backend shop/web:80 web by http: 10.0.0.1:8080, 10.0.0.2:8080
    + error: web.yaml: Ingress shop/web: spec.rules[0].http.paths[0].backend: the port of the Service is missing; requests get 503
    + respond 503 "no service"
    # {number: 81}
    - version web weight 1 by backend shop/web:80 web
    - backend shop/web:80 web by http: 10.0.0.1:8080, 10.0.0.2:8080
    + warning: web.yaml: EndpointSlice shop/web-1: ports: no EndpointSlice of this Service has a TCP port named "other", as its Service port 81 is
    + version web weight 1 by backend shop/web:81 web
    + backend shop/web:81 web by http: none
    "#);
}

#[test]
fn an_unnamed_port_is_the_unnamed_port_of_the_slices() {
    let manifests = backed("{number: 80}", "{ports: [{port: 80}]}")
        .replace("ports: [{name: http, port: 8080}]", "ports: [{port: 8080}]");
    insta::assert_snapshot!(outcome(&manifests), @r"
    rule shop/web shop.example.com/ (Prefix) for Service web
      match shop.example.com prefix /
      version web weight 1 by backend shop/web:80 web
    backend shop/web:80 web by http: 10.0.0.1:8080, 10.0.0.2:8080
    ");
}

#[test]
fn external_names_are_reached_only_where_that_is_allowed() {
    let allowed = Options {
        allow_external_name: true,
        ..standalone()
    };
    for (name, expected) in [
        ("api.example.com", Some("api.example.com:8443")),
        ("API.example.com.", Some("api.example.com:8443")),
        ("localhost", None),
        ("x.localhost", None),
        ("127.0.0.1", None),
        ("a b", None),
    ] {
        let spec = format!(
            "{{type: ExternalName, externalName: \"{name}\", ports: [{{name: http, port: 80, targetPort: 8443}}]}}"
        );
        let manifests = backed("{name: http}", &spec);
        let shown = |options| shown(&translated(&[("web.yaml", &manifests)], options));
        match expected {
            Some(address) => assert!(shown(&allowed).contains(address), "{name}"),
            None => assert!(shown(&allowed).contains("is no host to reach"), "{name}"),
        }
        assert!(
            shown(&standalone()).contains("ExternalName, which is not allowed"),
            "{name}"
        );
    }
}

#[test]
fn service_upstream_is_one_endpoint() {
    let with = |spec: &str| {
        backed("{name: http}", spec).replace(
            "annotations: {}",
            "annotations: {haldane.dev/service-upstream: \"true\"}",
        )
    };
    let plain = with("{clusterIP: 10.96.0.1, ports: [{name: http, port: 80}]}");
    insta::assert_snapshot!(outcome(&plain), @r"
    rule shop/web shop.example.com/ (Prefix) for Service web
      match shop.example.com prefix /
      version web weight 1 by backend shop/web:80 web for web
    backend shop/web:80 web for web by http: 10.96.0.1:80
    ");
    insta::assert_snapshot!(changes(&plain, &["{clusterIP: None, ports: [{name: http, port: 80}]}"], with), @r#"
    # {clusterIP: None, ports: [{name: http, port: 80}]}
    - version web weight 1 by backend shop/web:80 web for web
    - backend shop/web:80 web for web by http: 10.96.0.1:80
    + error: web.yaml: Ingress shop/web: spec.rules[0].http.paths[0].backend: Service shop/web has no cluster address, which service-upstream needs; requests get 503
    + respond 503 "no service"
    "#);
}

#[test]
fn a_service_with_an_invalid_annotation_is_not_there() {
    let manifests = documents(&[&ingress("web", "shop.example.com", "web", ""), WEB]).replace(
        "{name: web, namespace: shop}",
        "{name: web, namespace: shop, annotations: {haldane.dev/weights: none}}",
    );
    insta::assert_snapshot!(outcome(&manifests), @r#"
    error: web.yaml: Service shop/web: metadata.annotations[haldane.dev/weights]: "none" is not VERSION=WEIGHT, such as "1.14=90, canary=10"
    rule shop/web shop.example.com/ (Prefix) for Service web
      match shop.example.com prefix /
      respond 503 "no service"
    "#);
}

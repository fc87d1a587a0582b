//! Where endpoints come from, and which of them are used.

use crate::support::{documents, ingress, outcome, shown, standalone, translated};
use haldane_controller::Options;

const SERVICE: &str = r#"
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec:
  selector: {app: web}
  ports:
  - {name: http, port: 80, targetPort: web}
  - {name: admin, port: 81, targetPort: 9000}
"#;

fn with(texts: &[&str]) -> String {
    let web = ingress("web", "shop.example.com", "web", "");
    let mut all = vec![web.as_str(), SERVICE];
    all.extend(texts);
    documents(&all)
}

fn slice(name: &str, family: &str, ports: &str, endpoints: &str) -> String {
    format!(
        r#"
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: {name}, namespace: shop, labels: {{kubernetes.io/service-name: web}}}}
addressType: {family}
ports: {ports}
endpoints: {endpoints}
"#
    )
}

#[test]
fn several_slices_of_two_families_are_put_together() {
    insta::assert_snapshot!(outcome(&with(&[
        &slice("a", "IPv4", "[{name: admin, port: 9000}, {name: http, port: 8080}]", "[{addresses: [10.0.0.2]}, {addresses: [10.0.0.1]}]"),
        &slice("b", "IPv6", "[{name: http, port: 8080}]", "[{addresses: [\"fd00::1\"]}]"),
        &slice("c", "IPv4", "[{name: http, port: 8081, protocol: TCP}]", "[{addresses: [10.0.0.3]}, {addresses: [10.0.0.3]}]"),
        &slice("d", "IPv4", "[{name: http, port: 8080, protocol: UDP}]", "[{addresses: [10.0.0.4]}]"),
    ])), @r"
    rule shop/web shop.example.com/ (Prefix) for Service web
      match shop.example.com prefix /
      version web weight 1 by backend shop/web:80 web
    backend shop/web:80 web by http: 10.0.0.1:8080, 10.0.0.2:8080, 10.0.0.3:8081, [fd00::1]:8080
    ");
}

#[test]
fn an_endpoint_in_two_slices_is_ready_if_one_says_so() {
    let ports = "[{name: http, port: 8080}]";
    let leaving =
        "[{addresses: [10.0.0.1], conditions: {ready: false, serving: true, terminating: true}}]";
    insta::assert_snapshot!(outcome(&with(&[
        &slice("a", "IPv4", ports, leaving),
        &slice("b", "IPv4", ports, "[{addresses: [10.0.0.1]}]"),
    ])), @r"
    rule shop/web shop.example.com/ (Prefix) for Service web
      match shop.example.com prefix /
      version web weight 1 by backend shop/web:80 web
    backend shop/web:80 web by http: 10.0.0.1:8080
    ");
}

#[test]
fn only_what_serves_is_used() {
    insta::assert_snapshot!(outcome(&with(&[&slice(
        "a",
        "IPv4",
        "[{name: http, port: 8080}]",
        "[{addresses: [10.0.0.1], conditions: {ready: true, serving: true, terminating: false}},
          {addresses: [10.0.0.2], conditions: {ready: false}},
          {addresses: [10.0.0.3], conditions: {ready: false, serving: true, terminating: true}},
          {addresses: [10.0.0.4], conditions: {ready: false, serving: false, terminating: true}}]",
    )])), @r"
    rule shop/web shop.example.com/ (Prefix) for Service web
      match shop.example.com prefix /
      version web weight 1 by backend shop/web:80 web
    backend shop/web:80 web by http: 10.0.0.1:8080, 10.0.0.3:8080 (terminating)
    ");
}

#[test]
fn pods_stand_for_endpoints_where_there_is_no_slice() {
    let pod = |name: &str, port: u16, rest: &str| {
        format!(
            r#"
apiVersion: v1
kind: Pod
metadata: {{name: {name}, namespace: shop, labels: {{app: web, version: {name}}}}}
spec: {{containers: [{{name: web, ports: [{{name: web, containerPort: {port}}}]}}]}}
status: {{podIP: 127.0.0.1{rest}}}
"#
        )
    };
    insta::assert_snapshot!(outcome(&with(&[
        &pod("blue", 9001, ""),
        &pod("green", 9002, ", conditions: [{type: Ready, status: \"True\"}]"),
        &pod("unready", 9003, ", conditions: [{type: Ready, status: \"False\"}]"),
        &pod("done", 9004, ", phase: Succeeded"),
        &pod("leaving", 9005, "").replace("metadata: {", "metadata: {deletionTimestamp: \"2026-01-01T00:00:00Z\", "),
        &pod("other", 9006, "").replace("app: web", "app: other"),
        &pod("portless", 9007, "").replace("{name: web, containerPort", "{name: other, containerPort"),
    ])), @r"
    warning: web.yaml: Pod shop/portless: spec.containers: no container has the port that its Service names as targetPort; it gets no requests
    rule shop/web shop.example.com/ (Prefix) for Service web
      match shop.example.com prefix /
      version blue weight 1 by backend shop/web:80 blue
      version green weight 1 by backend shop/web:80 green
      version leaving weight 0 by backend shop/web:80 leaving
    backend shop/web:80 blue by http: 127.0.0.1:9001
    backend shop/web:80 green by http: 127.0.0.1:9002
    backend shop/web:80 leaving by http: 127.0.0.1:9005 (terminating)
    ");
}

#[test]
fn a_slice_may_carry_the_version_of_pods_that_are_not_there() {
    let labelled = |name: &str, port: u16| {
        let ports = format!("[{{name: http, port: {port}}}]");
        slice(name, "IPv4", &ports, "[{addresses: [127.0.0.1]}]")
            .replace("labels: {", &format!("labels: {{version: {name}, "))
    };
    insta::assert_snapshot!(outcome(&with(&[&labelled("blue", 9001), &labelled("green", 9002)])), @r"
    rule shop/web shop.example.com/ (Prefix) for Service web
      match shop.example.com prefix /
      version blue weight 1 by backend shop/web:80 blue
      version green weight 1 by backend shop/web:80 green
    backend shop/web:80 blue by http: 127.0.0.1:9001
    backend shop/web:80 green by http: 127.0.0.1:9002
    ");
}

#[test]
fn pods_name_versions_by_reference_and_by_address() {
    let pod = |name: &str, version: &str, address: &str| {
        format!(
            r#"
apiVersion: v1
kind: Pod
metadata: {{name: {name}, namespace: shop, labels: {{version: "{version}"}}}}
status: {{podIP: {address}}}
"#
        )
    };
    let manifests = with(&[
        &slice(
            "a",
            "IPv4",
            "[{name: http, port: 8080}]",
            "[{addresses: [10.0.0.1], targetRef: {kind: Pod, name: one}}, {addresses: [10.0.0.2]}, {addresses: [10.0.0.3]}]",
        ),
        &pod("one", "1.14", "10.9.9.9"),
        &pod("two", "1.15", "10.0.0.2"),
    ]);
    let manifests = manifests.replace(
        "annotations: {}",
        "annotations: {haldane.dev/version-label: version, kubernetes.io/ingress.class: haldane}",
    );
    insta::assert_snapshot!(shown(&translated(&[("web.yaml", &manifests)], &Options::default())), @r"
    rule shop/web shop.example.com/ (Prefix) for Service web
      match shop.example.com prefix /
      version 1.14 weight 1 by backend shop/web:80 1.14 for web
      version 1.15 weight 1 by backend shop/web:80 1.15 for web
      version unlabelled weight 1 by backend shop/web:80 unlabelled for web
    backend shop/web:80 1.14 for web by http: 10.0.0.1:8080
    backend shop/web:80 1.15 for web by http: 10.0.0.2:8080
    backend shop/web:80 unlabelled for web by http: 10.0.0.3:8080
    ");
}

#[test]
fn addresses_that_nobody_should_connect_to_are_left_out() {
    let endpoints = "[{addresses: [127.0.0.1]}, {addresses: [0.0.0.0]}, {addresses: [169.254.169.254]}, {addresses: [224.0.0.1]},
        {addresses: [255.255.255.255]}, {addresses: [\"::ffff:127.0.0.1\"]}, {addresses: [\"fe80::1\"]}, {addresses: [\"127.1\"]},
        {addresses: [localhost]}, {addresses: [168.63.129.16]}, {addresses: [\"64:ff9b:1::a9fe:a9fe\"]}, {addresses: [10.0.0.1]}]";
    let manifests = with(&[&slice("a", "IPv4", "[{name: http, port: 8080}]", endpoints)]);
    let manifests = manifests.replace(
        "spec:\n  rules",
        "spec:\n  ingressClassName: haldane\n  rules",
    );
    insta::assert_snapshot!(shown(&translated(&[("web.yaml", &manifests)], &Options::default())), @r#"
    warning: web.yaml: EndpointSlice shop/a: endpoints[0].addresses: 127.0.0.1 is a loopback address; it is left out
    warning: web.yaml: EndpointSlice shop/a: endpoints[1].addresses: 0.0.0.0 is not an address that can be connected to; it is left out
    warning: web.yaml: EndpointSlice shop/a: endpoints[2].addresses: 169.254.169.254 is a link-local address, where cloud metadata is; it is left out
    warning: web.yaml: EndpointSlice shop/a: endpoints[3].addresses: 224.0.0.1 is a multicast address; it is left out
    warning: web.yaml: EndpointSlice shop/a: endpoints[4].addresses: 255.255.255.255 is a broadcast address; it is left out
    warning: web.yaml: EndpointSlice shop/a: endpoints[5].addresses: ::ffff:127.0.0.1 is a loopback address; it is left out
    warning: web.yaml: EndpointSlice shop/a: endpoints[6].addresses: fe80::1 is a link-local address, where cloud metadata is; it is left out
    warning: web.yaml: EndpointSlice shop/a: endpoints[7].addresses: "127.1" is not an IP address
    warning: web.yaml: EndpointSlice shop/a: endpoints[8].addresses: "localhost" is not an IP address
    warning: web.yaml: EndpointSlice shop/a: endpoints[9].addresses: 168.63.129.16 is where a cloud tells machines their secrets; it is left out
    warning: web.yaml: EndpointSlice shop/a: endpoints[10].addresses: 64:ff9b:1::a9fe:a9fe is a link-local address, where cloud metadata is; it is left out
    rule shop/web shop.example.com/ (Prefix) for Service web
      match shop.example.com prefix /
      version web weight 1 by backend shop/web:80 web
    backend shop/web:80 web by http: 10.0.0.1:8080
    "#);
    insta::assert_snapshot!(shown(&translated(&[("web.yaml", &manifests)], &standalone())), @r#"
    warning: web.yaml: EndpointSlice shop/a: endpoints[1].addresses: 0.0.0.0 is not an address that can be connected to; it is left out
    warning: web.yaml: EndpointSlice shop/a: endpoints[2].addresses: 169.254.169.254 is a link-local address, where cloud metadata is; it is left out
    warning: web.yaml: EndpointSlice shop/a: endpoints[3].addresses: 224.0.0.1 is a multicast address; it is left out
    warning: web.yaml: EndpointSlice shop/a: endpoints[4].addresses: 255.255.255.255 is a broadcast address; it is left out
    warning: web.yaml: EndpointSlice shop/a: endpoints[6].addresses: fe80::1 is a link-local address, where cloud metadata is; it is left out
    warning: web.yaml: EndpointSlice shop/a: endpoints[7].addresses: "127.1" is not an IP address
    warning: web.yaml: EndpointSlice shop/a: endpoints[8].addresses: "localhost" is not an IP address
    warning: web.yaml: EndpointSlice shop/a: endpoints[9].addresses: 168.63.129.16 is where a cloud tells machines their secrets; it is left out
    warning: web.yaml: EndpointSlice shop/a: endpoints[10].addresses: 64:ff9b:1::a9fe:a9fe is a link-local address, where cloud metadata is; it is left out
    rule shop/web shop.example.com/ (Prefix) for Service web
      match shop.example.com prefix /
      version web weight 1 by backend shop/web:80 web
    backend shop/web:80 web by http: 10.0.0.1:8080, 127.0.0.1:8080
    "#);
}

#[test]
fn a_slice_without_the_port_or_the_service_is_reported() {
    insta::assert_snapshot!(outcome(&with(&[
        &slice("a", "IPv4", "[{port: 8080}]", "[{addresses: [10.0.0.1]}]"),
        &slice("b", "IPv4", "[{name: http, port: 8080}]", "[{addresses: [10.0.0.1]}]").replace("kubernetes.io/service-name: web", "app: web"),
    ])), @r#"
    warning: web.yaml: EndpointSlice shop/b: metadata.labels: the label kubernetes.io/service-name is missing, so it belongs to no Service
    warning: web.yaml: EndpointSlice shop/a: ports: no EndpointSlice of this Service has a TCP port named "http", as its Service port 80 is
    rule shop/web shop.example.com/ (Prefix) for Service web
      match shop.example.com prefix /
      version web weight 1 by backend shop/web:80 web
    backend shop/web:80 web by http: none
    "#);
}

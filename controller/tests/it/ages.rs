//! Who is older, where two want the same place.

use crate::support::{WEB, documents, ingress, outcome, service, shown, standalone, translated};

fn aged(name: &str, service: &str, created: &str) -> String {
    ingress(name, "shop.example.com", service, "").replace(
        "namespace: shop\n  annotations",
        &format!("namespace: shop\n  creationTimestamp: \"{created}\"\n  annotations"),
    )
}

#[test]
fn the_older_ingress_keeps_the_place() {
    insta::assert_snapshot!(outcome(&documents(&[
        &aged("new", "web", "2026-05-02T00:00:00Z"),
        &aged("old", "next", "2026-05-01T00:00:00Z"),
        WEB,
        &service("next", "10.0.1.1"),
    ])), @r#"
    warning: web.yaml: Ingress shop/new: spec.rules[0].http.paths[0]: "/" on shop.example.com is served already by Ingress shop/old, which is older; this one gets no requests
    rule shop/old shop.example.com/ (Prefix) for Service next
      match shop.example.com prefix /
      version next weight 1 by backend shop/next:80 next
    backend shop/next:80 next by http: 10.0.1.1:8080
    "#);
}

#[test]
fn without_creation_times_the_order_of_reading_is_the_age() {
    let files = [
        (
            "b.yaml",
            documents(&[&ingress("second", "shop.example.com", "web", ""), WEB]),
        ),
        ("a/z.yaml", ingress("first", "shop.example.com", "next", "")),
        ("c.yaml", service("next", "10.0.1.1")),
    ];
    let files: Vec<_> = files
        .iter()
        .map(|(name, text)| (*name, text.as_str()))
        .collect();
    insta::assert_snapshot!(shown(&translated(&files, &standalone())), @r#"
    warning: b.yaml: Ingress shop/second: spec.rules[0].http.paths[0]: "/" on shop.example.com is served already by Ingress shop/first, which is older; this one gets no requests
    rule shop/first shop.example.com/ (Prefix) for Service next
      match shop.example.com prefix /
      version next weight 1 by backend shop/next:80 next
    backend shop/next:80 next by http: 10.0.1.1:8080
    "#);
}

#[test]
fn equal_times_are_told_apart_by_name() {
    let time = "2026-05-01T00:00:00Z";
    insta::assert_snapshot!(outcome(&documents(&[
        &aged("b", "web", time),
        &aged("a", "next", time),
        WEB,
        &service("next", "10.0.1.1"),
    ])), @r#"
    warning: web.yaml: Ingress shop/b: spec.rules[0].http.paths[0]: "/" on shop.example.com is served already by Ingress shop/a, which is older; this one gets no requests
    rule shop/a shop.example.com/ (Prefix) for Service next
      match shop.example.com prefix /
      version next weight 1 by backend shop/next:80 next
    backend shop/next:80 next by http: 10.0.1.1:8080
    "#);
}

//! Certificates: which hosts get which, and what is wrong with those that none gets.

use crate::support::{WEB, changes, documents, ingress, mapping, outcome};
use rcgen::{CertifiedKey, generate_simple_self_signed};

/// A Secret with a new certificate for these names.
fn secret(name: &str, names: &[&str]) -> String {
    let CertifiedKey { cert, signing_key } = key(names);
    write_secret(name, &cert.pem(), &signing_key.serialize_pem())
}

fn key(names: &[&str]) -> CertifiedKey<rcgen::KeyPair> {
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    generate_simple_self_signed(names).expect("a certificate can be made for valid names")
}

fn write_secret(name: &str, chain: &str, key: &str) -> String {
    let entries = serde_json::json!({"tls.crt": chain, "tls.key": key});
    format!(
        "apiVersion: v1\nkind: Secret\ntype: kubernetes.io/tls\nmetadata: {{name: {name}, namespace: shop}}\nstringData: {entries}\n"
    )
}

/// Ingress `shop/NAME` for a host, with `spec.tls`.
fn secured(name: &str, host: &str, tls: &str, annotations: &str) -> String {
    ingress(name, host, "web", annotations).replace("spec:\n", &format!("spec:\n  tls: {tls}\n"))
}

#[test]
fn a_host_with_a_certificate_is_redirected_to() {
    let web = |tls: &str| {
        documents(&[
            &secured("web", "shop.example.com", tls, ""),
            WEB,
            &secret("shop-tls", &["shop.example.com"]),
            &secret("wild-tls", &["*.example.com"]),
            &secret("other-tls", &["other.example.org"]),
        ])
    };
    insta::assert_snapshot!(changes(&web("[]"), &[
        "[{hosts: [shop.example.com], secretName: shop-tls}]",
        "[{hosts: [\"*.example.com\"], secretName: wild-tls}]",
        "[{secretName: shop-tls}]",
        "[{hosts: [shop.example.com, more.example.com], secretName: shop-tls}]",
        "[{hosts: [shop.example.com], secretName: other-tls}]",
        "[{hosts: [shop.example.com], secretName: missing}]",
        "[{hosts: [shop.example.com]}]",
        "[{hosts: [other.example.com], secretName: wild-tls}]",
        "[{hosts: [shop.example.com], secretName: shop-tls}, {hosts: [shop.example.com], secretName: wild-tls}]",
        "[{hosts: [a_b], secretName: shop-tls}]",
    ], web), @r#"
    # [{hosts: [shop.example.com], secretName: shop-tls}]
    + https-redirect 308
    + certificate shop/shop-tls for shop.example.com
    # [{hosts: ["*.example.com"], secretName: wild-tls}]
    + https-redirect 308
    + certificate shop/wild-tls for *.example.com
    # [{secretName: shop-tls}]
    + https-redirect 308
    + certificate shop/shop-tls for shop.example.com
    # [{hosts: [shop.example.com, more.example.com], secretName: shop-tls}]
    + warning: web.yaml: Ingress shop/web: spec.tls[0].hosts: the certificate shop/shop-tls is not valid for "more.example.com"
    + https-redirect 308
    + certificate shop/shop-tls for shop.example.com, more.example.com
    # [{hosts: [shop.example.com], secretName: other-tls}]
    + warning: web.yaml: Ingress shop/web: spec.tls[0].hosts: the certificate shop/other-tls is not valid for "shop.example.com"
    + https-redirect 308
    + certificate shop/other-tls for shop.example.com
    # [{hosts: [shop.example.com], secretName: missing}]
    + warning: web.yaml: Ingress shop/web: spec.tls[0].secretName: there is no Secret shop/missing: its hosts get no https, and no redirect to it
    # [{hosts: [shop.example.com]}]
    + warning: web.yaml: Ingress shop/web: spec.tls[0].secretName: is missing: there is no certificate of ours to use instead, so these hosts get no https here
    # [{hosts: [other.example.com], secretName: wild-tls}]
    + certificate shop/wild-tls for other.example.com
    # [{hosts: [shop.example.com], secretName: shop-tls}, {hosts: [shop.example.com], secretName: wild-tls}]
    + warning: web.yaml: Ingress shop/web: spec.tls[1].hosts: "shop.example.com" has the certificate shop/shop-tls already, which stays
    + https-redirect 308
    + certificate shop/shop-tls for shop.example.com
    # [{hosts: [a_b], secretName: shop-tls}]
    + error: web.yaml: Ingress shop/web: spec.tls[0].hosts[0]: "a_b" is not a host name: labels of a-z, 0-9 and '-', or one "*." before them
    "#);
}

#[test]
fn the_redirect_can_be_refused() {
    let web = |annotation: &str| {
        let tls = "[{hosts: [shop.example.com], secretName: shop-tls}]";
        documents(&[
            &secured("web", "shop.example.com", tls, annotation),
            WEB,
            &secret("shop-tls", &["shop.example.com"]),
        ])
    };
    insta::assert_snapshot!(changes(&web(""), &["haldane.dev/ssl-redirect: \"false\""], web), @r#"
    # haldane.dev/ssl-redirect: "false"
    - https-redirect 308
    "#);
}

#[test]
fn certificates_without_a_host_are_for_all_other_names() {
    let default = "defaultBackend: {service: {name: web, port: {name: http}}}";
    let everywhere = format!(
        "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n  name: all\n  namespace: shop\n  annotations: {}\nspec: {{{default}, tls: [{{secretName: all-tls}}, {{hosts: [a.example.com], secretName: all-tls}}]}}\n",
        mapping("")
    );
    insta::assert_snapshot!(outcome(&documents(&[&everywhere, WEB, &secret("all-tls", &["a.example.com"])])), @r"
    rule shop/all */ (Prefix) for Service web
      match any host prefix /
      version web weight 1 by backend shop/web:80 web
      https-redirect 308
    backend shop/web:80 web by http: 10.0.0.1:8080, 10.0.0.2:8080
    certificate shop/all-tls by default for all other names
    certificate shop/all-tls for a.example.com
    ");
}

#[test]
fn a_broken_certificate_is_named_and_not_used() {
    let good = key(&["shop.example.com"]);
    let other = key(&["shop.example.com"]);
    let (chain, key) = (good.cert.pem(), good.signing_key.serialize_pem());
    let cases = [
        (
            "a key of another certificate",
            chain.clone(),
            other.signing_key.serialize_pem(),
        ),
        ("no key", chain.clone(), "nothing".to_owned()),
        ("no certificate", "nothing".to_owned(), key.clone()),
        (
            "half a certificate",
            chain.get(..200).unwrap_or_default().to_owned(),
            key,
        ),
    ];
    let mut text = String::new();
    for (what, chain, key) in cases {
        let tls = "[{hosts: [shop.example.com], secretName: shop-tls}]";
        let manifests = documents(&[
            &secured("web", "shop.example.com", tls, ""),
            WEB,
            &write_secret("shop-tls", &chain, &key),
        ]);
        let outcome = outcome(&manifests);
        let errors: Vec<_> = outcome
            .lines()
            .filter(|line| line.starts_with("error") || line.starts_with("cert"))
            .collect();
        text.push_str(&format!("# {what}\n{}\n", errors.join("\n")));
    }
    insta::assert_snapshot!(text, @r"
    # a key of another certificate
    error: web.yaml: Secret shop/shop-tls: data: tls.key is not the key of tls.crt; it is not used
    # no key
    error: web.yaml: Secret shop/shop-tls: data: tls.key holds no private key in PEM; it is not used
    # no certificate
    error: web.yaml: Secret shop/shop-tls: data: tls.crt holds no certificate in PEM; it is not used
    # half a certificate
    error: web.yaml: Secret shop/shop-tls: data: tls.crt holds no certificate in PEM; it is not used
    ");
}

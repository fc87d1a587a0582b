//! Which Ingresses are served.

use crate::support::{WEB, documents, ingress, standalone, translated};
use haldane_controller::Options;
use std::fmt::Write;

const CLASSES: &str = r#"
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: release}
spec: {controller: haldane.dev/ingress}
---
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: nginx}
spec: {controller: k8s.io/ingress-nginx}
"#;

const DEFAULT: &str = r#"
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: DEFAULT, annotations: {ingressclass.kubernetes.io/is-default-class: "true"}}
spec: {controller: haldane.dev/ingress}
"#;

/// Field, annotation, whether we are the default class; then who serves it.
fn served(field: &str, annotation: &str, default: bool, options: &Options) -> (bool, Vec<String>) {
    let annotations = match annotation {
        "" => String::new(),
        class => format!("kubernetes.io/ingress.class: {class}"),
    };
    let mut web = ingress("web", "shop.example.com", "web", &annotations);
    if !field.is_empty() {
        web = web.replace("spec:\n", &format!("spec:\n  ingressClassName: {field}\n"));
    }
    let mut texts = vec![web.as_str(), WEB, CLASSES];
    let ours = DEFAULT.replace("DEFAULT", "default-of-all");
    texts.extend(default.then_some(ours.as_str()));
    let translation = translated(&[("web.yaml", &documents(&texts))], options);
    let problems = translation
        .problems
        .iter()
        .map(ToString::to_string)
        .collect();
    (!translation.table.rules.is_empty(), problems)
}

#[test]
fn the_class_decides() {
    let beside = Options::default();
    let alone_options = standalone();
    let nginx = Options {
        class: "nginx".to_owned(),
        ..Options::default()
    };
    let cases = [
        ("haldane", "", false, true, true, false),
        ("release", "", false, true, true, true),
        ("nginx", "", false, false, false, true),
        ("unheard-of", "", false, false, false, false),
        ("", "haldane", false, true, true, false),
        ("", "nginx", false, false, false, true),
        ("", "", false, false, true, false),
        ("", "", true, true, true, true),
        ("", "nginx", true, false, false, true),
        ("haldane", "nginx", false, true, true, false),
        ("nginx", "haldane", false, false, false, true),
    ];
    for (field, annotation, default, in_cluster, alone, as_nginx) in cases {
        let seen = |options| served(field, annotation, default, options).0;
        let case = format!("{field:?} {annotation:?} {default}");
        assert_eq!(seen(&beside), in_cluster, "in a cluster: {case}");
        assert_eq!(seen(&alone_options), alone, "standalone: {case}");
        assert_eq!(seen(&nginx), as_nginx, "as nginx: {case}");
    }
}

#[test]
fn without_a_cluster_what_is_not_served_is_reported() {
    let mut text = String::new();
    for (field, annotation) in [("nginx", ""), ("haldane", "nginx")] {
        for problem in served(field, annotation, false, &standalone()).1 {
            writeln!(text, "{problem}").expect("writing to a String cannot fail");
        }
    }
    insta::assert_snapshot!(text, @r#"
    web.yaml: Ingress shop/web: spec.ingressClassName: class "nginx" is not served here, only "haldane"
    web.yaml: Ingress shop/web: metadata.annotations[kubernetes.io/ingress.class]: names class "nginx", but spec.ingressClassName "haldane" wins
    "#);
}

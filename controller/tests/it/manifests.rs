//! Reading: what is taken, what is passed over, and how faults are told.

use crate::support::{outcome, shown, standalone, translated};
use haldane_controller::read_manifests;
use proptest::prelude::*;

const CONFIG: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n";

fn faults(files: &[(&str, &str)]) -> String {
    shown(&translated(files, &standalone()))
}

#[test]
fn a_fault_names_file_object_and_field() {
    insta::assert_snapshot!(faults(&[
        ("a.yaml", "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: a, annotations: {haldane.dev/canary: true}}\n"),
        ("b.yaml", "apiVersion: v1\nkind: Service\nmetadata: {name: b, namespace: shop}\nspec: {ports: [{port: 80}, {port: web}]}\n"),
        ("c.yaml", "apiVersion: extensions/v1beta1\nkind: Ingress\nmetadata: {name: c}\n"),
        ("d.yaml", "apiVersion: v1\nkind: Service\nmetadata: {name: D_d}\n---\nkind: Service\nmetadata: {}\n"),
        ("e.yaml", "apiVersion: v1\nkind: Secret\nmetadata: {name: e}\ndata: {a: 7007007, b: \"%%%\"}\n"),
        ("f.yaml", "just text\n"),
        ("g.yaml", "a: [\n"),
        ("h.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: h\n"),
        ("i.json", "{\"kind\": \"Service\", "),
        ("j.yaml", "kind: Service\nkind: Pod\n"),
    ]), @r#"
    error: a.yaml: Ingress default/a: metadata.annotations.haldane.dev/canary: invalid type: boolean `true`, expected a string: put it in quotes
    error: b.yaml: Service shop/b: spec.ports[1].port: invalid type: string "web", expected i32
    error: c.yaml: Ingress default/c: invalid value: string "extensions/v1beta1", expected networking.k8s.io/v1
    error: d.yaml: Service default/D_d: metadata.name: "D_d" is not a name: only a-z, 0-9, '-' and '.', at most 253 characters
    error: d.yaml: Service in document 2: metadata.name: is missing
    error: e.yaml: Secret default/e: data.a: does not have the type that a Secret has here
    error: f.yaml: document 1: kind: is missing: this is no Kubernetes object
    error: g.yaml: document 1 is not YAML: unclosed bracket '[' at line 1, column 4
    error: h.yaml: document 1 is not YAML: unclosed bracket '{' at line 3, column 11
    error: i.json: document 1 is not JSON: EOF while parsing a value at line 1 column 20
    error: j.yaml: document 1 is not YAML: duplicate mapping key: kind not allowed here at line 2, column 1
    "#);
}

#[test]
fn fields_that_nobody_knows_are_reported() {
    insta::assert_snapshot!(outcome(r#"
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web, creationTimestamp: null}
spec:
  ingressClass: haldane
  ingressclassname: haldane
  rules:
  - hosts: a.example.com
    http: {paths: [{path: /, pathtype: Prefix, pathType: Prefix, backend: {serviceName: web, service: {name: web, port: {number: 80}}}}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {ports: [{port: 80, targetport: 8080}], quux: 1}
"#), @r#"
    warning: web.yaml: Ingress default/web: spec.ingressClass: is no field of this kind and is ignored; did you mean "ingressClassName"?
    warning: web.yaml: Ingress default/web: spec.ingressclassname: is no field of this kind and is ignored; did you mean "ingressClassName"?
    warning: web.yaml: Ingress default/web: spec.rules[0].hosts: is no field of this kind and is ignored; did you mean "host"?
    warning: web.yaml: Ingress default/web: spec.rules[0].http.paths[0].backend.serviceName: is no field of this kind and is ignored
    warning: web.yaml: Ingress default/web: spec.rules[0].http.paths[0].pathtype: is no field of this kind and is ignored; did you mean "pathType"?
    warning: web.yaml: Service default/web: spec.ports[0].targetport: is no field of this kind and is ignored; did you mean "targetPort"?
    warning: web.yaml: Service default/web: spec.quux: is no field of this kind and is ignored
    rule default/web */ (Prefix) for Service web
      match any host prefix /
      version web weight 1 by backend default/web:80 web
    backend default/web:80 web by http: none
    "#);
}

#[test]
fn a_list_stands_for_its_items() {
    insta::assert_snapshot!(outcome(r#"
apiVersion: v1
kind: List
items:
- {apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: web}, spec: {defaultBackend: {service: {name: web, port: {number: 80}}}}}
- {apiVersion: v1, kind: Service, metadata: {name: web}, spec: {ports: [{port: 80}]}}
"#), @r"
    rule default/web */ (Prefix) for Service web
      match any host prefix /
      version web weight 1 by backend default/web:80 web
    backend default/web:80 web by http: none
    ");
}

#[test]
fn other_kinds_are_passed_over() {
    insta::assert_snapshot!(faults(&[
        ("a.yaml", CONFIG),
        ("b.yaml", "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: a, namespace: shop}\n"),
        ("c.yaml", "---\n---\n# nothing\n---\n"),
        ("d.json", "{\"kind\": \"Deployment\"}\n{\"kind\": \"Namespace\"}"),
        ("README.md", "not a manifest: ["),
        (".hidden/a.yaml", "["),
        (".b.yaml", "["),
    ]), @r#"
    warning: b.yaml: HTTPRoute shop/a: kind: "HTTPRoute" is not read by this version
    "#);
}

#[test]
fn a_second_definition_is_ignored_and_reported() {
    let service = |port: u16| {
        format!(
            "apiVersion: v1\nkind: Service\nmetadata: {{name: web}}\nspec: {{ports: [{{port: {port}}}]}}\n"
        )
    };
    let ingress = "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: web}\nspec: {defaultBackend: {service: {name: web, port: {number: 80}}}}\n";
    insta::assert_snapshot!(faults(&[("a.yaml", &service(80)), ("b.yaml", &format!("{ingress}---\n{}", service(81)))]), @r"
    error: b.yaml: Service default/web: metadata.name: is already defined in a.yaml (document 1); this second definition is ignored
    rule default/web */ (Prefix) for Service web
      match any host prefix /
      version web weight 1 by backend default/web:80 web
    backend default/web:80 web by http: none
    ");
}

#[test]
fn a_path_that_is_not_there_is_reported() {
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let (objects, problems) = read_manifests(&[directory.path().join("gone")]);
    assert_eq!(objects, haldane_controller::Objects::default());
    let told: Vec<_> = problems
        .iter()
        .map(|problem| problem.message.as_str())
        .collect();
    assert!(
        matches!(told.as_slice(), [one] if one.starts_with("cannot be read")),
        "{told:?}"
    );
}

#[test]
fn aliases_cannot_blow_up() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let previous = level - 1;
        bomb.push_str(&format!(
            "a{level}: &a{level} [{}]\n",
            vec![format!("*a{previous}"); 10].join(", ")
        ));
    }
    let outcome = outcome(&bomb);
    assert!(outcome.contains("is not YAML"), "{outcome}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// Pieces of manifests in any order, and any text.
    #[test]
    fn no_text_makes_reading_fail(pieces in prop::collection::vec(prop_oneof![
        any::<String>(),
        prop::sample::select(vec!["kind: ", "Ingress\n", "Service\n", "Pod\n", "List\n", "items:\n", "- ", "spec:\n", "  ", "metadata: {name: a}\n",
            "ports: [{port: 80}]\n", "---\n", "&a ", "*a ", "<<: *a\n", "!!binary x\n", "{", "}", "[", "]", "\"", ": ", "|\n", "apiVersion: v1\n"]).prop_map(str::to_owned),
    ], 0..20)) {
        translated(&[("a.yaml", &pieces.concat())], &standalone());
    }
}

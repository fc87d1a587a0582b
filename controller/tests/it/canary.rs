//! Canary Ingresses: what they take, where they attach, and when they are refused.

use crate::support::{WEB, changes, documents, ingress, outcome, service};

/// A main with annotations of its own, and one canary beside it.
fn beside(main: &str, canary: &str) -> String {
    documents(&[
        &ingress("web", "shop.example.com", "web", main),
        &ingress("web-canary", "shop.example.com", "next", canary),
        WEB,
        &service("next", "10.0.1.1"),
    ])
}

/// What the canary's annotations change against a canary of weight 0. Each case is written without its prefix.
fn canaries(cases: &[&str]) -> String {
    let manifests = |case: &str| {
        let lines: Vec<_> = case
            .lines()
            .map(|line| format!("nginx.ingress.kubernetes.io/{line}"))
            .collect();
        beside("", &lines.join("\n"))
    };
    changes(&manifests("canary: \"true\""), cases, manifests)
}

#[test]
fn a_canary_takes_its_weight() {
    insta::assert_snapshot!(outcome(&beside("", "haldane.dev/canary: \"true\"\nhaldane.dev/canary-weight: \"10\"")), @r"
    rule shop/web shop.example.com/ (Prefix) for Service web
      match shop.example.com prefix /
      version web weight 9 by backend shop/web:80 web
      version next weight 1 by backend shop/next:80 next
    backend shop/next:80 next by http: 10.0.1.1:8080
    backend shop/web:80 web by http: 10.0.0.1:8080, 10.0.0.2:8080
    ");
}

#[test]
fn weights_have_a_total() {
    insta::assert_snapshot!(canaries(&[
        "canary: \"true\"\ncanary-weight: \"100\"",
        "canary: \"true\"\ncanary-weight: \"5\"\ncanary-weight-total: \"1000\"",
        "canary: \"true\"\ncanary-weight: \"5\"\ncanary-weight-total: \"10\"",
        "canary: \"true\"\ncanary-weight: \"1\"\ncanary-weight-total: \"10001\"",
        "canary: \"true\"\ncanary-weight: \"101\"",
        "canary: \"true\"\ncanary-weight: \"-1\"",
        "canary: \"true\"\ncanary-weight: \"50%\"",
        "canary: \"true\"\ncanary-weight: \"5.5\"",
        "canary: \"true\"\ncanary-weight: \"\"",
        "canary: \"true\"\ncanary-weight-total: many",
    ]), @r#"
    # canary: "true"
    # canary-weight: "100"
    - version web weight 1 by backend shop/web:80 web
    - version next weight 0 by backend shop/next:80 next
    + version web weight 0 by backend shop/web:80 web
    + version next weight 1 by backend shop/next:80 next
    # canary: "true"
    # canary-weight: "5"
    # canary-weight-total: "1000"
    - version web weight 1 by backend shop/web:80 web
    - version next weight 0 by backend shop/next:80 next
    + version web weight 199 by backend shop/web:80 web
    + version next weight 1 by backend shop/next:80 next
    # canary: "true"
    # canary-weight: "5"
    # canary-weight-total: "10"
    - version web weight 1 by backend shop/web:80 web
    - version next weight 0 by backend shop/next:80 next
    + version web weight 19 by backend shop/web:80 web
    + version next weight 1 by backend shop/next:80 next
    # canary: "true"
    # canary-weight: "1"
    # canary-weight-total: "10001"
    - version next weight 0 by backend shop/next:80 next
    - backend shop/next:80 next by http: 10.0.1.1:8080
    + error: web.yaml: Ingress shop/web-canary: metadata.annotations[nginx.ingress.kubernetes.io/canary-weight]: the shares repeat only after 10001 requests, at most 10000 are possible; the canary gets nothing here
    # canary: "true"
    # canary-weight: "101"
    - version next weight 0 by backend shop/next:80 next
    - backend shop/next:80 next by http: 10.0.1.1:8080
    + error: web.yaml: Ingress shop/web-canary: metadata.annotations[nginx.ingress.kubernetes.io/canary-weight]: "101" is not a whole number from 0 to 100
    # canary: "true"
    # canary-weight: "-1"
    - version next weight 0 by backend shop/next:80 next
    - backend shop/next:80 next by http: 10.0.1.1:8080
    + error: web.yaml: Ingress shop/web-canary: metadata.annotations[nginx.ingress.kubernetes.io/canary-weight]: "-1" is not a whole number from 0 to 100
    # canary: "true"
    # canary-weight: "50%"
    - version next weight 0 by backend shop/next:80 next
    - backend shop/next:80 next by http: 10.0.1.1:8080
    + error: web.yaml: Ingress shop/web-canary: metadata.annotations[nginx.ingress.kubernetes.io/canary-weight]: "50%" is not a whole number from 0 to 100
    # canary: "true"
    # canary-weight: "5.5"
    - version next weight 0 by backend shop/next:80 next
    - backend shop/next:80 next by http: 10.0.1.1:8080
    + error: web.yaml: Ingress shop/web-canary: metadata.annotations[nginx.ingress.kubernetes.io/canary-weight]: "5.5" is not a whole number from 0 to 100
    # canary: "true"
    # canary-weight: ""
    - version next weight 0 by backend shop/next:80 next
    - backend shop/next:80 next by http: 10.0.1.1:8080
    + error: web.yaml: Ingress shop/web-canary: metadata.annotations[nginx.ingress.kubernetes.io/canary-weight]: "" is not a whole number from 0 to 100
    # canary: "true"
    # canary-weight-total: many
    - version next weight 0 by backend shop/next:80 next
    - backend shop/next:80 next by http: 10.0.1.1:8080
    + error: web.yaml: Ingress shop/web-canary: metadata.annotations[nginx.ingress.kubernetes.io/canary-weight-total]: "many" is not a whole number from 0 to 1000000
    "#);
}

#[test]
fn headers_come_before_cookies_and_cookies_before_weights() {
    insta::assert_snapshot!(canaries(&[
        "canary: \"true\"\ncanary-by-header: X_Canary",
        "canary: \"true\"\ncanary-by-header: X-Canary\ncanary-by-header-value: seoul",
        "canary: \"true\"\ncanary-by-header: X-Canary\ncanary-by-header-pattern: ^(seoul|busan)$",
        "canary: \"true\"\ncanary-by-header: X-Canary\ncanary-by-header-value: a\ncanary-by-header-pattern: b",
        "canary: \"true\"\ncanary-by-cookie: beta",
        "canary: \"true\"\ncanary-by-cookie: beta\ncanary-by-header: X-Canary\ncanary-weight: \"20\"",
        "canary: \"true\"\ncanary-by-cookie: beta\ncanary-by-header: X-Canary\ncanary-by-header-value: a\ncanary-weight: \"20\"",
    ]), @r#"
    # canary: "true"
    # canary-by-header: X_Canary
    + force next if header x-canary = "always"
    + force web if header x-canary = "never"
    # canary: "true"
    # canary-by-header: X-Canary
    # canary-by-header-value: seoul
    + force next if header x-canary = "seoul"
    # canary: "true"
    # canary-by-header: X-Canary
    # canary-by-header-pattern: ^(seoul|busan)$
    + force next if header x-canary ~ "^(seoul|busan)$"
    # canary: "true"
    # canary-by-header: X-Canary
    # canary-by-header-value: a
    # canary-by-header-pattern: b
    + warning: web.yaml: Ingress shop/web-canary: metadata.annotations[nginx.ingress.kubernetes.io/canary-by-header-pattern]: has no effect beside canary-by-header-value
    + force next if header x-canary = "a"
    # canary: "true"
    # canary-by-cookie: beta
    + force next if cookie beta = "always"
    + force web if cookie beta = "never"
    # canary: "true"
    # canary-by-cookie: beta
    # canary-by-header: X-Canary
    # canary-weight: "20"
    - version web weight 1 by backend shop/web:80 web
    - version next weight 0 by backend shop/next:80 next
    + version web weight 4 by backend shop/web:80 web
    + version next weight 1 by backend shop/next:80 next
    + force next if header x-canary = "always"
    + force web if header x-canary = "never"
    + force next if cookie beta = "always"
    + force web if cookie beta = "never"
    # canary: "true"
    # canary-by-cookie: beta
    # canary-by-header: X-Canary
    # canary-by-header-value: a
    # canary-weight: "20"
    - version web weight 1 by backend shop/web:80 web
    - version next weight 0 by backend shop/next:80 next
    + version web weight 4 by backend shop/web:80 web
    + version next weight 1 by backend shop/next:80 next
    + force next if header x-canary = "a"
    + force next if cookie beta = "always"
    + force web if cookie beta = "never"
    "#);
}

#[test]
fn headers_and_cookies_are_checked_when_they_are_read() {
    insta::assert_snapshot!(canaries(&[
        "canary: \"true\"\ncanary-by-header: X Canary",
        "canary: \"true\"\ncanary-by-header-value: seoul",
        "canary: \"true\"\ncanary-by-header: X-Canary\ncanary-by-header-pattern: \"[][**da?$&*\"",
        "canary: \"true\"\ncanary-by-header: X-Canary\ncanary-by-header-pattern: (?=a)",
        "canary: \"true\"\ncanary-by-cookie: a b",
    ]), @r#"
    # canary: "true"
    # canary-by-header: X Canary
    - version next weight 0 by backend shop/next:80 next
    - backend shop/next:80 next by http: 10.0.1.1:8080
    + error: web.yaml: Ingress shop/web-canary: metadata.annotations[nginx.ingress.kubernetes.io/canary-by-header]: "X Canary" is not a header name
    # canary: "true"
    # canary-by-header-value: seoul
    - version next weight 0 by backend shop/next:80 next
    - backend shop/next:80 next by http: 10.0.1.1:8080
    + error: web.yaml: Ingress shop/web-canary: metadata.annotations[nginx.ingress.kubernetes.io/canary-by-header-value]: needs canary-by-header beside it, which names the header
    # canary: "true"
    # canary-by-header: X-Canary
    # canary-by-header-pattern: "[][**da?$&*"
    - version next weight 0 by backend shop/next:80 next
    - backend shop/next:80 next by http: 10.0.1.1:8080
    + error: web.yaml: Ingress shop/web-canary: metadata.annotations[nginx.ingress.kubernetes.io/canary-by-header-pattern]: "[][**da?$&*" is not a regular expression that can be used: unclosed character class
    # canary: "true"
    # canary-by-header: X-Canary
    # canary-by-header-pattern: (?=a)
    - version next weight 0 by backend shop/next:80 next
    - backend shop/next:80 next by http: 10.0.1.1:8080
    + error: web.yaml: Ingress shop/web-canary: metadata.annotations[nginx.ingress.kubernetes.io/canary-by-header-pattern]: "(?=a)" is not a regular expression that can be used: look-around, including look-ahead and look-behind, is not supported
    # canary: "true"
    # canary-by-cookie: a b
    - version next weight 0 by backend shop/next:80 next
    - backend shop/next:80 next by http: 10.0.1.1:8080
    + error: web.yaml: Ingress shop/web-canary: metadata.annotations[nginx.ingress.kubernetes.io/canary-by-cookie]: "a b" is not a cookie name
    "#);
}

#[test]
fn whoever_says_canary_must_say_whether() {
    insta::assert_snapshot!(canaries(&[
        "canary: ture",
        "canary: \"\"",
        "canary: T\ncanary-weight: \"10\"",
        "canary-weight: \"10\"",
        "canary: \"false\"\ncanary-weight: \"10\"",
        "canray: \"true\"",
    ]), @r#"
    # canary: ture
    - version next weight 0 by backend shop/next:80 next
    - backend shop/next:80 next by http: 10.0.1.1:8080
    + error: web.yaml: Ingress shop/web-canary: metadata.annotations[nginx.ingress.kubernetes.io/canary]: "ture" is neither "true" nor "false"
    # canary: ""
    - version next weight 0 by backend shop/next:80 next
    - backend shop/next:80 next by http: 10.0.1.1:8080
    + error: web.yaml: Ingress shop/web-canary: metadata.annotations[nginx.ingress.kubernetes.io/canary]: "" is neither "true" nor "false"
    # canary: T
    # canary-weight: "10"
    - version web weight 1 by backend shop/web:80 web
    - version next weight 0 by backend shop/next:80 next
    + version web weight 9 by backend shop/web:80 web
    + version next weight 1 by backend shop/next:80 next
    # canary-weight: "10"
    - version next weight 0 by backend shop/next:80 next
    - backend shop/next:80 next by http: 10.0.1.1:8080
    + error: web.yaml: Ingress shop/web-canary: metadata.annotations[nginx.ingress.kubernetes.io/canary-weight]: needs canary: "true" beside it; without, this would be an ordinary Ingress
    # canary: "false"
    # canary-weight: "10"
    - version next weight 0 by backend shop/next:80 next
    - backend shop/next:80 next by http: 10.0.1.1:8080
    + warning: web.yaml: Ingress shop/web-canary: metadata.annotations[nginx.ingress.kubernetes.io/canary-weight]: has no effect: canary is "false", so this is an ordinary Ingress
    + warning: web.yaml: Ingress shop/web-canary: spec.rules[0].http.paths[0]: "/" on shop.example.com is served already by Ingress shop/web, which is older; this one gets no requests
    # canray: "true"
    - version next weight 0 by backend shop/next:80 next
    - backend shop/next:80 next by http: 10.0.1.1:8080
    + error: web.yaml: Ingress shop/web-canary: metadata.annotations[nginx.ingress.kubernetes.io/canray]: is no annotation that Haldane knows; did you mean "canary"?
    "#);
}

#[test]
fn session_affinity_keeps_the_version_unless_told_otherwise() {
    let main = "nginx.ingress.kubernetes.io/affinity: cookie";
    let canary = "nginx.ingress.kubernetes.io/canary: \"true\"";
    let manifests = |case: &str| beside(main, &format!("{canary}\n{case}"));
    insta::assert_snapshot!(changes(&beside("", canary), &[
        "nginx.ingress.kubernetes.io/affinity-canary-behavior: sticky",
        "nginx.ingress.kubernetes.io/affinity-canary-behavior: legacy",
        "nginx.ingress.kubernetes.io/affinity-canary-behavior: none",
    ], manifests), @r#"
    # nginx.ingress.kubernetes.io/affinity-canary-behavior: sticky
    + sticky cookie INGRESSCOOKIE-version
    + affinity cookie INGRESSCOOKIE path /
    # nginx.ingress.kubernetes.io/affinity-canary-behavior: legacy
    + affinity cookie INGRESSCOOKIE path /
    # nginx.ingress.kubernetes.io/affinity-canary-behavior: none
    - version next weight 0 by backend shop/next:80 next
    - backend shop/next:80 next by http: 10.0.1.1:8080
    + error: web.yaml: Ingress shop/web-canary: metadata.annotations[nginx.ingress.kubernetes.io/affinity-canary-behavior]: "none" is not one of sticky, legacy
    + affinity cookie INGRESSCOOKIE path /
    "#);
}

#[test]
fn canaries_add_up_and_the_one_too_many_is_refused() {
    let canary = |name: &str, weight: u8| {
        let annotations = format!(
            "nginx.ingress.kubernetes.io/canary: \"true\"\nnginx.ingress.kubernetes.io/canary-weight: \"{weight}\""
        );
        ingress(name, "shop.example.com", name, &annotations)
    };
    insta::assert_snapshot!(outcome(&documents(&[
        &ingress("web", "shop.example.com", "web", ""),
        &canary("one", 10),
        &canary("two", 60),
        &canary("three", 31),
        &canary("four", 30),
        WEB,
        &service("one", "10.0.1.1"),
        &service("two", "10.0.2.1"),
        &service("three", "10.0.3.1"),
        &service("four", "10.0.4.1"),
    ])), @r"
    error: web.yaml: Ingress shop/three: metadata.annotations[nginx.ingress.kubernetes.io/canary-weight]: together with the older canaries of this rule it asks for more than 100 %; the canary gets nothing here
    rule shop/web shop.example.com/ (Prefix) for Service web
      match shop.example.com prefix /
      version web weight 0 by backend shop/web:80 web
      version one weight 1 by backend shop/one:80 one
      version two weight 6 by backend shop/two:80 two
      version four weight 3 by backend shop/four:80 four
    backend shop/four:80 four by http: 10.0.4.1:8080
    backend shop/one:80 one by http: 10.0.1.1:8080
    backend shop/two:80 two by http: 10.0.2.1:8080
    backend shop/web:80 web by http: 10.0.0.1:8080, 10.0.0.2:8080
    ");
}

#[test]
fn a_canary_takes_from_all_versions_of_its_main() {
    let pods = r#"
apiVersion: v1
kind: Pod
metadata: {name: NAME, namespace: shop, labels: {app: web, version: "VERSION"}}
status: {podIP: ADDRESS}
"#;
    let pod = |name: &str, version: &str, address: &str| {
        pods.replace("NAME", name)
            .replace("VERSION", version)
            .replace("ADDRESS", address)
    };
    let web = r#"
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop, annotations: {haldane.dev/weights: "1=3, 2=1"}}
spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: 8080}]}
"#;
    let canary = "nginx.ingress.kubernetes.io/canary: \"true\"\nnginx.ingress.kubernetes.io/canary-weight: \"20\"\n\
        nginx.ingress.kubernetes.io/canary-by-cookie: beta";
    insta::assert_snapshot!(outcome(&documents(&[
        &ingress("web", "shop.example.com", "web", ""),
        &ingress("web-canary", "shop.example.com", "next", canary),
        web,
        &pod("a", "1", "10.0.0.1"),
        &pod("b", "2", "10.0.0.2"),
        &service("next", "10.0.1.1"),
    ])), @r#"
    rule shop/web shop.example.com/ (Prefix) for Service web
      match shop.example.com prefix /
      version 1 weight 3 by backend shop/web:80 1
      version 2 weight 1 by backend shop/web:80 2
      version next weight 1 by backend shop/next:80 next
      force next if cookie beta = "always"
      force 1 if cookie beta = "never"
    backend shop/next:80 next by http: 10.0.1.1:8080
    backend shop/web:80 1 by http: 10.0.0.1:8080
    backend shop/web:80 2 by http: 10.0.0.2:8080
    "#);
}

/// A main with paths of each type, and an alias.
const MAIN: &str = r#"
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web, namespace: shop, annotations: {nginx.ingress.kubernetes.io/server-alias: alias.example.com}}
spec:
  rules:
  - host: shop.example.com
    http:
      paths:
      - {path: /a, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}
      - {path: /b, pathType: Exact, backend: {service: {name: web, port: {number: 80}}}}
      - {pathType: ImplementationSpecific, backend: {service: {name: web, port: {number: 80}}}}
  - host: "*.example.com"
    http:
      paths:
      - {path: /a, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}
"#;

/// A canary by namespace, host, path type, path and Service.
fn canary(case: &str) -> String {
    let mut words = case.split_whitespace();
    let mut word = || words.next().unwrap_or_default().to_owned();
    let (namespace, host, kind, path, service) = (word(), word(), word(), word(), word());
    format!(
        r#"
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {{name: canary, namespace: {namespace}, annotations: {{haldane.dev/canary: "true", haldane.dev/canary-weight: "10"}}}}
spec:
  rules:
  - host: "{host}"
    http:
      paths:
      - {{path: {path}, pathType: {kind}, backend: {{service: {{name: {service}, port: {{number: 80}}}}}}}}
"#
    )
}

#[test]
fn a_canary_attaches_to_its_own_host_and_path_alone() {
    let manifests =
        |case: &str| documents(&[MAIN, &canary(case), WEB, &service("next", "10.0.1.1")]);
    let plain = documents(&[MAIN, WEB, &service("next", "10.0.1.1")]);
    insta::assert_snapshot!(changes(&plain, &[
        "shop shop.example.com Prefix /a next",
        "shop shop.example.com ImplementationSpecific /a next",
        "shop shop.example.com Exact /a next",
        "shop shop.example.com Exact /b next",
        "shop shop.example.com Prefix / next",
        "shop shop.example.com Prefix /a/ next",
        "shop shop.example.com Prefix /a/b next",
        "shop SHOP.example.com Prefix /a next",
        "shop *.example.com Prefix /a next",
        "shop x.example.com Prefix /a next",
        "shop alias.example.com Prefix /a next",
        "shop shop.example.com Prefix /a web",
        "shop shop.example.com Prefix /a missing",
        "other shop.example.com Prefix /a next",
    ], manifests), @r#"
    # shop shop.example.com Prefix /a next
    + version web weight 9 by backend shop/web:80 web
    + version next weight 1 by backend shop/next:80 next
    + backend shop/next:80 next by http: 10.0.1.1:8080
    # shop shop.example.com ImplementationSpecific /a next
    + version web weight 9 by backend shop/web:80 web
    + version next weight 1 by backend shop/next:80 next
    + backend shop/next:80 next by http: 10.0.1.1:8080
    # shop shop.example.com Exact /a next
    + warning: web.yaml: Ingress shop/canary: spec.rules[0].http.paths[0]: no Ingress serves "/a" on shop.example.com with this pathType, so there is nothing to be a canary of
    # shop shop.example.com Exact /b next
    + version web weight 9 by backend shop/web:80 web
    + version next weight 1 by backend shop/next:80 next
    + backend shop/next:80 next by http: 10.0.1.1:8080
    # shop shop.example.com Prefix / next
    + version web weight 9 by backend shop/web:80 web
    + version next weight 1 by backend shop/next:80 next
    + backend shop/next:80 next by http: 10.0.1.1:8080
    # shop shop.example.com Prefix /a/ next
    + warning: web.yaml: Ingress shop/canary: spec.rules[0].http.paths[0]: no Ingress serves "/a/" on shop.example.com with this pathType, so there is nothing to be a canary of
    # shop shop.example.com Prefix /a/b next
    + warning: web.yaml: Ingress shop/canary: spec.rules[0].http.paths[0]: no Ingress serves "/a/b" on shop.example.com with this pathType, so there is nothing to be a canary of
    # shop SHOP.example.com Prefix /a next
    + version web weight 9 by backend shop/web:80 web
    + version next weight 1 by backend shop/next:80 next
    + backend shop/next:80 next by http: 10.0.1.1:8080
    # shop *.example.com Prefix /a next
    + version web weight 9 by backend shop/web:80 web
    + version next weight 1 by backend shop/next:80 next
    + backend shop/next:80 next by http: 10.0.1.1:8080
    # shop x.example.com Prefix /a next
    + warning: web.yaml: Ingress shop/canary: spec.rules[0].http.paths[0]: no Ingress serves "/a" on x.example.com with this pathType, so there is nothing to be a canary of
    # shop alias.example.com Prefix /a next
    + warning: web.yaml: Ingress shop/canary: spec.rules[0].http.paths[0]: no Ingress serves "/a" on alias.example.com by a rule of its own (an alias is no rule)
    # shop shop.example.com Prefix /a web
    # shop shop.example.com Prefix /a missing
    + error: web.yaml: Ingress shop/canary: spec.rules[0].http.paths[0].backend: there is no Service shop/missing; the canary gets nothing here
    # other shop.example.com Prefix /a next
    + error: web.yaml: Ingress other/canary: spec.rules[0].http.paths[0]: "/a" on shop.example.com belongs to Ingress shop/web: a canary must be in its main's namespace
    "#);
}

#[test]
fn the_paths_that_match_work_and_the_others_are_reported() {
    let canary = r#"
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: canary
  namespace: shop
  annotations: {haldane.dev/canary: "true", haldane.dev/canary-by-header: X-Beta, haldane.dev/whitelist-source-range: garbage}
spec:
  defaultBackend: {service: {name: next, port: {name: http}}}
  rules:
  - host: shop.example.com
    http:
      paths:
      - {path: /nowhere, pathType: Prefix, backend: {service: {name: next, port: {name: http}}}}
      - {path: /, pathType: Prefix, backend: {service: {name: next, port: {name: http}}}}
  - host: nobody.example.com
"#;
    insta::assert_snapshot!(outcome(&documents(&[
        canary,
        &ingress("web", "shop.example.com", "web", ""),
        WEB,
        &service("next", "10.0.1.1"),
    ])), @r#"
    warning: web.yaml: Ingress shop/canary: spec.rules[0].http.paths[0]: no Ingress serves "/nowhere" on shop.example.com with this pathType, so there is nothing to be a canary of
    warning: web.yaml: Ingress shop/canary: spec.defaultBackend: no Ingress serves "/" on every host with this pathType, so there is nothing to be a canary of
    rule shop/web shop.example.com/ (Prefix) for Service web
      match shop.example.com prefix /
      version web weight 1 by backend shop/web:80 web
      version next weight 0 by backend shop/next:80 next
      force next if header x-beta = "always"
      force web if header x-beta = "never"
    backend shop/next:80 next by http: 10.0.1.1:8080
    backend shop/web:80 web by http: 10.0.0.1:8080, 10.0.0.2:8080
    "#);
}

#[test]
fn a_canary_without_endpoints_and_a_main_without_endpoints_keep_their_shares() {
    let empty = |name: &str| service(name, "").replace("[{addresses: []}]", "[]");
    let canary = "haldane.dev/canary: \"true\"\nhaldane.dev/canary-weight: \"10\"";
    insta::assert_snapshot!(outcome(&documents(&[
        &ingress("web", "shop.example.com", "web", ""),
        &ingress("web-canary", "shop.example.com", "next", canary),
        &empty("web"),
        &empty("next"),
    ])), @r"
    rule shop/web shop.example.com/ (Prefix) for Service web
      match shop.example.com prefix /
      version web weight 9 by backend shop/web:80 web
      version next weight 1 by backend shop/next:80 next
    backend shop/next:80 next by http: none
    backend shop/web:80 web by http: none
    ");
}

//! Hosts, paths and who owns them.

use crate::support::{WEB, changes, documents, ingress, outcome, service};

/// Ingress `NAMESPACE/NAME` with the given annotations and spec, all in one line each.
fn written(name: &str, annotations: &str, spec: &str) -> String {
    let (namespace, name) = name.split_once('/').unwrap_or(("shop", name));
    format!(
        "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {{name: {name}, namespace: {namespace}, annotations: {{{annotations}}}}}\nspec: {spec}\n"
    )
}

const TO_WEB: &str = "backend: {service: {name: web, port: {number: 80}}}";

fn rule(host: &str, paths: &[(&str, &str)]) -> String {
    let paths: Vec<_> = paths
        .iter()
        .map(|(kind, path)| format!("{{path: {path:?}, pathType: {kind}, {TO_WEB}}}"))
        .collect();
    format!(
        "{{host: {host:?}, http: {{paths: [{}]}}}}",
        paths.join(", ")
    )
}

#[test]
fn hosts_and_path_types() {
    let spec = format!(
        "{{rules: [{}, {}, {}]}}",
        rule(
            "Shop.Example.com",
            &[
                ("Exact", "/a"),
                ("Prefix", "/a"),
                ("Prefix", "/b/"),
                ("ImplementationSpecific", "/c")
            ]
        ),
        rule("*.example.com", &[("Prefix", "/")]),
        rule("", &[("Prefix", "/any")]),
    );
    insta::assert_snapshot!(outcome(&documents(&[&written("web", "", &spec), WEB])), @r"
    rule shop/web shop.example.com/a (Exact) for Service web
      match shop.example.com exact /a
      version web weight 1 by backend shop/web:80 web
    rule shop/web shop.example.com/a (Prefix) for Service web
      match shop.example.com prefix /a
      version web weight 1 by backend shop/web:80 web
    rule shop/web shop.example.com/b/ (Prefix) for Service web
      match shop.example.com prefix /b
      version web weight 1 by backend shop/web:80 web
    rule shop/web shop.example.com/c (Prefix) for Service web
      match shop.example.com prefix /c
      version web weight 1 by backend shop/web:80 web
    rule shop/web *.example.com/ (Prefix) for Service web
      match *.example.com prefix /
      version web weight 1 by backend shop/web:80 web
    rule shop/web */any (Prefix) for Service web
      match any host prefix /any
      version web weight 1 by backend shop/web:80 web
    backend shop/web:80 web by http: 10.0.0.1:8080, 10.0.0.2:8080
    ");
}

#[test]
fn a_default_backend_gets_what_no_path_does() {
    let default = "defaultBackend: {service: {name: next, port: {name: http}}}";
    let alone = written("web", "", &format!("{{{default}}}"));
    let rules = format!(
        "{{{default}, rules: [{}, {}, {{host: bare.example.com}}]}}",
        rule("a.example.com", &[("Prefix", "/x")]),
        rule("b.example.com", &[("Prefix", "/")])
    );
    let with_rules = written("web", "", &rules);
    let next = service("next", "10.0.1.1");
    insta::assert_snapshot!(outcome(&documents(&[&alone, &next])), @r"
    rule shop/web */ (Prefix) for Service next
      match any host prefix /
      version next weight 1 by backend shop/next:80 next
    backend shop/next:80 next by http: 10.0.1.1:8080
    ");
    insta::assert_snapshot!(outcome(&documents(&[&with_rules, WEB, &next])), @r"
    rule shop/web a.example.com/x (Prefix) for Service web
      match a.example.com prefix /x
      version web weight 1 by backend shop/web:80 web
    rule shop/web b.example.com/ (Prefix) for Service web
      match b.example.com prefix /
      version web weight 1 by backend shop/web:80 web
    rule shop/web a.example.com/ (Prefix) for Service next
      match a.example.com prefix /
      version next weight 1 by backend shop/next:80 next
    rule shop/web bare.example.com/ (Prefix) for Service next
      match bare.example.com prefix /
      version next weight 1 by backend shop/next:80 next
    rule shop/web */ (Prefix) for Service next
      match any host prefix /
      version next weight 1 by backend shop/next:80 next
    backend shop/next:80 next by http: 10.0.1.1:8080
    backend shop/web:80 web by http: 10.0.0.1:8080, 10.0.0.2:8080
    ");
    insta::assert_snapshot!(outcome(&documents(&[&alone, &with_rules.replace("name: web, namespace", "name: late, namespace"), WEB, &next])), @r#"
    warning: web.yaml: Ingress shop/late: spec.defaultBackend: "/" on every host is served already by Ingress shop/web, which is older; this one gets no requests
    rule shop/late a.example.com/x (Prefix) for Service web
      match a.example.com prefix /x
      version web weight 1 by backend shop/web:80 web
    rule shop/late b.example.com/ (Prefix) for Service web
      match b.example.com prefix /
      version web weight 1 by backend shop/web:80 web
    rule shop/web */ (Prefix) for Service next
      match any host prefix /
      version next weight 1 by backend shop/next:80 next
    rule shop/late a.example.com/ (Prefix) for Service next
      match a.example.com prefix /
      version next weight 1 by backend shop/next:80 next
    rule shop/late bare.example.com/ (Prefix) for Service next
      match bare.example.com prefix /
      version next weight 1 by backend shop/next:80 next
    backend shop/next:80 next by http: 10.0.1.1:8080
    backend shop/web:80 web by http: 10.0.0.1:8080, 10.0.0.2:8080
    "#);
}

#[test]
fn one_place_has_one_owner() {
    let one = written(
        "one",
        "",
        &format!(
            "{{rules: [{}]}}",
            rule("a.example.com", &[("Prefix", "/x"), ("Prefix", "/x")])
        ),
    );
    let two = written(
        "other/two",
        "",
        &format!(
            "{{rules: [{}]}}",
            rule(
                "a.example.com",
                &[("ImplementationSpecific", "/x"), ("Exact", "/x")]
            )
        ),
    );
    insta::assert_snapshot!(outcome(&documents(&[&one, &two, WEB])), @r#"
    warning: web.yaml: Ingress shop/one: spec.rules[0].http.paths[1]: "/x" on a.example.com is served already by another rule of this Ingress; this one gets no requests
    warning: web.yaml: Ingress other/two: spec.rules[0].http.paths[0]: "/x" on a.example.com is served already by Ingress shop/one, which is older; this one gets no requests
    error: web.yaml: Ingress other/two: spec.rules[0].http.paths[1].backend: there is no Service other/web; requests get 503
    rule shop/one a.example.com/x (Prefix) for Service web
      match a.example.com prefix /x
      version web weight 1 by backend shop/web:80 web
    rule other/two a.example.com/x (Exact)
      match a.example.com exact /x
      respond 503 "no service"
    backend shop/web:80 web by http: 10.0.0.1:8080, 10.0.0.2:8080
    "#);
}

#[test]
fn regular_expressions_are_for_a_whole_host_of_one_namespace() {
    let one = written(
        "one",
        "haldane.dev/use-regex: \"true\"",
        &format!(
            "{{rules: [{}]}}",
            rule("a.example.com", &[("ImplementationSpecific", "/x/[0-9]+")])
        ),
    );
    let two = written(
        "two",
        "",
        &format!(
            "{{rules: [{}]}}",
            rule("a.example.com", &[("Exact", "/y.html"), ("Prefix", "/")])
        ),
    );
    let three = written(
        "other/three",
        "",
        &format!(
            "{{rules: [{}]}}",
            rule(
                "a.example.com",
                &[("Exact", "/z"), ("Prefix", "/x.y"), ("Prefix", "/w")]
            )
        ),
    );
    let four = written(
        "four",
        "",
        &format!(
            "{{rules: [{}]}}",
            rule("b.example.com", &[("Prefix", "/x.y")])
        ),
    );
    let elsewhere = WEB.replace("namespace: shop", "namespace: other");
    insta::assert_snapshot!(outcome(&documents(&[&one, &two, &three, &four, WEB, &elsewhere])), @r#"
    warning: web.yaml: Ingress shop/two: spec.rules[0].http.paths[0]: "/y.html" is matched as a regular expression, without case, because Ingress shop/one asks for that on a.example.com
    warning: web.yaml: Ingress shop/two: spec.rules[0].http.paths[1]: "/" is matched as a regular expression, without case, because Ingress shop/one asks for that on a.example.com
    rule shop/one a.example.com/x/[0-9]+ (Prefix) for Service web
      match a.example.com regex /x/[0-9]+ without case
      version web weight 1 by backend shop/web:80 web
    rule shop/two a.example.com/y.html (Exact) for Service web
      match a.example.com regex /y.html without case
      version web weight 1 by backend shop/web:80 web
    rule shop/two a.example.com/ (Prefix) for Service web
      match a.example.com regex / without case
      version web weight 1 by backend shop/web:80 web
    rule other/three a.example.com/z (Exact) for Service web
      match a.example.com exact /z
      version web weight 1 by backend other/web:80 web
    rule other/three a.example.com/x.y (Prefix) for Service web
      match a.example.com regex /x\.y(/|$)
      version web weight 1 by backend other/web:80 web
    rule other/three a.example.com/w (Prefix) for Service web
      match a.example.com regex /w(/|$)
      version web weight 1 by backend other/web:80 web
    rule shop/four b.example.com/x.y (Prefix) for Service web
      match b.example.com prefix /x.y
      version web weight 1 by backend shop/web:80 web
    backend other/web:80 web by http: 10.0.0.1:8080, 10.0.0.2:8080
    backend shop/web:80 web by http: 10.0.0.1:8080, 10.0.0.2:8080
    "#);
}

#[test]
fn groups_of_a_path_are_used_to_rewrite_it() {
    let spec = |path: &str| {
        format!(
            "{{rules: [{}]}}",
            rule("a.example.com", &[("ImplementationSpecific", path)])
        )
    };
    let manifests = |path: &str| {
        documents(&[
            &written("web", "haldane.dev/rewrite-target: /$2", &spec(path)),
            WEB,
        ])
    };
    insta::assert_snapshot!(changes(&manifests("/x(/|$)(.*)"), &["/x(/|$)", "/x", "/x(?=/)(.*)", "/x(", "/x)|(y"], manifests), @r#"
    # /x(/|$)
    - rule shop/web a.example.com/x(/|$)(.*) (Prefix) for Service web
    - match a.example.com regex /x(/|$)(.*) without case
    - rewrite path to /$2
    + warning: web.yaml: Ingress shop/web: spec.rules[0].http.paths[0]: "/x(/|$)" has 1 groups, so "/$2" means "/" here
    + rule shop/web a.example.com/x(/|$) (Prefix) for Service web
    + match a.example.com regex /x(/|$) without case
    + rewrite path to /
    # /x
    - rule shop/web a.example.com/x(/|$)(.*) (Prefix) for Service web
    - match a.example.com regex /x(/|$)(.*) without case
    - rewrite path to /$2
    + warning: web.yaml: Ingress shop/web: spec.rules[0].http.paths[0]: "/x" has 0 groups, so "/$2" means "/" here
    + rule shop/web a.example.com/x (Prefix) for Service web
    + match a.example.com regex /x without case
    + rewrite path to /
    # /x(?=/)(.*)
    - everything
    + error: web.yaml: Ingress shop/web: spec.rules[0].http.paths[0]: "/x(?=/)(.*)" is not a regular expression that can be used: look-around, including look-ahead and look-behind, is not supported
    # /x(
    - everything
    + error: web.yaml: Ingress shop/web: spec.rules[0].http.paths[0]: "/x(" is not a regular expression that can be used: unclosed group
    # /x)|(y
    - everything
    + error: web.yaml: Ingress shop/web: spec.rules[0].http.paths[0]: "/x)|(y" is not a regular expression that can be used: unopened group
    "#);
}

#[test]
fn what_an_ingress_adds_does_not_take_the_place_of_what_is_written() {
    let annotations = "haldane.dev/app-root: /start, haldane.dev/server-alias: \"b.example.com, old.example.com\", haldane.dev/from-to-www-redirect: \"true\"";
    let one = written(
        "one",
        annotations,
        &format!(
            "{{rules: [{}, {}]}}",
            rule("a.example.com", &[("Exact", "/"), ("Prefix", "/")]),
            rule("www.c.example.com", &[("Prefix", "/")])
        ),
    );
    let two = written(
        "two",
        "",
        &format!(
            "{{rules: [{}, {}]}}",
            rule("b.example.com", &[("Prefix", "/")]),
            rule("www.a.example.com", &[("Prefix", "/")])
        ),
    );
    insta::assert_snapshot!(outcome(&documents(&[&one, &two, WEB])), @r#"
    warning: web.yaml: Ingress shop/one: spec.rules[0].http.paths[0]: "/" on a.example.com is served already by another rule of this Ingress; this one gets no requests
    warning: web.yaml: Ingress shop/one: metadata.annotations[haldane.dev/server-alias]: "/" on b.example.com is served already by Ingress shop/two, which is older; this one gets no requests
    rule shop/one a.example.com/ (app-root)
      match a.example.com exact /
      redirect 302 path /start
    rule shop/one www.c.example.com/ (app-root)
      match www.c.example.com exact /
      redirect 302 path /start
    rule shop/one a.example.com/ (Prefix) for Service web
      match a.example.com prefix /
      match old.example.com prefix /
      version web weight 1 by backend shop/web:80 web
    rule shop/one www.c.example.com/ (Prefix) for Service web
      match www.c.example.com prefix /
      version web weight 1 by backend shop/web:80 web
    rule shop/two b.example.com/ (Prefix) for Service web
      match b.example.com prefix /
      version web weight 1 by backend shop/web:80 web
    rule shop/two www.a.example.com/ (Prefix) for Service web
      match www.a.example.com prefix /
      version web weight 1 by backend shop/web:80 web
    rule shop/one c.example.com/ (www)
      match c.example.com prefix /
      redirect 308 host www.c.example.com
    backend shop/web:80 web by http: 10.0.0.1:8080, 10.0.0.2:8080
    "#);
}

#[test]
fn a_redirect_needs_no_service() {
    let one = written(
        "one",
        "haldane.dev/permanent-redirect: \"https://new.example.com/\"",
        &format!("{{rules: [{}]}}", rule("a.example.com", &[("Prefix", "/")])),
    );
    insta::assert_snapshot!(outcome(&one), @r"
    rule shop/one a.example.com/ (Prefix)
      match a.example.com prefix /
      redirect 301 to https://new.example.com/
    ");
}

#[test]
fn an_invalid_ingress_is_left_out_whole() {
    let good = ingress("good", "good.example.com", "web", "");
    let manifests = |spec: &str| documents(&[&good, &written("bad", "", spec), WEB]);
    let plain = documents(&[&good, WEB]);
    let cases = [
        "{}",
        "{rules: [{host: a_b.example.com}]}",
        "{rules: [{host: 10.0.0.1}]}",
        "{rules: [{host: a.example.com, http: {paths: [{path: x, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}}]}",
        "{rules: [{host: a.example.com, http: {paths: [{path: /x?y, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}}]}",
        "{rules: [{host: a.example.com, http: {paths: [{path: /x, pathType: Regex, backend: {service: {name: web, port: {number: 80}}}}]}}]}",
        "{rules: [{host: a.example.com, http: {paths: [{path: /x, backend: {service: {name: web, port: {number: 80}}}}]}}]}",
        "{rules: [{host: a.example.com}]}",
        "{rules: [{host: a.example.com, http: {paths: [{path: /x, pathType: Prefix, backend: {resource: {kind: Bucket, name: x}}}]}}]}",
        "{rules: [{host: a.example.com, http: {paths: [{path: /x, pathType: Prefix, backend: {service: {name: gone, port: {number: 80}}}}]}}]}",
    ];
    insta::assert_snapshot!(changes(&plain, &cases, manifests), @r#"
    # {}
    + error: web.yaml: Ingress shop/bad: spec: has neither rules nor a defaultBackend
    # {rules: [{host: a_b.example.com}]}
    + error: web.yaml: Ingress shop/bad: spec.rules[0].host: "a_b.example.com" is not a host name: labels of a-z, 0-9 and '-', or one "*." before them
    # {rules: [{host: 10.0.0.1}]}
    + error: web.yaml: Ingress shop/bad: spec.rules[0].host: "10.0.0.1" is not a host name: labels of a-z, 0-9 and '-', or one "*." before them
    # {rules: [{host: a.example.com, http: {paths: [{path: x, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}}]}
    + error: web.yaml: Ingress shop/bad: spec.rules[0].http.paths[0].path: "x" does not start with '/'
    # {rules: [{host: a.example.com, http: {paths: [{path: /x?y, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}}]}
    + error: web.yaml: Ingress shop/bad: spec.rules[0].http.paths[0]: "/x?y" is not a path: it starts with '/' and has no blanks, '?' or '#'
    # {rules: [{host: a.example.com, http: {paths: [{path: /x, pathType: Regex, backend: {service: {name: web, port: {number: 80}}}}]}}]}
    + error: web.yaml: Ingress shop/bad: spec.rules[0].http.paths[0].pathType: "Regex" is not one of Exact, Prefix, ImplementationSpecific
    # {rules: [{host: a.example.com, http: {paths: [{path: /x, backend: {service: {name: web, port: {number: 80}}}}]}}]}
    + error: web.yaml: Ingress shop/bad: spec.rules[0].http.paths[0].pathType: is missing: Exact, Prefix or ImplementationSpecific
    # {rules: [{host: a.example.com}]}
    + warning: web.yaml: Ingress shop/bad: spec.defaultBackend: the rule for "a.example.com" has no paths, and there is no default backend: it does nothing
    # {rules: [{host: a.example.com, http: {paths: [{path: /x, pathType: Prefix, backend: {resource: {kind: Bucket, name: x}}}]}}]}
    + error: web.yaml: Ingress shop/bad: spec.rules[0].http.paths[0].backend: names no Service, and other resources are not supported; requests get 503
    + rule shop/bad a.example.com/x (Prefix)
    + match a.example.com prefix /x
    + respond 503 "no service"
    # {rules: [{host: a.example.com, http: {paths: [{path: /x, pathType: Prefix, backend: {service: {name: gone, port: {number: 80}}}}]}}]}
    + error: web.yaml: Ingress shop/bad: spec.rules[0].http.paths[0].backend: there is no Service shop/gone; requests get 503
    + rule shop/bad a.example.com/x (Prefix)
    + match a.example.com prefix /x
    + respond 503 "no service"
    "#);
}

//! Which rule a request falls under, case by case.

use crate::support::{Request, build, rule, rules};
use haldane_routing::spec::TableSpec;

/// The rule's id, or `-`.
#[track_caller]
fn check(lines: &str, cases: &[(&str, &str)]) {
    check_spec(&rules(lines), cases);
    let mut reversed = rules(lines);
    reversed.rules.reverse();
    check_spec(&reversed, cases);
}

#[track_caller]
fn check_spec(spec: &TableSpec, cases: &[(&str, &str)]) {
    let table = build(spec);
    for (request, id) in cases {
        let request = Request::parse(request);
        let found = table.find(&request.view()).map_or("-", |found| {
            assert!(std::sync::Arc::ptr_eq(
                found.rule,
                &table.rules()[found.index.index()]
            ));
            found.rule.id()
        });
        assert_eq!(found, *id, "{request:?}");
    }
}

#[test]
fn the_more_specific_host_wins() {
    check(
        "any     *                 /
         exact   a.b.example.com   /
         one     *.b.example.com   /
         many    **.b.example.com  /
         short   **.example.com    /
         upper   UPPER.Example.    /",
        &[
            ("GET a.b.example.com/", "exact"),
            ("GET x.b.example.com/", "one"),
            ("GET x.y.b.example.com/", "many"),
            ("GET b.example.com/", "short"),
            ("GET x.example.com/", "short"),
            ("GET example.com/", "any"),
            ("GET .example.com/", "any"),
            ("GET xexample.com/", "any"),
            ("GET com/", "any"),
            ("GET upper.example/", "upper"),
            ("GET /", "any"),
        ],
    );
}

#[test]
fn a_wildcard_of_one_label_stands_for_one() {
    check(
        "one *.example.com /",
        &[
            ("GET a.example.com/", "one"),
            ("GET a.b.example.com/", "-"),
            ("GET example.com/", "-"),
            ("GET .example.com/", "-"),
        ],
    );
}

#[test]
fn the_more_specific_path_wins() {
    check(
        "root    *  /
         a       *  /a
         exact   *  =/a/b
         ab      *  /a/b
         slash   *  =/a/
         regex   *  ~/r[0-9]+
         longer  *  ~/r[0-9]+/x
         case    *  ~*/Case(/|$)(.*)",
        &[
            ("GET h/", "root"),
            ("GET h/ab", "root"),
            ("GET h/a", "a"),
            ("GET h/a/", "slash"),
            ("GET h/a//", "a"),
            ("GET h/a/b", "exact"),
            ("GET h/a/b/", "ab"),
            ("GET h/a/b/c", "ab"),
            ("GET h/a/bc", "a"),
            ("GET h/A", "root"),
            ("GET h/a%2Fb", "root"),
        ],
    );
}

#[test]
fn expressions_come_after_prefixes_and_the_longest_first() {
    check(
        "prefix  *  /p
         regex   *  ~/[a-z][0-9]+
         longer  *  ~/[a-z][0-9]+/x
         case    *  ~*/Case(/|$)(.*)
         either  *  ~/one|/two",
        &[
            ("GET h/p/1", "prefix"),
            ("GET h/r1", "regex"),
            ("GET h/r1/xyz", "longer"),
            ("GET h/x/r1", "-"),
            ("GET h/cASE/x", "case"),
            ("GET h/cases", "-"),
            ("GET h/two/three", "either"),
            ("GET h/x/two", "-"),
        ],
    );
}

#[test]
fn a_trailing_slash_of_a_prefix_does_not_count() {
    check(
        "a h /a/",
        &[
            ("GET h/a", "a"),
            ("GET h/a/", "a"),
            ("GET h/ab", "-"),
            ("GET h/", "-"),
        ],
    );
}

#[test]
fn what_is_no_path_matches_nothing() {
    let table = build(&rules("any * /\nregex * ~.*"));
    let mut request = Request::parse("OPTIONS h/");
    request.path = "*".to_owned();
    let found = table.find(&request.view());
    assert_eq!(found.map(|found| found.rule.id()), Some("regex"));
}

#[test]
fn conditions_decide_between_rules_of_one_path() {
    check(
        "plain    h /
         method   h /; method GET,HEAD
         header   h /; header x-a = 1
         headers  h /; header x-a = 1; cookie c present
         query    h /; query q = a b
         client   h /; from 10.0.0.0/8,2001:db8::/32
         country  h /p; country KR,JP",
        &[
            ("POST h/", "plain"),
            ("GET h/", "method"),
            ("POST h/; x-a: 1", "header"),
            ("GET h/; x-a: 1", "method"),
            ("POST h/; x-a: 1; x-a: 1", "plain"),
            ("POST h/; X-A: 1; cookie: b=1", "header"),
            ("POST h/; x-a: 1; cookie: b=1, C=", "headers"),
            ("POST h/?q=a+b", "query"),
            ("POST h/?q=c&q=a+b", "plain"),
            ("POST h/; from 10.1.2.3", "client"),
            ("POST h/; from ::ffff:10.1.2.3", "client"),
            ("POST h/; from 2001:db8::1", "client"),
            ("POST h/p; country kr", "country"),
            ("POST h/p; country us", "plain"),
            ("POST h/p", "plain"),
        ],
    );
}

#[test]
fn tests_of_values() {
    check(
        "equals  h /equals;  header x = a
         regex   h /regex;   header x ~ ^a.c$
         inside  h /inside;  header x ~ b
         in      h /in;      header x in a,b
         present h /present; header x present
         absent  h /absent;  header x absent",
        &[
            ("GET h/equals; x: a", "equals"),
            ("GET h/equals; x: A", "-"),
            ("GET h/equals; x: aa", "-"),
            ("GET h/regex; x: abc", "regex"),
            ("GET h/regex; x: abcd", "-"),
            ("GET h/inside; x: abc", "inside"),
            ("GET h/in; x: b", "in"),
            ("GET h/in; x: c", "-"),
            ("GET h/in; x: a; x: b", "-"),
            ("GET h/present; x: 1", "present"),
            ("GET h/present", "-"),
            ("GET h/absent", "absent"),
            ("GET h/absent; x: 1", "-"),
        ],
    );
}

#[test]
fn when_conditions_fail_the_next_path_and_the_next_host_are_tried() {
    check(
        "any     *           /
         wild    *.example   /a; method PUT
         root    h.example   /; method GET
         below   h.example   /a; header x = 1
         exact   h.example   =/a/b; header x = 2
         regex   h.example   ~/a; method DELETE",
        &[
            ("GET h.example/a/b; x: 2", "exact"),
            ("GET h.example/a/b; x: 1", "below"),
            ("GET h.example/a/b", "root"),
            ("DELETE h.example/a/b", "regex"),
            ("PUT h.example/a/b", "wild"),
            ("POST h.example/a/b", "any"),
        ],
    );
}

#[test]
fn ties_go_to_the_oldest_object_then_to_the_name() {
    // namespace, name, created, id
    let objects = [
        ("b", "a", 5, "old"),
        ("a", "b", 9, "young"),
        ("a", "a", 9, "by-name"),
        ("a", "a", 9, "z"),
    ];
    for (count, first) in [(4, "old"), (3, "by-name")] {
        let of = |(namespace, name, created, id): &(&str, &str, i64, &str)| {
            let mut rule = rule(id, &["h /"]);
            rule.origin.namespace = (*namespace).to_owned();
            rule.origin.name = (*name).to_owned();
            rule.origin.created = *created;
            rule
        };
        let rules = objects[objects.len() - count..].iter().map(of).collect();
        let spec = TableSpec {
            rules,
            ..TableSpec::default()
        };
        check_spec(&spec, &[("GET h/", first)]);
    }
}

#[test]
fn the_path_that_matched_is_told() {
    let mut spec = rules("");
    spec.rules.push(rule("r", &["h /a", "h =/b", "h ~/c(.)"]));
    let table = build(&spec);
    for (request, path) in [
        ("GET h/a/x", "prefix /a"),
        ("GET h/b", "exact /b"),
        ("GET h/cc", "regex /c(.)"),
    ] {
        let request = Request::parse(request);
        let found = table.find(&request.view()).expect("the rule matches");
        assert_eq!(found.path().to_string(), path);
    }
}

#[test]
fn the_country_is_only_wanted_when_asked_for() {
    assert!(!build(&rules("a h /; method GET")).uses_country());
    assert!(build(&rules("a h /; country KR")).uses_country());
}

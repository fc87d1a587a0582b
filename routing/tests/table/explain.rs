//! What is said about a request, side by side with the rules.

use crate::choose::forward;
use crate::support::{Request, build, condition, key, rules, split};
use haldane_routing::Table;
use haldane_routing::spec::{ForcedSpec, OnEmpty, StickySpec};

fn explain(table: &Table, request: &str) -> String {
    let request = Request::parse(request);
    table.explain(&request.view(), &key()).to_string()
}

#[test]
fn every_rule_of_the_host_is_named_with_its_verdict() {
    let table = build(&rules(
        "any     *               /
         other   other.example   /
         cart    shop.example    /cart
         beta    shop.example    /cart; header x-beta = 1; cookie c present
         exact   shop.example    =/cart/1; method PUT
         about   *.example       ~/about",
    ));
    insta::assert_snapshot!(explain(&table, "GET shop.example/cart/1; x-beta: 2"), @r#"
    1. exact (shop/web): host shop.example, path exact /cart/1, method in PUT
       no: method in PUT does not hold, the request has "GET"
    2. beta (shop/web): host shop.example, path prefix /cart, header x-beta = "1", cookie c present
       no: header x-beta = "1" does not hold, the request has "2"
    3. cart (shop/web): host shop.example, path prefix /cart
       wins
    4. about (shop/web): host *.example, path regex /about
       no: the path differs
    5. any (shop/web): host *, path prefix /
       matches too, but comes later
    answered with 200 and a fixed text
    "#);
    let other = explain(&build(&rules("a h /")), "GET other/");
    assert_eq!(other, "no rule matches: 404\n");
}

#[test]
fn a_split_is_told_with_its_shares() {
    let table = build(&split("1.14=999, canary=1!", |_| ()));
    insta::assert_snapshot!(explain(&table, "GET h/"), @r#"
    1. split (shop/web): host *, path prefix /
       wins
    rule split: whichever version's turn it is, decided by the split
       1.14: 99.9 %, 1 endpoint 127.0.0.1:8000
       canary: 0.1 %, no endpoint, the others take its part
    "#);
}

#[test]
fn what_is_certain_is_told() {
    let forced = ForcedSpec {
        version: "green".to_owned(),
        any_of: vec![vec![
            condition("header x-preview present"),
            condition("method GET"),
        ]],
    };
    let table = build(&split("blue=1, green=0", |spec| {
        spec.forced.push(forced.clone());
    }));
    insta::assert_snapshot!(explain(&table, "GET h/"), @r#"
    1. split (shop/web): host *, path prefix /
       wins
    rule split: blue, decided by the split
       blue: 100 %, 1 endpoint 127.0.0.1:8000
       green: 0 %, 1 endpoint 127.0.0.1:8001
    "#);
    insta::assert_snapshot!(explain(&table, "GET h/; x-preview: 1"), @r#"
    1. split (shop/web): host *, path prefix /
       wins
    rule split: green, decided by forced routing
       as header x-preview present and method in GET
       blue: 100 %, 1 endpoint 127.0.0.1:8000
       green: 0 %, 1 endpoint 127.0.0.1:8001
    "#);
    let table = build(&split("blue=1!, green=0", |_| ()));
    insta::assert_snapshot!(explain(&table, "GET h/"), @r#"
    1. split (shop/web): host *, path prefix /
       wins
    rule split: 503, as no version has an endpoint for it, decided by the split
       blue: 100 %, no endpoint
       green: 0 %, 1 endpoint 127.0.0.1:8001
    "#);
    let table = build(&split("blue=1, green=0!", |spec| {
        spec.forced.push(forced.clone());
    }));
    insta::assert_snapshot!(explain(&table, "GET h/; x-preview: 1"), @r#"
    1. split (shop/web): host *, path prefix /
       wins
    rule split: blue, decided by failover, as the version that is due has no endpoint
       as header x-preview present and method in GET
       blue: 100 %, 1 endpoint 127.0.0.1:8000
       green: 0 %, no endpoint
    "#);
    let hold = build(&split("blue=1, green=0!", |spec| {
        spec.forced.push(forced.clone());
        spec.on_empty = OnEmpty::Hold;
    }));
    insta::assert_snapshot!(explain(&hold, "GET h/; x-preview: 1"), @r#"
    1. split (shop/web): host *, path prefix /
       wins
    rule split: 503, as no version has an endpoint for it, decided by forced routing
       as header x-preview present and method in GET
       blue: 100 %, 1 endpoint 127.0.0.1:8000
       green: 0 %, no endpoint
    "#);
}

#[test]
fn an_explanation_takes_no_ticket() {
    let spec = split("a=1, b=1, c=1", |spec| {
        spec.sticky = Some(StickySpec::Cookie("t".to_owned()));
    });
    let (explained, other) = (build(&spec), build(&spec));
    let request = Request::parse("GET h/");
    let choose = |table: &Table| {
        forward(table)
            .choose(&request.view(), &key(), || 0)
            .unwrap()
    };
    for _ in 0..9 {
        explain(&explained, "GET h/");
        assert_eq!(choose(&explained), choose(&other));
    }
}

#[test]
fn an_explanation_is_data_too() {
    let table = build(&split("a=1, b=1!", |_| ()));
    let request = Request::parse("GET h/");
    let explanation = table.explain(&request.view(), &key());
    insta::assert_snapshot!(serde_json::to_string_pretty(&explanation).unwrap(), @r#"
    {
      "considered": [
        {
          "rule": "split",
          "origin": "shop/web",
          "host": "*",
          "path": "prefix /",
          "conditions": [],
          "verdict": "wins"
        }
      ],
      "left_out": 0,
      "outcome": {
        "forward": {
          "rule": "split",
          "by": "split",
          "forced_by": [],
          "version": null,
          "unavailable": false,
          "on_empty": "failover",
          "versions": [
            {
              "version": "a",
              "weight": 1,
              "percent": 50.0,
              "endpoints": [
                {
                  "socket": "127.0.0.1:8000"
                }
              ]
            },
            {
              "version": "b",
              "weight": 1,
              "percent": 50.0,
              "endpoints": []
            }
          ]
        }
      }
    }
    "#);
}

#[test]
fn a_long_list_is_cut_short_from_the_least_interesting() {
    let lines = (0..150)
        .map(|at| format!("other{at:03} h /other/{at}\nsame{at:03} h /; header x = {at}\n"));
    let table = build(&rules(&lines.collect::<String>()));
    let request = Request::parse("GET h/; x: 149");
    let explanation = table.explain(&request.view(), &key());
    assert_eq!(
        (explanation.considered.len(), explanation.left_out),
        (100, 200)
    );
    assert!(
        explanation
            .considered
            .iter()
            .all(|one| one.rule.starts_with("same"))
    );
}

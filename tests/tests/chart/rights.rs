//! What controller and proxy may do, and that the documentation says why.

use crate::helm::{self, Helm};
use crate::objects::{Object, list, text, texts};
use crate::rendered::{every_case, of_kind, workload};
use serde_json::{Value, json};
use std::collections::BTreeSet;

#[test]
fn no_right_is_a_wildcard_and_secrets_are_read_in_named_namespaces_only() -> anyhow::Result<()> {
    every_case(|case, objects| {
        for role in objects
            .iter()
            .filter(|object| object.kind().ends_with("Role"))
        {
            for rule in role.rules() {
                check_rule(&format!("{case}: {}", role.id()), role, rule);
            }
        }
    })
}

fn check_rule(subject: &str, role: &Object, rule: &Value) {
    for field in ["apiGroups", "resources", "verbs"] {
        assert!(!list(&rule[field]).is_empty(), "{subject} has no {field}");
        assert!(
            texts(&rule[field]).all(|entry| !entry.contains('*')),
            "{subject}: {rule}"
        );
    }
    let reaches =
        |resource| texts(&rule["resources"]).any(|entry| entry.split('/').next() == Some(resource));
    let may = |verb| texts(&rule["verbs"]).any(|entry| entry == verb);
    if reaches("secrets") {
        assert_eq!(role.kind(), "Role", "{subject}");
        assert!(
            !may("create") && !may("update") && !may("patch") && !may("delete"),
            "{subject}: {rule}"
        );
    }
    assert!(
        !reaches("pods") || texts(&rule["resources"]).all(|entry| entry == "pods"),
        "{subject}: {rule}"
    );
    for verb in [
        "escalate",
        "bind",
        "impersonate",
        "delete",
        "deletecollection",
    ] {
        assert!(!may(verb), "{subject}: {rule}");
    }
}

#[test]
fn the_proxy_has_no_token_and_no_right() -> anyhow::Result<()> {
    every_case(|case, objects| {
        let pod = workload(objects, "proxy").pod().expect("a workload");
        assert_eq!(pod["automountServiceAccountToken"], json!(false), "{case}");
        let account = text(&pod["serviceAccountName"]);
        let mut accounts = of_kind(objects, "ServiceAccount");
        let own = accounts.find(|object| object.name() == account);
        let own = own.expect("the proxy has an account of its own");
        assert_eq!(
            own.at("/automountServiceAccountToken"),
            &json!(false),
            "{case}"
        );
        assert!(
            list(&pod["volumes"])
                .iter()
                .all(|volume| volume["projected"].is_null()),
            "{case}"
        );
        for binding in objects
            .iter()
            .filter(|object| object.kind().ends_with("RoleBinding"))
        {
            let bound = list(binding.at("/subjects"));
            assert!(
                bound
                    .iter()
                    .all(|subject| text(&subject["name"]) != account),
                "{case}: {}",
                binding.id()
            );
        }
    })
}

#[test]
fn every_binding_joins_a_role_and_the_controller() -> anyhow::Result<()> {
    every_case(|case, objects| {
        let pod = workload(objects, "controller").pod().expect("a workload");
        let controller = json!([{
            "kind": "ServiceAccount",
            "name": pod["serviceAccountName"],
            "namespace": helm::NAMESPACE,
        }]);
        for binding in objects
            .iter()
            .filter(|object| object.kind().ends_with("RoleBinding"))
        {
            assert_eq!(
                binding.at("/subjects"),
                &controller,
                "{case}: {}",
                binding.id()
            );
            let role = binding.at("/roleRef");
            let named = objects.iter().any(|object| {
                object.kind() == text(&role["kind"])
                    && object.name() == text(&role["name"])
                    && object.at("/metadata/namespace") == binding.at("/metadata/namespace")
            });
            assert!(named, "{case}: {} names no role", binding.id());
        }
    })
}

/// Resources and verbs of a rule, as docs/install.md writes them.
fn rights(rule: &Value) -> impl Iterator<Item = (String, String)> {
    let verbs = texts(&rule["verbs"]).collect::<Vec<_>>().join(", ");
    texts(&rule["resources"]).map(move |resource| (resource.to_owned(), verbs.clone()))
}

#[test]
fn the_documentation_says_why_for_each_right() -> anyhow::Result<()> {
    let Some(helm) = Helm::find() else {
        return Ok(());
    };
    let named = "watch.secrets[0].namespace=shop";
    let objects = Object::all(&helm.render(helm::RELEASE, &["--set", named])?)?;
    let granted: BTreeSet<_> = objects
        .iter()
        .flat_map(Object::rules)
        .flat_map(rights)
        .collect();
    let text = std::fs::read_to_string(helm::root().join("docs/install.md"))?;
    let (_, section) = text
        .split_once("\n## Rights\n")
        .expect("a section on rights");
    let rows = section
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once("` | `"));
    let said: BTreeSet<_> = rows
        .filter_map(|(resource, rest)| {
            Some((resource.to_owned(), rest.split_once('`')?.0.to_owned()))
        })
        .collect();
    assert_eq!(said, granted);
    Ok(())
}

//! `values.yaml`, its schema and the chart's README say the same.

use crate::golden;
use crate::helm;
use crate::objects::texts;
use haldane_tests::program;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

/// Where the table stands in the README.
const BEGIN: &str = "<!-- values: begin -->\n";
const END: &str = "<!-- values: end -->";

/// A value, its default and what its comment says.
#[derive(Debug)]
struct Documented {
    path: String,
    default: Value,
    comment: String,
}

/// Reads what has a comment above it. The file is ours, so its form is narrow: two blanks a level, comments above.
fn documented() -> anyhow::Result<Vec<Documented>> {
    let text = fs::read_to_string(helm::chart().join("values.yaml"))?;
    let values: Value = serde_saphyr::from_str(&text)?;
    let (mut parents, mut comment, mut found) = (Vec::<String>::new(), String::new(), Vec::new());
    for line in text.lines() {
        let written = line.trim_start();
        let level = (line.len() - written.len()) / 2;
        if let Some(said) = written.strip_prefix("# ") {
            comment = format!("{comment} {said}");
        } else if let Some((key, _)) = key_of(written) {
            parents.truncate(level);
            parents.push(key.to_owned());
            if !comment.is_empty() {
                let default = values.pointer(&format!("/{}", parents.join("/")));
                found.push(Documented {
                    path: parents.join("."),
                    default: default.cloned().unwrap_or_default(),
                    comment: std::mem::take(&mut comment).trim().to_owned(),
                });
            }
        } else {
            // A blank line ends what a comment is about.
            comment.clear();
        }
    }
    Ok(found)
}

fn key_of(line: &str) -> Option<(&str, &str)> {
    let (key, rest) = line.split_once(':')?;
    let is_key =
        key.chars().all(char::is_alphanumeric) && (rest.is_empty() || rest.starts_with(' '));
    is_key.then_some((key, rest))
}

/// The paths of all values: whatever is no object, or an empty one.
fn leaves(value: &Value, path: &str, found: &mut BTreeSet<String>) {
    match value.as_object() {
        Some(fields) if !fields.is_empty() => {
            for (key, field) in fields {
                leaves(field, &format!("{path}.{key}"), found);
            }
        }
        _ => {
            found.insert(path.trim_start_matches('.').to_owned());
        }
    }
}

/// The paths that the schema knows: properties without properties of their own.
fn known(schema: &Value, path: &str, found: &mut BTreeSet<String>) {
    match schema["properties"].as_object() {
        Some(properties) => {
            assert_eq!(
                schema["additionalProperties"],
                Value::Bool(false),
                "{path} takes unknown names"
            );
            for (key, property) in properties {
                known(property, &format!("{path}.{key}"), found);
            }
        }
        None => {
            found.insert(path.trim_start_matches('.').to_owned());
        }
    }
}

fn row(value: &Documented) -> String {
    let default = value.default.to_string();
    format!(
        "| `{}` | `{default}` | {} |\n",
        value.path,
        value.comment.replace('|', "\\|")
    )
}

#[test]
fn every_value_has_a_comment_and_a_place_in_the_schema() -> anyhow::Result<()> {
    let text = fs::read_to_string(helm::chart().join("values.yaml"))?;
    let mut written = BTreeSet::new();
    leaves(&serde_saphyr::from_str(&text)?, "", &mut written);
    let schema = fs::read_to_string(helm::chart().join("values.schema.json"))?;
    let mut allowed = BTreeSet::new();
    known(&serde_json::from_str(&schema)?, "", &mut allowed);
    // Helm adds it for charts that contain this one.
    allowed.remove("global");
    let paths: BTreeSet<_> = documented()?.into_iter().map(|value| value.path).collect();
    let is_documented = |leaf: &&String| {
        paths.iter().any(|path| {
            leaf.strip_prefix(path.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        })
    };
    let bare: Vec<_> = written.iter().filter(|leaf| !is_documented(leaf)).collect();
    assert!(bare.is_empty(), "without a comment: {bare:?}");
    let covered = |leaf: &String| {
        allowed
            .iter()
            .any(|path| leaf == path || leaf.starts_with(&format!("{path}.")))
    };
    assert!(
        written.iter().all(covered),
        "not in the schema: {written:?}"
    );
    let absent: Vec<_> = allowed
        .iter()
        .filter(|path| !paths.contains(*path))
        .collect();
    assert!(
        absent.is_empty(),
        "in the schema, not in values.yaml: {absent:?}"
    );
    Ok(())
}

#[test]
fn the_readmes_table_is_that_of_the_values() -> anyhow::Result<()> {
    let readme = fs::read_to_string(helm::chart().join("README.md"))?;
    let (before, rest) = readme.split_once(BEGIN).expect("the table begins");
    let (_, after) = rest.split_once(END).expect("the table ends");
    let rows: String = documented()?.iter().map(row).collect();
    let table = format!("| value | default | what it is |\n|---|---|---|\n{rows}");
    golden::compare(
        "charts/haldane/README.md",
        &format!("{before}{BEGIN}{table}{END}{after}"),
    )
}

/// The flags that a program's help has under a heading.
fn flags_of<'h>(help: &'h str, heading: &str) -> BTreeSet<&'h str> {
    let (_, section) = help.split_once(heading).expect("the heading is there");
    let lines = section
        .lines()
        .skip(1)
        .take_while(|line| line.is_empty() || line.starts_with(' '));
    let names = lines.filter_map(|line| line.trim_start().strip_prefix("--"));
    names.filter_map(|name| name.split(' ').next()).collect()
}

#[test]
fn every_limit_that_the_proxy_takes_can_be_set() -> anyhow::Result<()> {
    let help = Command::new(program::haldane())
        .args(["serve", "--help"])
        .output()?;
    let help = String::from_utf8(help.stdout)?;
    let schema = fs::read_to_string(helm::chart().join("values.schema.json"))?;
    let schema: Value = serde_json::from_str(&schema)?;
    let names = &schema["properties"]["proxy"]["properties"]["limits"]["propertyNames"]["enum"];
    let names: BTreeSet<&str> = texts(names).collect();
    assert_eq!(flags_of(&help, "\nLimits:"), names);
    Ok(())
}

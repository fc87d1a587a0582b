//! The dashboard and the alerts ask for metrics that there are.

use crate::helm;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;

/// Every expression of a dashboard or a rule file.
fn expressions(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, field)| match field {
            Value::String(text) if name == "expr" || name == "query" => found.push(text.clone()),
            _ => expressions(field, found),
        }),
        Value::Array(items) => items.iter().for_each(|item| expressions(item, found)),
        _ => {}
    }
}

/// The names of our metrics in an expression, without what a histogram's samples add to theirs.
fn names(expression: &str) -> impl Iterator<Item = &str> {
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let words = expression.split(move |letter| !is_part(letter));
    let ours = words.filter(|word| {
        ["haldane_", "process_", "nginx_ingress_"]
            .iter()
            .any(|prefix| word.starts_with(prefix))
    });
    ours.map(|name| {
        let endings = ["_bucket", "_sum", "_count"].iter();
        let bare = endings
            .filter_map(|ending| name.strip_suffix(ending))
            .next();
        bare.unwrap_or(name)
    })
}

/// Whether a page has a row about a metric, maybe behind another whose beginning it shares.
fn is_documented(pages: &str, name: &str) -> bool {
    let short = name.strip_prefix("haldane_controller").unwrap_or(name);
    [name, short].iter().any(|name| {
        let opened = format!("`{name}");
        let mut found = pages.match_indices(&opened);
        found.any(|(at, _)| pages[at + opened.len()..].starts_with(['`', '{']))
    })
}

#[test]
fn dashboard_and_alerts_ask_for_documented_metrics() -> anyhow::Result<()> {
    let read = |file: &str| fs::read_to_string(helm::root().join(file));
    let dashboard = serde_json::from_str(&read("charts/haldane/dashboards/haldane.json")?)?;
    let alerts = serde_saphyr::from_str(&read("charts/haldane/alerts/haldane.yaml")?)?;
    let pages = read("docs/metrics.md")? + &read("docs/controller.md")?;
    let mut asked = Vec::new();
    expressions(&dashboard, &mut asked);
    expressions(&alerts, &mut asked);
    let names: BTreeSet<_> = asked.iter().flat_map(|text| names(text)).collect();
    assert!(names.len() > 20, "{names:?}");
    let unknown: Vec<_> = names
        .iter()
        .filter(|name| !is_documented(&pages, name))
        .collect();
    assert!(unknown.is_empty(), "no page tells of {unknown:?}");
    Ok(())
}

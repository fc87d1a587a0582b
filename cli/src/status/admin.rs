//! What the controller that leads says, over its admin port.

use super::{Object, Proxy, Report};
use crate::cluster::Named;
use crate::fetch;
use crate::rollouts;
use haldane_rollout::report::RolloutReport;
use serde_json::Value;
use std::net::SocketAddr;

pub(super) async fn report(
    admin: SocketAddr,
    wanted: Option<&Named>,
    namespace: Option<&str>,
) -> anyhow::Result<Report> {
    let standing = fetch::json(admin, "/status").await?;
    anyhow::ensure!(
        standing["leader"] == Value::Bool(true),
        "the controller at {admin} does not lead; ask another one"
    );
    let proxies: Vec<_> = list(&standing["proxies"]).iter().map(proxy).collect();
    let is_wanted = |title: &str| is_wanted(title, wanted, namespace);
    let title =
        |report: &RolloutReport| format!("{} {}/{}", report.kind, report.namespace, report.name);
    let mut rollouts = rollouts::told(admin).await?;
    rollouts.retain(|report| is_wanted(&title(report)));
    let objects = list(&standing["objects"]).iter();
    let objects = objects.map(|said| object(said, &proxies));
    let problems = list(&standing["problems"]).iter();
    let problems = problems.filter(|said| is_wanted(&text(&said["object"]).unwrap_or_default()));
    Ok(Report {
        generation: text(&standing["generation"]),
        live: text(&standing["live"]),
        objects: objects.filter(|object| is_wanted(&object.object)).collect(),
        rollouts,
        problems: problems.map(problem).collect(),
        proxies,
    })
}

/// Whether a title such as `Ingress shop/web` is of what is asked about.
fn is_wanted(title: &str, wanted: Option<&Named>, namespace: Option<&str>) -> bool {
    let parts = title
        .split_once(' ')
        .and_then(|(_, name)| name.split_once('/'));
    let namespace = wanted
        .and_then(|wanted| wanted.namespace.as_deref())
        .or(namespace);
    let name = wanted.map(|wanted| wanted.name.as_str());
    let Some((its_namespace, its_name)) = parts else {
        return wanted.is_none();
    };
    namespace.is_none_or(|namespace| namespace == its_namespace)
        && name.is_none_or(|name| name == its_name)
}

fn proxy(said: &Value) -> Proxy {
    let rejected = &said["rejected"];
    let refusal = |generation: String| {
        let reason = text(&rejected["reason"]).unwrap_or_default();
        format!("{generation}: {reason}")
    };
    Proxy {
        name: text(&said["name"]).unwrap_or_default(),
        applied: text(&said["applied"]),
        rejected: text(&rejected["generation"]).map(refusal),
    }
}

fn object(said: &Value, proxies: &[Proxy]) -> Object {
    let generation = text(&said["generation"]);
    let order = |generation: &Option<String>| generation.as_deref().and_then(parsed);
    let has = |proxy: &&Proxy| order(&proxy.applied) >= order(&generation);
    let count = proxies.iter().filter(has).count();
    Object {
        object: text(&said["object"]).unwrap_or_default(),
        live: said["live"].as_bool().unwrap_or(false),
        proxies: format!("{count}/{}", proxies.len()),
        problems: said["problems"].as_u64().unwrap_or(0),
        held: said["held"].as_bool().unwrap_or(false),
        generation,
    }
}

/// `TERM.NUMBER`, in the order of tables.
fn parsed(generation: &str) -> Option<(u64, u64)> {
    let (term, number) = generation.split_once('.')?;
    Some((term.parse().ok()?, number.parse().ok()?))
}

fn problem(said: &Value) -> String {
    let part = |name: &str| text(&said[name]).filter(|part| !part.is_empty());
    let parts = ["severity", "object", "field", "message"]
        .into_iter()
        .filter_map(part);
    parts.collect::<Vec<_>>().join(": ")
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

//! The objects of each case, and the ways by which checks find those they are about.

use crate::helm;
use crate::objects::{Object, selects, texts};
use serde_json::{Value, json};

/// The kinds that run Pods.
const WORKLOADS: &[&str] = &["Deployment", "DaemonSet"];

/// Runs `check` on the objects of every case.
pub(crate) fn every_case(check: impl Fn(&str, &[Object])) -> anyhow::Result<()> {
    for (case, text) in helm::cases().unwrap_or_default() {
        check(case, &Object::all(text)?);
    }
    Ok(())
}

/// What runs Pods.
pub(crate) fn workloads(objects: &[Object]) -> impl Iterator<Item = &Object> {
    let runs = |object: &&Object| WORKLOADS.contains(&object.kind());
    objects.iter().filter(runs)
}

/// The objects of a kind.
pub(crate) fn of_kind<'o>(objects: &'o [Object], kind: &str) -> impl Iterator<Item = &'o Object> {
    objects.iter().filter(move |object| object.kind() == kind)
}

/// The workload of a component; every case has both.
pub(crate) fn workload<'o>(objects: &'o [Object], component: &str) -> &'o Object {
    let wanted = json!({ "app.kubernetes.io/component": component });
    let found = workloads(objects).find(|object| selects(&wanted, object.at("/metadata/labels")));
    found.expect("both components are rendered")
}

/// The one container of a component.
pub(crate) fn container<'o>(objects: &'o [Object], component: &str) -> &'o Value {
    workload(objects, component).at("/spec/template/spec/containers/0")
}

/// The value of `--flag=value`.
pub(crate) fn argument<'o>(container: &'o Value, flag: &str) -> Option<&'o str> {
    texts(&container["args"]).find_map(|arg| arg.strip_prefix(flag)?.strip_prefix('='))
}

/// The labels of a component's Pods.
pub(crate) fn pod_labels<'o>(objects: &'o [Object], component: &str) -> &'o Value {
    workload(objects, component).at("/spec/template/metadata/labels")
}

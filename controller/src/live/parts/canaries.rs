//! Canary Ingresses have no rules of their own: their part is that of the Ingresses whose hosts they share.

use super::{Parts, owners};
use crate::annotations::{HALDANE, NGINX};
use crate::class::Classes;
use crate::live::form::name_of;
use crate::live::name::Kind;
use crate::live::store::Store;
use crate::objects::{Described, Sourced};
use crate::translate::Options;
use haldane_routing::spec::{HostSpec, TableSpec};
use k8s_openapi::api::networking::v1::Ingress;
use std::collections::HashMap;

/// By namespace and host, when a rule there last changed.
type Hosts<'t> = HashMap<(&'t str, String), u64>;

/// Gives each canary of ours the latest generation of its hosts.
pub(super) fn add(parts: &mut Parts, table: &TableSpec, store: &Store, options: &Options) {
    let classes = Classes::new(store.objects(), options);
    let ingresses = store.objects().ingresses.iter();
    let mut canaries = ingresses.filter(|ingress| is_canary(ingress)).peekable();
    if canaries.peek().is_none() {
        return;
    }
    let known = hosts(parts, table);
    for canary in canaries.filter(|canary| classes.serves(canary, &mut Vec::new())) {
        let namespace = canary.namespace();
        let since = |host: String| known.get(&(namespace, host)).copied();
        if let Some(since) = written_hosts(canary).filter_map(since).max() {
            let part = parts.entry(name_of(&canary.object)).or_default();
            part.since = part.since.max(Some(since));
        }
    }
}

fn is_canary(ingress: &Sourced<Ingress>) -> bool {
    let says = |prefix: &str| {
        let text = ingress.annotation(&format!("{prefix}canary"));
        text.map(|text| text.trim() == "true")
    };
    says(HALDANE).or_else(|| says(NGINX)).unwrap_or(false)
}

fn hosts<'t>(parts: &Parts, table: &'t TableSpec) -> Hosts<'t> {
    let mut hosts = Hosts::new();
    for rule in &table.rules {
        let ingress = owners(rule)
            .into_iter()
            .find(|owner| owner.kind == Kind::Ingress);
        let part = ingress.and_then(|ingress| parts.get(&ingress));
        let Some(since) = part.and_then(|part| part.since) else {
            continue;
        };
        for one in &rule.matches {
            let place = (rule.origin.namespace.as_str(), written(&one.host));
            let latest = hosts.entry(place).or_insert(since);
            *latest = since.max(*latest);
        }
    }
    hosts
}

/// As an Ingress writes it.
fn written(host: &HostSpec) -> String {
    match host {
        HostSpec::Any => String::new(),
        HostSpec::Exact(name) => name.clone(),
        HostSpec::OneLabel(suffix) | HostSpec::ManyLabels(suffix) => format!("*.{suffix}"),
    }
}

fn written_hosts(ingress: &Sourced<Ingress>) -> impl Iterator<Item = String> {
    let spec = ingress.object.spec.as_ref();
    let rules = spec
        .into_iter()
        .flat_map(|spec| spec.rules.iter().flatten());
    rules.map(|rule| {
        rule.host
            .as_deref()
            .unwrap_or_default()
            .to_ascii_lowercase()
    })
}

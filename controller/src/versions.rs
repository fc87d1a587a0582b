//! Which endpoints are one version: those whose pods carry the same value of one label.

use crate::annotations::split::SplitSettings;
use crate::annotations::values::version_name;
use crate::endpoints::Member;
use crate::problem::Spot;
use haldane_routing::spec::{EndpointSpec, EndpointState};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

/// The labels that may name versions where none is chosen, in this order.
const LABELS: [&str; 4] = [
    "version",
    "app.kubernetes.io/version",
    "color",
    TEMPLATE_HASH,
];

/// The label by which a Deployment tells the pods of its revisions apart.
pub(crate) const TEMPLATE_HASH: &str = "pod-template-hash";

/// The version of pods that do not carry the label that names versions.
pub(crate) const UNLABELLED: &str = "unlabelled";

/// A version's name and its endpoints, which many rules share.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Group {
    pub(crate) name: String,
    pub(crate) endpoints: Rc<[EndpointSpec]>,
    pub(crate) ready: Rc<Ready>,
}

/// What is known of a version's ready pods.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Ready {
    pub(crate) pods: u64,
    /// The templates that they were made from, as `pod-template-hash` names them.
    pub(crate) hashes: BTreeSet<String>,
    /// When the youngest was created, in seconds since 1970.
    pub(crate) born: Option<i64>,
}

impl Group {
    pub(crate) fn empty(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            endpoints: Rc::default(),
            ready: Rc::default(),
        }
    }

    /// How many endpoints take new requests now: the ready ones, and where there are none, the terminating ones
    /// if `last_resort`.
    pub(crate) fn serving(&self, last_resort: bool) -> u64 {
        let counts =
            |endpoint: &&EndpointSpec| last_resort || endpoint.state == EndpointState::Ready;
        self.endpoints.iter().filter(counts).count() as u64
    }
}

impl Ready {
    /// An endpoint whose pod is not known yet will be counted when it is.
    fn add(&mut self, member: &Member<'_>) {
        let ready = member.endpoint.state == EndpointState::Ready;
        let Some(labels) = member.labels.filter(|_| ready) else {
            return;
        };
        self.pods += 1;
        self.hashes.extend(labels.get(TEMPLATE_HASH).cloned());
        self.born = self.born.max(member.born);
    }
}

/// The endpoints of one Service port. Many rules ask for its versions, so the answers are kept.
#[derive(Debug)]
pub(crate) struct Population<'a> {
    /// Names the version where no label does.
    service: &'a str,
    members: Vec<Member<'a>>,
    values: [(&'static str, Values<'a>); LABELS.len()],
    groups: RefCell<HashMap<Option<String>, Vec<Group>>>,
}

impl<'a> Population<'a> {
    pub(crate) fn new(service: &'a str, members: Vec<Member<'a>>) -> Self {
        Self {
            service,
            values: LABELS.map(|label| (label, values(&members, label))),
            members,
            groups: RefCell::default(),
        }
    }

    /// The versions by a label, in the order of their names.
    pub(crate) fn groups(&self, label: Option<&str>) -> Vec<Group> {
        let mut known = self.groups.borrow_mut();
        let groups = known.entry(label.map(str::to_owned));
        groups.or_insert_with(|| self.group(label)).clone()
    }

    fn group(&self, label: Option<&str>) -> Vec<Group> {
        let name = |member: &Member<'a>| label.and_then(|label| value(member, label));
        let labelled = self.members.iter().any(|member| name(member).is_some());
        let fallback = if labelled { UNLABELLED } else { self.service };
        let mut groups = BTreeMap::<&str, (Vec<EndpointSpec>, Ready)>::new();
        for member in &self.members {
            let (endpoints, ready) = groups.entry(name(member).unwrap_or(fallback)).or_default();
            endpoints.push(member.endpoint.clone());
            ready.add(member);
        }
        let group = |(name, (endpoints, ready)): (&str, (Vec<_>, _))| Group {
            name: name.to_owned(),
            endpoints: endpoints.into(),
            ready: Rc::new(ready),
        };
        groups.into_iter().map(group).collect()
    }

    /// The label that names versions: the one that is chosen; else the first with a version that is asked for by name;
    /// else the first that tells the pods apart; else the first that all carry. What is asked for comes before what
    /// tells apart: while a Deployment restarts its pods have two values of `pod-template-hash`, and that must not
    /// rename the versions for which weights are written.
    pub(crate) fn label<'s>(&self, settings: &'s SplitSettings) -> Option<&'s str> {
        let chosen = settings.version_label.as_deref();
        chosen.or_else(|| self.default_label(&settings.named()))
    }

    /// Whether the pod of every ready endpoint is known.
    pub(crate) fn is_settled(&self) -> bool {
        let mut ready = self
            .members
            .iter()
            .filter(|member| member.endpoint.state == EndpointState::Ready);
        ready.all(|member| member.labels.is_some())
    }

    fn default_label(&self, named: &[(&str, &Spot)]) -> Option<&'static str> {
        let is_named = |value: &&str| named.iter().any(|(name, _)| name == value);
        let asked = |values: &Values<'_>| values.iter().flatten().any(is_named);
        let on_all = |values: &Values<'_>| !values.is_empty() && values.iter().all(Option::is_some);
        let apart = |values: &Values<'_>| on_all(values) && values.len() > 1;
        let rules: [&dyn Fn(&Values<'_>) -> bool; 3] = [&asked, &apart, &on_all];
        let first = |rule: &&dyn Fn(&Values<'_>) -> bool| {
            let mut labels = self.values.iter().filter(|(_, values)| rule(values));
            labels.next().map(|(label, _)| *label)
        };
        rules.iter().find_map(first)
    }
}

/// The values of a label, `None` among them if some pod does not carry it.
type Values<'a> = BTreeSet<Option<&'a str>>;

fn values<'a>(members: &[Member<'a>], label: &str) -> Values<'a> {
    members.iter().map(|member| value(member, label)).collect()
}

/// A file may hold values that the API server would refuse; they name nothing.
fn value<'a>(member: &Member<'a>, label: &str) -> Option<&'a str> {
    let value = member.labels?.get(label)?;
    version_name(value).is_ok().then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::annotations::Given;
    use crate::annotations::split::Shares;
    use haldane_routing::spec::Address;
    use std::net::SocketAddr;

    /// Pods as `label=value label=value`, one for each entry; the result as `label-value: count`.
    #[track_caller]
    fn check(pods: &[&str], chosen: Option<&str>, named: &[&str], expected: &str) {
        let labels: Vec<BTreeMap<String, String>> = pods.iter().map(|pod| labels(pod)).collect();
        let members: Vec<_> = (8000..)
            .zip(&labels)
            .map(|(port, labels)| member(port, labels))
            .collect();
        let settings = settings(chosen, named);
        let population = Population::new("web", members);
        let groups = population.groups(population.label(&settings));
        let shown: Vec<_> = groups
            .iter()
            .map(|group| format!("{}:{}", group.name, group.endpoints.len()))
            .collect();
        assert_eq!(shown.join(" "), expected, "{pods:?}");
    }

    fn settings(chosen: Option<&str>, named: &[&str]) -> SplitSettings {
        let weights = named.iter().map(|name| ((*name).to_owned(), 1)).collect();
        SplitSettings {
            version_label: chosen.map(str::to_owned),
            shares: Some(Given {
                value: Shares::Weights(weights),
                spot: Spot::default(),
            }),
            ..SplitSettings::default()
        }
    }

    fn labels(pod: &str) -> BTreeMap<String, String> {
        let pairs = pod
            .split_whitespace()
            .filter_map(|pair| pair.split_once('='));
        pairs
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect()
    }

    fn member(port: u16, labels: &BTreeMap<String, String>) -> Member<'_> {
        let address = Address::Socket(SocketAddr::from(([10, 0, 0, 1], port)));
        Member {
            endpoint: EndpointSpec {
                address,
                state: EndpointState::Ready,
            },
            labels: Some(labels).filter(|labels| !labels.is_empty()),
            born: None,
        }
    }

    #[test]
    fn the_first_label_that_tells_pods_apart_names_versions() {
        check(
            &["version=1", "version=2", "version=1"],
            None,
            &[],
            "1:2 2:1",
        );
        check(
            &["version=1 color=blue", "version=1 color=green"],
            None,
            &[],
            "blue:1 green:1",
        );
        check(&["version=1", "color=green"], None, &[], "web:2");
        check(&["version=1", "version=1"], None, &[], "1:2");
        check(&["app=web", "app=web"], None, &[], "web:2");
        check(&["", ""], None, &[], "web:2");
        check(&[], None, &[], "");
    }

    #[test]
    fn a_label_that_is_chosen_names_versions_whatever_it_holds() {
        check(
            &["tier=a version=1", "tier=a version=2"],
            Some("tier"),
            &[],
            "a:2",
        );
        check(
            &["tier=a", "version=2"],
            Some("tier"),
            &[],
            "a:1 unlabelled:1",
        );
        check(&["version=2"], Some("tier"), &[], "web:1");
    }

    #[test]
    fn a_restart_does_not_rename_versions_that_are_asked_for() {
        let restarting = [
            "version=1 pod-template-hash=a",
            "version=1 pod-template-hash=b",
        ];
        check(&restarting, None, &[], "a:1 b:1");
        check(&restarting, None, &["1", "2"], "1:2");
        check(
            &["version=1", "color=blue"],
            None,
            &["blue"],
            "blue:1 unlabelled:1",
        );
    }
}

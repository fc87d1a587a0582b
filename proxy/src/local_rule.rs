//! What a worker keeps of a rule: what most requests need, in one line of the cache.
//!
//! With a hundred thousand rules none of it is in the cache when a request comes, and each further place in memory that it
//! leads to would be waited for as long as a tenth of the request takes.

use crate::forwarded::is_told;
use crate::gate::RuleGate;
use crate::metrics::{Place, SeriesKey, SeriesShard, Share};
use crate::retry::Budget;
use crate::worker::Worker;
use haldane_routing::spec::{HostSpec, PathSpec};
use haldane_routing::{
    Action, Balance, By, Filters, Forward, HashKey, Rule, Sticky, Version, VersionIndex,
};
use std::cell::{OnceCell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

/// What is counted together: a version, none where the rule answers itself, and what decided on it.
type Choice = (Option<VersionIndex>, By);

/// What one worker keeps of a rule.
///
/// A copy, for another table, shares the counters but has a budget of its own from then on: the newest is the one to spend from.
#[derive(Clone)]
#[repr(align(64))]
pub(crate) struct LocalRule {
    rule: Arc<Rule>,
    /// The rule's, which it may have in common with others.
    filters: Arc<Filters>,
    forward: Option<Forward>,
    /// Counters of the first choice; nearly all rules have no other.
    series: OnceCell<(Choice, Rc<SeriesShard>)>,
    seldom: OnceCell<Rc<Seldom>>,
    pub(crate) budget: Budget,
    /// Whether the rule looks at, or changes, what upstreams are told of a request's way.
    pub(crate) sees_told: bool,
}

const _: () = assert!(size_of::<LocalRule>() == 64, "one line of the cache");

/// What few rules have.
#[derive(Default)]
struct Seldom {
    gate: Option<RuleGate>,
    /// Counters of further choices: so few that they are looked through.
    series: RefCell<Vec<(Choice, Rc<SeriesShard>)>>,
}

fn sees_told(rule: &Rule) -> bool {
    let filters = rule.filters();
    let edits = filters.request_headers();
    let edited = edits.set().iter().chain(edits.add()).map(|(name, _)| name);
    edited.chain(edits.remove()).any(is_told)
        || filters.external_auth().is_some()
        || matches!(rule.action(), Action::Forward(forward) if picks_by_told(forward))
}

fn picks_by_told(forward: &Forward) -> bool {
    let sticky = matches!(forward.sticky(), Some(Sticky::Header(name)) if is_told(name));
    let by_told = |key: &HashKey| matches!(key, HashKey::Header(name) if is_told(name));
    sticky || matches!(forward.balance(), Balance::ConsistentHash(keys) if keys.iter().any(by_told))
}

impl LocalRule {
    pub(crate) fn new(rule: Arc<Rule>, worker: &Worker) -> Self {
        let seldom = OnceCell::new();
        if let Some(gate) = RuleGate::new(&rule, worker) {
            let gate = Some(gate);
            let series = RefCell::default();
            seldom.get_or_init(|| Rc::new(Seldom { gate, series }));
        }
        Self {
            filters: rule.filters().clone(),
            forward: match rule.action() {
                Action::Forward(forward) => Some(forward.clone()),
                Action::Redirect(_) | Action::Respond { .. } => None,
            },
            series: OnceCell::new(),
            seldom,
            budget: Budget::new(),
            sees_told: sees_told(&rule),
            rule,
        }
    }

    /// The rule, which most requests have no need to look at.
    pub(crate) fn rule(&self) -> &Arc<Rule> {
        &self.rule
    }

    /// The rule's filters.
    pub(crate) fn filters(&self) -> &Filters {
        &self.filters
    }

    /// How the rule forwards, if it does.
    pub(crate) fn forward(&self) -> Option<&Forward> {
        self.forward.as_ref()
    }

    /// Filters that remember.
    pub(crate) fn gate(&self) -> Option<&RuleGate> {
        self.seldom.get()?.gate.as_ref()
    }

    /// Where requests to a version (or answered by the rule itself) are counted.
    pub(crate) fn series(
        &self,
        version: Option<VersionIndex>,
        by: By,
        worker: &Worker,
    ) -> Rc<SeriesShard> {
        let choice = (version, by);
        let (first, series) = self
            .series
            .get_or_init(|| (choice, self.new_series(choice, worker)));
        if *first == choice {
            return series.clone();
        }
        let seldom = self.seldom.get_or_init(Rc::default);
        let mut others = seldom.series.borrow_mut();
        if let Some((_, known)) = others.iter().find(|(known, _)| *known == choice) {
            return known.clone();
        }
        let series = self.new_series(choice, worker);
        others.push((choice, series.clone()));
        series
    }

    fn new_series(&self, (version, by): Choice, worker: &Worker) -> Rc<SeriesShard> {
        let metrics = &worker.shared.metrics;
        let counted = metrics.series(&self.key(version, by), &place(&self.rule));
        let shard = |share| Rc::new(counted.shard(share, worker.index));
        if metrics.is_other(&counted) {
            // One for all, so that rules without number have no more to read for it.
            let other = worker.other_series.get_or_init(|| shard(Share::default()));
            return other.clone();
        }
        shard(self.share(version))
    }

    fn share(&self, version: Option<VersionIndex>) -> Share {
        let (Some(version), Some(forward)) = (version, self.forward()) else {
            return Share::default();
        };
        let weights = forward.versions().iter().map(Version::weight);
        Share {
            weight: forward.versions()[version.index()].weight(),
            period: weights.fold(0, u64::saturating_add),
        }
    }

    fn key(&self, version: Option<VersionIndex>, by: By) -> SeriesKey<&str> {
        let origin = self.rule.origin();
        let (name, canary) = match (version, self.forward()) {
            (Some(version), Some(forward)) => {
                let version = &forward.versions()[version.index()];
                (version.name(), version.canary())
            }
            _ => ("", ""),
        };
        SeriesKey {
            namespace: &origin.namespace,
            ingress: &origin.name,
            rule: self.rule.id(),
            service: &origin.service,
            by: if version.is_some() {
                by.as_str()
            } else {
                "none"
            },
            version: name,
            canary,
        }
    }
}

/// What a rule asks for first: it has one path, and more hosts than one only by aliases.
fn place(rule: &Rule) -> Place<'_> {
    let Some(first) = rule.matches().first() else {
        return Place::default();
    };
    Place {
        host: match &first.host {
            HostSpec::Any => "_".into(),
            HostSpec::Exact(name) => name.into(),
            HostSpec::OneLabel(suffix) | HostSpec::ManyLabels(suffix) => {
                format!("*.{suffix}").into()
            }
        },
        path: match &first.path {
            PathSpec::Exact(path) | PathSpec::Prefix(path) => path.into(),
            PathSpec::Regex { pattern, .. } => pattern.into(),
        },
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use haldane_routing::Table;

    /// A rule with these filters and this way to forward.
    pub(crate) fn table(matches: &str, filters: &str, forward: &str) -> Table {
        let spec = format!(
            r#"{{"rules": [{{"id": "r", "origin": {{}}, "matches": [{{{matches}}}], "filters": {{{filters}}},
                "action": {{"forward": {{"versions": [{{"name": "v", "weight": 1, "backend": "b"}}] {forward}}}}}}}],
               "backends": [{{"name": "b"}}]}}"#
        );
        Table::build(&serde_json::from_str(&spec).unwrap(), None, 7).unwrap()
    }

    #[track_caller]
    fn check(filters: &str, forward: &str, sees: bool) {
        let table = table("", filters, forward);
        assert_eq!(sees_told(&table.rules()[0]), sees, "{filters} {forward}");
    }

    #[test]
    fn a_rule_sees_what_is_told_where_it_edits_or_picks_by_it() {
        check("", "", false);
        check(
            r#""request_headers": {"remove": ["x-request-id"]}"#,
            "",
            true,
        );
        check(
            r#""request_headers": {"set": [["X-Real-IP", "a"]]}"#,
            "",
            true,
        );
        check(
            r#""request_headers": {"add": [["forwarded", "a"]]}"#,
            "",
            true,
        );
        check(
            r#""request_headers": {"set": [["x-other", "a"]]}"#,
            "",
            false,
        );
        check("", r#", "sticky": {"header": "x-forwarded-for"}"#, true);
        check("", r#", "sticky": {"header": "x-user"}"#, false);
        let hash =
            |key| format!(r#", "balance": {{"consistent_hash": ["host", {{"header": "{key}"}}]}}"#);
        check("", &hash("x-real-ip"), true);
        check("", &hash("x-user"), false);
    }
}

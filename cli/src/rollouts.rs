//! How rollouts stand: as the controller's admin port tells, or as it is written at the object, from which the same words
//! follow by the same functions. Whoever may read the object needs no way to the controller.

use crate::cluster::{Cluster, Object};
use crate::fetch;
use anyhow::Context as _;
use haldane_rollout::decide::REPORT_AGE_MAX;
use haldane_rollout::report::{RolloutReport, Rollouts, Standing};
use haldane_rollout::{Decision, Evidence, Phase, Plan, Reason, State, decide};
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

/// Where the controller writes down what it decided, and what it decided by; without the prefix.
const STATE: &str = "rollout-state";
const EVIDENCE: &str = "rollout-evidence";
/// How old evidence in the cluster may be without anything being wrong: it is written every 10 s.
const WRITTEN_AGE_MAX: Duration = REPORT_AGE_MAX.saturating_add(Duration::from_secs(20));

/// Who is asked.
pub(crate) enum Source {
    /// A controller's admin port.
    Admin(SocketAddr),
    /// The API server.
    Cluster(Cluster),
}

impl Source {
    /// The rollout of an object, if anything is told about it. An Ingress may have several, of one Service each: the one
    /// that releases `version`, or else one that is under way.
    pub(crate) async fn of(
        &self,
        object: &Object,
        version: Option<&str>,
    ) -> anyhow::Result<Option<RolloutReport>> {
        let all = match self {
            Self::Admin(admin) => told(*admin).await?,
            Self::Cluster(cluster) => cluster.rollouts(object).await?,
        };
        let own = all.into_iter().filter(|report| is_of(report, object));
        Ok(own.max_by_key(|report| standing(report, version)))
    }
}

/// How likely a rollout is meant.
fn standing(report: &RolloutReport, version: Option<&str>) -> (bool, bool) {
    let Some(standing) = &report.rollout else {
        return (false, false);
    };
    let is_over = matches!(standing.phase, Phase::Promoted | Phase::Aborted);
    (version == Some(&*standing.canary), !is_over)
}

fn is_of(report: &RolloutReport, object: &Object) -> bool {
    report.kind == object.kind.to_string()
        && report.namespace == object.namespace
        && report.name == object.name
}

/// All that the controller knows.
pub(crate) async fn told(admin: SocketAddr) -> anyhow::Result<Vec<RolloutReport>> {
    let Some(answer) = fetch::json_if_any(admin, "/rollouts").await? else {
        return Ok(Vec::new());
    };
    let rollouts: Rollouts = serde_json::from_value(answer).context("reading its rollouts")?;
    anyhow::ensure!(
        rollouts.leader,
        "the controller at {admin} does not lead; ask another one"
    );
    Ok(rollouts.rollouts)
}

impl Cluster {
    /// The rollouts of an object, as the controller wrote them down at it. Durations of requests are not among that.
    pub(crate) async fn rollouts(&self, object: &Object) -> anyhow::Result<Vec<RolloutReport>> {
        let found = self.find(object.kind, &object.named()).await?;
        Ok(found.map_or(Vec::new(), |found| written(&found, Timestamp::now())))
    }
}

/// One Service's part of the annotation that holds what was decided.
#[derive(Deserialize)]
struct Decided {
    stable: String,
    state: Option<State>,
}

/// One Service's part of the annotation that holds what was counted.
#[derive(Default, Deserialize)]
struct Counted {
    evidence: Option<Evidence>,
}

/// What stands at an object about its rollouts. What cannot be read is another version's, and left out.
pub(crate) fn written(object: &Object, now: Timestamp) -> Vec<RolloutReport> {
    let decided: BTreeMap<String, Decided> = read(object, STATE).unwrap_or_default();
    let mut counted: BTreeMap<String, Counted> = read(object, EVIDENCE).unwrap_or_default();
    // A plan that is at fault is not in force, but what was decided is.
    let plan = Plan::read(object.annotations()).ok().flatten();
    let plan = plan.unwrap_or_default();
    let report = |(service, decided): (String, Decided)| {
        let evidence = counted
            .remove(&service)
            .and_then(|counted| counted.evidence);
        let standing = |state: &State| {
            let unseen = || Evidence::new(state.terms().thresholds.len());
            let evidence = evidence.unwrap_or_else(unseen);
            let mut decision = decide(&plan, state, &evidence, now);
            leave_out_age(&mut decision);
            Standing::new(&plan, state, &evidence, &decision, now)
        };
        let rollout = decided.state.as_ref().map(standing);
        RolloutReport {
            namespace: object.namespace.clone(),
            kind: object.kind.to_string(),
            name: object.name.clone(),
            stable: stable(&decided),
            service,
            mode: plan.mode,
            rollout,
        }
    };
    decided.into_iter().map(report).collect()
}

/// The controller itself has newer reports than those that it wrote down.
fn leave_out_age(decision: &mut Decision) {
    let is_due =
        |reason: &Reason| !matches!(reason, Reason::Stale { age } if *age <= WRITTEN_AGE_MAX);
    decision.reasons.retain(is_due);
}

fn stable(decided: &Decided) -> String {
    let stable = match &decided.state {
        Some(state) if state.phase() == Phase::Promoted => state.canary(),
        Some(state) => state.stable(),
        None => &decided.stable,
    };
    stable.to_owned()
}

fn read<T: DeserializeOwned>(object: &Object, annotation: &str) -> Option<T> {
    serde_json::from_str(object.annotation(annotation)?).ok()
}

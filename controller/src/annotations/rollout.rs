//! `rollout` and what belongs to it: who moves the weight of a new version, how, and what counts as worse.
//!
//! The texts themselves are read by `haldane-rollout`; here stand the object they are of, and what was decided for it.

use super::{HALDANE, Reader};
use haldane_rollout::Plan;
use haldane_routing::schedule::PERIOD_MAX;
use std::sync::Arc;

/// The annotation in which a decision outlives the process that made it, without its prefix.
pub(crate) const STATE: &str = "rollout-state";

/// What the decisions rest on. It changes often and makes no difference to a table.
pub(crate) const EVIDENCE: &str = "rollout-evidence";

/// A rollout that an object asks for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Asked {
    /// The object, such as `Service shop/web`. Every annotation of the rollout is of this one.
    pub(crate) object: String,
    pub(crate) plan: Arc<Plan>,
    /// What was written down of what was decided.
    pub(crate) state: Option<Arc<str>>,
}

/// `None` where no rollout is asked for, or not in a form that can be understood, which is reported.
pub(crate) fn read(reader: &mut Reader<'_>) -> Option<Asked> {
    let texts: Vec<_> = reader.texts(HALDANE).collect();
    let state = texts.iter().find(|(suffix, _)| *suffix == STATE);
    let state = state.map(|(_, text)| Arc::from(*text));
    match Plan::read(texts.iter().copied()) {
        Ok(plan) => {
            let plan = plan?;
            check_periods(&plan, reader);
            Some(Asked {
                object: reader.subject().object.clone(),
                plan: Arc::new(plan),
                state,
            })
        }
        Err(faults) => {
            for fault in faults {
                let spot = reader
                    .subject()
                    .annotation(&format!("{HALDANE}{}", fault.annotation));
                reader.push(spot.error(fault.reason.to_string()));
            }
            None
        }
    }
}

/// A step is a split, and no split repeats only after more requests than this.
fn check_periods(plan: &Plan, reader: &mut Reader<'_>) {
    for step in &plan.steps {
        let period = u64::from(step.period());
        if period > PERIOD_MAX {
            reader.refuse(
                "steps",
                format!("the share {step} repeats only after {period} requests, at most {PERIOD_MAX} are possible"),
            );
        }
    }
}

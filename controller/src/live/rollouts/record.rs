//! What is written down at an object: its rollouts, and what they have seen.

use crate::annotations::HALDANE;
use crate::annotations::rollout::{EVIDENCE, STATE};
use crate::live::write::Applied;
use crate::rollouts::saved::{Saved, of_service};
use crate::rollouts::seen::Seen;
use crate::rollouts::turn::Rollout;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Map, json};

/// Who owns these annotations. Nobody else writes them.
const FIELD_MANAGER: &str = "haldane-rollouts";

/// What an object's annotations say about the rollout of a Service's versions.
pub(crate) fn read(metadata: &ObjectMeta, service: &str) -> Option<Rollout> {
    let annotations = metadata.annotations.as_ref()?;
    let text = |suffix: &str| annotations.get(&format!("{HALDANE}{suffix}"));
    let saved = Saved::read(text(STATE)?, service)?;
    // Without what it had seen a rollout goes on at its step, and begins to count anew.
    let seen = text(EVIDENCE).and_then(|text| of_service::<Seen>(text, service));
    let seen = seen.unwrap_or_else(|| Seen::unknown(&saved));
    Some(Rollout { saved, seen })
}

/// The annotations of an object with these rollouts, each with the Service of its versions.
pub(crate) fn write<'r>(
    rollouts: impl Iterator<Item = (&'r str, &'r Rollout)>,
    is_there: impl Fn(&str) -> bool,
) -> Applied {
    let (mut states, mut evidence) = (Map::new(), Map::new());
    for (service, rollout) in rollouts {
        states.insert(service.to_owned(), json!(rollout.saved));
        evidence.insert(service.to_owned(), json!(rollout.seen.bounded(&is_there)));
    }
    Applied {
        what: "rollout",
        manager: FIELD_MANAGER,
        annotations: json!({
            format!("{HALDANE}{STATE}"): json!(states).to_string(),
            format!("{HALDANE}{EVIDENCE}"): json!(evidence).to_string(),
        }),
    }
}

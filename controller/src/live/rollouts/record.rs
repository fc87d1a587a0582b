//! What is written down at an object: its rollouts, and what they have seen.

use crate::annotations::HALDANE;
use crate::annotations::rollout::{EVIDENCE, STATE};
use crate::live::write::Applied;
use crate::rollouts::saved::Saved;
use crate::rollouts::seen::Seen;
use crate::rollouts::turn::Rollout;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Map, Value, json};

/// Who owns these annotations. Nobody else writes them.
const FIELD_MANAGER: &str = "haldane-rollouts";

/// How long the evidence of all rollouts of an object may be. All annotations of an object together have 256 KiB, and what
/// does not fit is refused as a whole, with the decisions in it.
const EVIDENCE_BYTES_MAX: usize = 128 * 1024;

/// Of how many processes the last word is written, until it fits. One that is forgotten is heard from anew without being
/// counted twice.
const INSTANCES: [usize; 4] = [64, 16, 4, 0];

/// How many rollouts stay written that nobody asks for at present: a path that is taken out of an Ingress may come back,
/// and what was aborted behind it must still be aborted then.
const LEFT_MAX: usize = 16;

/// The rollouts of one object as they are written, by the Service of their versions.
#[derive(Clone, Debug, Default)]
pub(crate) struct Record {
    states: Map<String, Value>,
    evidence: Map<String, Value>,
}

/// One rollout to be written.
pub(crate) struct Entry<'r> {
    pub(crate) service: &'r str,
    pub(crate) rollout: &'r Rollout,
}

impl Record {
    /// What an object's annotations say. What cannot be read is as if it were not there.
    pub(crate) fn of(metadata: &ObjectMeta) -> Self {
        let text = |suffix: &str| {
            metadata
                .annotations
                .as_ref()?
                .get(&format!("{HALDANE}{suffix}"))
        };
        let map = |suffix: &str| serde_json::from_str(text(suffix)?).ok();
        Self {
            states: map(STATE).unwrap_or_default(),
            evidence: map(EVIDENCE).unwrap_or_default(),
        }
    }

    /// The rollout of a Service's versions.
    pub(crate) fn rollout(&self, service: &str) -> Option<Rollout> {
        let saved: Saved = serde_json::from_value(self.states.get(service)?.clone()).ok()?;
        // Without what it had seen a rollout goes on at its step, and begins to count anew.
        let seen = self.evidence.get(service).cloned();
        let seen = seen.and_then(|seen| serde_json::from_value::<Seen>(seen).ok());
        let seen = seen.unwrap_or_else(|| Seen::unknown(&saved));
        Some(Rollout { saved, seen })
    }

    /// The same with these rollouts as they are now; those of other Services stay.
    pub(crate) fn with(&self, entries: &[Entry<'_>], is_there: impl Fn(&str) -> bool) -> Self {
        let mut next = self.clone();
        next.forget(|service| entries.iter().any(|entry| entry.service == service));
        for entry in entries {
            let state = json!(entry.rollout.saved);
            next.states.insert(entry.service.to_owned(), state);
        }
        next.evidence = fitting(entries, is_there);
        next
    }

    /// Keeps no more than may be kept of what is not there.
    fn forget(&mut self, is_there: impl Fn(&str) -> bool) {
        let left = self.states.keys().filter(|service| !is_there(service));
        let excess: Vec<_> = left.skip(LEFT_MAX).cloned().collect();
        for service in excess {
            self.states.remove(&service);
        }
    }

    /// The same without what was seen, for an API server that does not take it.
    pub(crate) fn without_evidence(mut self) -> Self {
        self.evidence = Map::new();
        self
    }

    /// As annotations.
    pub(crate) fn applied(&self) -> Applied {
        Applied {
            what: "rollout",
            manager: FIELD_MANAGER,
            annotations: json!({
                format!("{HALDANE}{STATE}"): json!(self.states).to_string(),
                format!("{HALDANE}{EVIDENCE}"): json!(self.evidence).to_string(),
            }),
        }
    }
}

/// As much of the evidence as fits.
fn fitting(entries: &[Entry<'_>], is_there: impl Fn(&str) -> bool) -> Map<String, Value> {
    let tries = INSTANCES.into_iter().map(|instances| {
        let bounded = |entry: &Entry<'_>| json!(entry.rollout.seen.bounded(instances, &is_there));
        let named = |entry: &Entry<'_>| (entry.service.to_owned(), bounded(entry));
        entries.iter().map(named).collect::<Map<_, _>>()
    });
    let mut fits = tries.filter(|evidence| json!(evidence).to_string().len() <= EVIDENCE_BYTES_MAX);
    fits.next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rollout(stable: &str) -> Rollout {
        let saved = Saved {
            stable: stable.to_owned(),
            ..Saved::default()
        };
        let seen = Seen::unknown(&saved);
        Rollout { saved, seen }
    }

    fn written(record: &Record) -> ObjectMeta {
        let annotations = record.applied().annotations;
        ObjectMeta {
            annotations: serde_json::from_value(annotations).ok(),
            ..ObjectMeta::default()
        }
    }

    fn put(record: &Record, service: &str, stable: &str) -> Record {
        let rollout = rollout(stable);
        let entry = Entry {
            service,
            rollout: &rollout,
        };
        record.with(&[entry], |_| true)
    }

    #[test]
    fn writing_one_rollout_leaves_those_of_other_services() {
        let both = put(&put(&Record::default(), "api", "7"), "web", "1.14");
        let later = put(&Record::of(&written(&both)), "web", "1.15");
        let read = Record::of(&written(&later));
        let stable = |service| read.rollout(service).map(|rollout| rollout.saved.stable);
        assert_eq!(stable("web").as_deref(), Some("1.15"));
        assert_eq!(stable("api").as_deref(), Some("7"));
        assert_eq!(stable("other"), None);
    }

    #[test]
    fn what_nobody_asks_for_is_kept_up_to_a_bound() {
        let mut record = Record::default();
        for number in 0..LEFT_MAX + 10 {
            record = put(&record, &format!("service-{number:02}"), "1");
        }
        assert_eq!(record.states.len(), LEFT_MAX + 1);
    }

    #[test]
    fn what_cannot_be_read_is_not_there() {
        for text in ["", "[]", "{\"web\": 7}", "{"] {
            let key = format!("{HALDANE}{STATE}");
            let metadata = ObjectMeta {
                annotations: Some([(key, text.to_owned())].into()),
                ..ObjectMeta::default()
            };
            assert!(Record::of(&metadata).rollout("web").is_none(), "{text}");
        }
    }
}

//! What becomes of an aborted version's pods, where `on-abort` asks for more than no requests: which Deployment is meant, and
//! what is to be written to it, if anything.
//!
//! All of it is a function of what was read. Where it is not beyond doubt that a write hits the aborted version alone, there is
//! none, and it is said why. Choosing again after a write, also after a crash, chooses no second one.

use super::notice::{Notice, What};
use super::saved::Saved;
use crate::versions::{TEMPLATE_HASH, UNLABELLED};
use haldane_rollout::OnAbort;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// How often it is tried before a person has to do it: with the waits of [`Cleanup::pause_s`] some six minutes, longer than an
/// API server takes to restart.
pub(crate) const TRIES_MAX: u32 = 12;
/// The longest wait between two tries, in seconds.
const PAUSE_MAX_S: u64 = 60;

/// Labels of an object.
pub(crate) type Labels = BTreeMap<String, String>;

/// What is still to be done after an abort. It is written down with the abort, before anything is done.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Cleanup {
    /// The version that was aborted.
    pub(crate) canary: String,
    /// The templates of its pods then. A Deployment that has another one by now is left alone.
    pub(crate) hashes: BTreeSet<String>,
    /// How often it was tried.
    #[serde(default)]
    pub(crate) tries: u32,
    /// The template that an undo brings back, once its version is known and is no new one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) noted: Option<String>,
}

/// A template that a Deployment had before, and the version that its pods are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Earlier {
    pub(crate) hash: String,
    pub(crate) version: String,
}

/// What came of a try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Tried {
    /// This is what is to be brought back: its version is to be known before.
    Found(Earlier),
    /// It is done, and what was done.
    Done(String),
    /// There is nothing to do any more.
    Needless(String),
    /// Not now.
    Again(String),
    /// Never, and why.
    Refused(String),
}

/// What is to be done now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// The Deployment is to have no pods.
    ScaleDown,
    /// The Deployment is to have the template of this ReplicaSet.
    Undo(Earlier),
    /// Nothing, for this reason.
    Not(Tried),
}

/// How versions are told apart: by a label, or, of a Service whose pods carry none, not at all.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Naming<'n> {
    pub(crate) label: Option<&'n str>,
    pub(crate) service: &'n str,
}

/// A Deployment as it is now, with all that belongs to it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Owned {
    /// Its name.
    pub(crate) name: String,
    pub(crate) replicas: i64,
    pub(crate) paused: bool,
    /// Whether its controller has seen its newest form, so that its ReplicaSets are those of that form.
    pub(crate) observed: bool,
    pub(crate) sets: Vec<Set>,
    /// Labels of its pods that stay, with their names.
    pub(crate) pods: Vec<(String, Labels)>,
}

/// A ReplicaSet of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Set {
    /// Which revision it is; the largest is in force.
    pub(crate) revision: u64,
    /// The labels of its template.
    pub(crate) labels: Labels,
}

impl Cleanup {
    /// How long to wait before the next try, in seconds.
    pub(crate) fn pause_s(&self) -> u64 {
        let doubled = 1_u64.checked_shl(self.tries).unwrap_or(PAUSE_MAX_S);
        doubled.min(PAUSE_MAX_S)
    }

    /// What is to be done to the Deployment of the aborted version.
    pub(crate) fn choose(&self, wanted: OnAbort, naming: Naming<'_>, owned: &Owned) -> Choice {
        let name = &owned.name;
        if !owned.observed {
            return Choice::again(format!("Deployment {name} is being changed"));
        }
        let Some(current) = owned.sets.iter().max_by_key(|set| set.revision) else {
            return Choice::again(format!("Deployment {name} has no ReplicaSet"));
        };
        if !self.hashes.contains(current.hash()) {
            return self.left_alone(wanted, owned, current);
        }
        match wanted {
            OnAbort::Hold => Choice::Not(Tried::Needless("on-abort is hold by now".to_owned())),
            OnAbort::ScaleDown => self.scale_down(naming, owned),
            OnAbort::Undo => self.undo(naming, owned, current),
        }
    }

    fn left_alone(&self, wanted: OnAbort, owned: &Owned, current: &Set) -> Choice {
        let ours = self.noted.as_deref() == Some(current.hash());
        Choice::Not(match wanted {
            OnAbort::Undo if ours => Tried::Done(undone(owned)),
            _ => Tried::Needless(format!("Deployment {} has another template", owned.name)),
        })
    }

    fn scale_down(&self, naming: Naming<'_>, owned: &Owned) -> Choice {
        let name = &owned.name;
        let mut others = owned
            .pods
            .iter()
            .map(|(pod, labels)| (pod, self.is_ours(naming, labels)));
        if let Some((pod, _)) = others.find(|(_, ours)| !ours) {
            let why = format!("Deployment {name} has pods of other versions, such as {pod}");
            return Choice::refuse(why);
        }
        match owned.replicas {
            0 => Choice::Not(Tried::Done(scaled_down(owned))),
            _ => Choice::ScaleDown,
        }
    }

    fn undo(&self, naming: Naming<'_>, owned: &Owned, current: &Set) -> Choice {
        let name = &owned.name;
        if owned.paused {
            return Choice::refuse(format!("Deployment {name} is paused"));
        }
        let sets = owned.sets.iter();
        let earlier = sets.filter(|set| set.revision < current.revision && set.revision > 0);
        let others = earlier.filter(|set| !self.hashes.contains(set.hash()));
        let Some(previous) = others.max_by_key(|set| set.revision) else {
            return Choice::refuse(format!("Deployment {name} has no revision before"));
        };
        Choice::Undo(Earlier {
            hash: previous.hash().to_owned(),
            version: naming.version(&previous.labels).to_owned(),
        })
    }

    /// Whether a pod with these labels is one of the aborted version.
    fn is_ours(&self, naming: Naming<'_>, labels: &Labels) -> bool {
        match naming.label {
            Some(_) => naming.version(labels) == self.canary,
            None => labels
                .get(TEMPLATE_HASH)
                .is_some_and(|hash| self.hashes.contains(hash)),
        }
    }
}

impl Saved {
    /// Takes in what came of a try; what is to be told of it.
    pub(crate) fn tried(&mut self, tried: Tried) -> Option<Notice> {
        let mut cleanup = self.cleanup.take()?;
        cleanup.tries += 1;
        let canary = cleanup.canary.clone();
        let tell = |what, why: String| Some(Notice::new(what, format!("{canary}: {why}")));
        match tried {
            Tried::Found(Earlier { hash, version }) => {
                let known = self.known.entry(version).or_default();
                known.hashes.insert(hash.clone());
                cleanup.noted = Some(hash);
            }
            Tried::Again(why) if cleanup.tries >= TRIES_MAX => {
                return tell(What::NotCleanedUp, format!("given up: {why}"));
            }
            Tried::Again(_) => {}
            Tried::Done(what) => return tell(What::CleanedUp, what),
            Tried::Refused(why) => {
                return tell(What::NotCleanedUp, format!("its pods stay: {why}"));
            }
            Tried::Needless(_) => return None,
        }
        self.cleanup = Some(cleanup);
        None
    }
}

impl Choice {
    fn again(why: String) -> Self {
        Self::Not(Tried::Again(why))
    }

    fn refuse(why: String) -> Self {
        Self::Not(Tried::Refused(why))
    }
}

impl Naming<'_> {
    /// The version of pods with these labels.
    pub(crate) fn version<'l>(&'l self, labels: &'l Labels) -> &'l str {
        match self.label {
            Some(label) => labels.get(label).map_or(UNLABELLED, String::as_str),
            None => self.service,
        }
    }
}

impl Set {
    /// What tells its pods from those of other revisions.
    pub(crate) fn hash(&self) -> &str {
        self.labels.get(TEMPLATE_HASH).map_or("", String::as_str)
    }
}

/// What is told of a Deployment without pods.
pub(crate) fn scaled_down(owned: &Owned) -> String {
    format!("Deployment {} is scaled to 0", owned.name)
}

/// What is told of a Deployment that is back where it was.
pub(crate) fn undone(owned: &Owned) -> String {
    format!(
        "Deployment {} has the template of its revision before",
        owned.name
    )
}

/// The one that all belong to: `None` if there are none.
///
/// # Errors
/// Where one belongs to none, or two to different ones.
pub(crate) fn agreed<T: PartialEq>(
    owners: impl IntoIterator<Item = Option<T>>,
) -> Result<Option<T>, ()> {
    let mut all = owners.into_iter();
    let Some(first) = all.next() else {
        return Ok(None);
    };
    let first = first.ok_or(())?;
    match all.all(|owner| owner.as_ref() == Some(&first)) {
        true => Ok(Some(first)),
        false => Err(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMING: Naming<'_> = Naming {
        label: Some("version"),
        service: "web",
    };

    /// Version and template, as `2:b`.
    fn labels(text: &str) -> Labels {
        let (version, hash) = text.split_once(':').expect("VERSION:HASH");
        let pairs = [("version", version), (TEMPLATE_HASH, hash)];
        pairs
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into()
    }

    /// A Deployment with revisions and pods, each list as `VERSION:HASH ...`, the oldest first.
    fn owned(revisions: &str, pods: &str) -> Owned {
        let sets = (1..).zip(revisions.split_whitespace());
        let set = |(revision, text)| Set {
            revision,
            labels: labels(text),
        };
        let pods = pods
            .split_whitespace()
            .map(|text| (format!("pod-{text}"), labels(text)));
        Owned {
            name: "web".to_owned(),
            replicas: 2,
            paused: false,
            observed: true,
            sets: sets.map(set).collect(),
            pods: pods.collect(),
        }
    }

    fn cleanup() -> Cleanup {
        Cleanup {
            canary: "2".to_owned(),
            hashes: BTreeSet::from(["b".to_owned()]),
            ..Cleanup::default()
        }
    }

    fn choice(wanted: OnAbort, owned: &Owned) -> String {
        match cleanup().choose(wanted, NAMING, owned) {
            Choice::ScaleDown => "scale down".to_owned(),
            Choice::Undo(earlier) => format!("undo to {}:{}", earlier.version, earlier.hash),
            Choice::Not(tried) => format!("{tried:?}"),
        }
    }

    #[test]
    fn only_what_is_the_aborted_versions_alone_is_written_to() {
        // on-abort, revisions, pods, what is done
        let cases = [
            (OnAbort::ScaleDown, "2:b", "2:b 2:b", "scale down"),
            (OnAbort::ScaleDown, "1:a 2:b", "2:b", "scale down"),
            (OnAbort::ScaleDown, "2:b", "", "scale down"),
            (
                OnAbort::ScaleDown,
                "1:a 2:b",
                "1:a 2:b",
                r#"Refused("Deployment web has pods of other versions, such as pod-1:a")"#,
            ),
            (
                OnAbort::ScaleDown,
                "2:b 2:c",
                "2:b",
                r#"Needless("Deployment web has another template")"#,
            ),
            (OnAbort::Undo, "1:a 2:b", "1:a 2:b", "undo to 1:a"),
            (OnAbort::Undo, "0:z 1:a 2:b", "2:b", "undo to 1:a"),
            (
                OnAbort::Undo,
                "2:b",
                "2:b",
                r#"Refused("Deployment web has no revision before")"#,
            ),
            (
                OnAbort::Undo,
                "2:b 1:a",
                "2:b 1:a",
                r#"Needless("Deployment web has another template")"#,
            ),
            (
                OnAbort::Hold,
                "2:b",
                "2:b",
                r#"Needless("on-abort is hold by now")"#,
            ),
            (
                OnAbort::Undo,
                "",
                "2:b",
                r#"Again("Deployment web has no ReplicaSet")"#,
            ),
        ];
        for (wanted, revisions, pods, expected) in cases {
            let found = choice(wanted, &owned(revisions, pods));
            assert_eq!(found, expected, "{wanted:?} {revisions} / {pods}");
        }
    }

    #[test]
    fn what_is_in_motion_is_waited_for_and_what_is_held_is_left() {
        let mut moving = owned("1:a 2:b", "2:b");
        moving.observed = false;
        assert_eq!(
            choice(OnAbort::Undo, &moving),
            r#"Again("Deployment web is being changed")"#
        );
        let mut paused = owned("1:a 2:b", "2:b");
        paused.paused = true;
        assert_eq!(choice(OnAbort::ScaleDown, &paused), "scale down");
        assert_eq!(
            choice(OnAbort::Undo, &paused),
            r#"Refused("Deployment web is paused")"#
        );
    }

    #[test]
    fn what_is_done_is_not_done_once_more() {
        let mut noted = cleanup();
        noted.noted = Some("a".to_owned());
        let after_undo = noted.choose(OnAbort::Undo, NAMING, &owned("2:b 1:a", "1:a"));
        assert!(
            matches!(after_undo, Choice::Not(Tried::Done(_))),
            "{after_undo:?}"
        );
        let mut none = owned("2:b", "");
        none.replicas = 0;
        let after_scaling = cleanup().choose(OnAbort::ScaleDown, NAMING, &none);
        assert!(
            matches!(after_scaling, Choice::Not(Tried::Done(_))),
            "{after_scaling:?}"
        );
    }

    #[test]
    fn pods_without_the_label_are_told_by_their_template() {
        let bare = Naming {
            label: None,
            ..NAMING
        };
        // revisions, pods, whether the Deployment may be scaled down
        let cases = [("x:b", "x:b", true), ("x:a x:b", "x:a x:b", false)];
        for (revisions, pods, expected) in cases {
            let choice = cleanup().choose(OnAbort::ScaleDown, bare, &owned(revisions, pods));
            assert_eq!(choice == Choice::ScaleDown, expected, "{pods}");
        }
    }

    #[test]
    fn all_must_agree_on_one_owner() {
        assert_eq!(agreed::<u8>([]), Ok(None));
        assert_eq!(agreed([Some(1), Some(1)]), Ok(Some(1)));
        assert_eq!(agreed([Some(1), Some(2)]), Err(()));
        assert_eq!(agreed([Some(1), None]), Err(()));
    }

    #[test]
    fn tries_come_further_and_further_apart_for_minutes() {
        let pause = |tries| Cleanup { tries, ..cleanup() }.pause_s();
        assert_eq!([0, 1, 5, 6, 200].map(pause), [1, 2, 32, 60, 60]);
        let all: u64 = (0..TRIES_MAX).map(pause).sum();
        assert!((300..600).contains(&all), "{all}");
    }
}

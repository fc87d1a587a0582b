//! What each object's status says, and which of them are to be written.
//!
//! A status is written when the object's part of the table changed, or became live; never because a proxy came or went,
//! and never twice the same. So ten thousand objects do not make ten thousand writes of each change.

use super::name::ObjectName;
use super::parts::{Part, Parts};
use super::rollouts::brief::{self, Brief};
use haldane_rollout::report::RolloutReport;
use haldane_wire::Generation;
use serde::Serialize;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// What the annotation `haldane.dev/status` holds, as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Status {
    /// The generation in which the object's rules last changed; absent where it has none.
    pub(crate) generation: Option<String>,
    /// Whether every connected proxy has applied it.
    pub(crate) live: bool,
    /// How many have, of how many, when that was last told.
    pub(crate) proxies: String,
    /// How many problems the object has.
    pub(crate) problems: usize,
    /// Whether it is served as it was when it was last valid.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) held: bool,
    /// Where the rollouts stand that the object asks for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) rollouts: Vec<Brief>,
}

/// A status that was written, or is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) uid: String,
    since: Option<u64>,
    pub(crate) status: Status,
}

/// All statuses.
#[derive(Debug, Default)]
pub(crate) struct Book {
    told: BTreeMap<ObjectName, Entry>,
    /// What changed last comes first: somebody waits for it.
    due: BTreeMap<(Reverse<Option<u64>>, ObjectName), Entry>,
}

impl Book {
    /// Takes in what there is now: the objects, the term that is led, and what each proxy has applied.
    pub(crate) fn refresh(
        &mut self,
        parts: &Parts,
        term: u64,
        applied: &[Option<Generation>],
        rollouts: &[RolloutReport],
    ) {
        let mut briefs = brief::of(rollouts);
        self.told.retain(|name, _| parts.contains_key(name));
        self.due.clear();
        for (name, part) in parts {
            let told = self.told.get(name);
            let mut entry = entry(part, told, term, applied);
            entry.status.rollouts = briefs.remove(name).unwrap_or_default();
            if told != Some(&entry) {
                self.due.insert(place(name, &entry), entry);
            }
        }
    }

    /// The next one to write. It counts as written until [`Book::failed`].
    pub(crate) fn next(&mut self) -> Option<(ObjectName, Entry)> {
        let ((_, name), entry) = self.due.pop_first()?;
        self.told.insert(name.clone(), entry.clone());
        Some((name, entry))
    }

    /// It was not written after all.
    pub(crate) fn failed(&mut self, name: &ObjectName) {
        if let Some(entry) = self.told.remove(name) {
            self.due.insert(place(name, &entry), entry);
        }
    }

    pub(crate) fn due(&self) -> usize {
        self.due.len()
    }
}

fn place(name: &ObjectName, entry: &Entry) -> (Reverse<Option<u64>>, ObjectName) {
    (Reverse(entry.since), name.clone())
}

/// What was live once stays live until it changes: a proxy that comes later has to catch up before it serves at all.
fn entry(part: &Part, told: Option<&Entry>, term: u64, applied: &[Option<Generation>]) -> Entry {
    let told = told.filter(|told| told.uid == part.uid && told.since == part.since);
    let status = match told {
        Some(told) if told.status.live => Status {
            problems: part.problems,
            held: part.held,
            ..told.status.clone()
        },
        _ => status(part, term, applied),
    };
    Entry {
        uid: part.uid.clone(),
        since: part.since,
        status,
    }
}

fn status(part: &Part, term: u64, applied: &[Option<Generation>]) -> Status {
    let generation = part.since.map(|number| Generation { term, number });
    let reached = |applied: &&Option<Generation>| generation.is_some() && **applied >= generation;
    let count = applied.iter().filter(reached).count();
    Status {
        generation: generation.map(|generation| generation.to_string()),
        live: count > 0 && count == applied.len(),
        proxies: format!("{count}/{}", applied.len()),
        problems: part.problems,
        held: part.held,
        rollouts: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::name::Kind;

    const TERM: u64 = 7;

    fn parts(objects: &[(&str, u64, usize)]) -> Parts {
        let part = |(name, since, problems): &(&str, u64, usize)| {
            let part = Part {
                uid: format!("uid of {name}"),
                since: Some(*since),
                problems: *problems,
                held: false,
            };
            (ObjectName::new(Kind::Ingress, "shop", name), part)
        };
        objects.iter().map(part).collect()
    }

    fn proxies(applied: &[u64]) -> Vec<Option<Generation>> {
        let generation = |number: &u64| {
            (*number > 0).then_some(Generation {
                term: TERM,
                number: *number,
            })
        };
        applied.iter().map(generation).collect()
    }

    /// What is written after a refresh, as text.
    fn written(book: &mut Book, objects: &[(&str, u64, usize)], applied: &[u64]) -> Vec<String> {
        book.refresh(&parts(objects), TERM, &proxies(applied), &[]);
        let mut lines = Vec::new();
        while let Some((name, entry)) = book.next() {
            let status = entry.status;
            let live = if status.live { "live" } else { "not live" };
            let generation = status.generation.unwrap_or_default();
            lines.push(format!(
                "{} {generation} {live} {} {}",
                name.name, status.proxies, status.problems
            ));
        }
        lines
    }

    #[test]
    fn only_what_changed_is_written() {
        let mut book = Book::default();
        let (a, b) = (("a", 1, 0), ("b", 1, 0));
        let both = ["a 7.1 live 2/2 0", "b 7.1 live 2/2 0"];
        assert_eq!(written(&mut book, &[a, b], &[1, 1]), both);
        let b = ("b", 2, 0);
        assert_eq!(
            written(&mut book, &[a, b], &[1, 2]),
            ["b 7.2 not live 1/2 0"]
        );
        assert_eq!(written(&mut book, &[a, b], &[2, 2]), ["b 7.2 live 2/2 0"]);
        // A proxy comes, and goes.
        assert!(written(&mut book, &[a, b], &[2, 2, 0]).is_empty());
        assert!(written(&mut book, &[a, b], &[]).is_empty());
        let a = ("a", 1, 1);
        assert_eq!(written(&mut book, &[a, b], &[2]), ["a 7.1 live 2/2 1"]);
    }

    #[test]
    fn what_changed_last_is_written_first() {
        let objects = [("a", 1, 0), ("b", 3, 0), ("c", 2, 0)];
        let lines = written(&mut Book::default(), &objects, &[3]);
        let names: Vec<_> = lines.iter().map(|line| &line[..1]).collect();
        assert_eq!(names, ["b", "c", "a"]);
    }

    #[test]
    fn nothing_is_live_without_proxies() {
        let mut book = Book::default();
        assert_eq!(
            written(&mut book, &[("a", 1, 0)], &[]),
            ["a 7.1 not live 0/0 0"]
        );
        assert_eq!(
            written(&mut book, &[("a", 1, 0)], &[0]),
            ["a 7.1 not live 0/1 0"]
        );
    }

    #[test]
    fn what_could_not_be_written_is_written_later() {
        let mut book = Book::default();
        book.refresh(&parts(&[("a", 1, 0)]), TERM, &proxies(&[1]), &[]);
        let (name, entry) = book.next().unwrap();
        assert_eq!(book.due(), 0);
        book.failed(&name);
        assert_eq!(book.next(), Some((name, entry)));
    }
}

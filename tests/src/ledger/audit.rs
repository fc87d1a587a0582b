//! The three logs side by side, and what must be true of them whatever was broken meanwhile.

use super::{Asked, Executed, Ledger, Outcome, id_of};
use crate::plane::until;
use anyhow::Context as _;
use http::Method;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

/// How many findings are shown.
const SHOWN_MAX: usize = 5;

/// The proxy's line: its access log.
#[derive(Clone, Debug, Deserialize)]
pub struct Passed {
    /// The request, by its name.
    pub request_id: String,
    /// The status that was sent.
    pub status: Option<u16>,
    /// The version that it was assigned.
    pub version: Option<String>,
    /// Where the last attempt went.
    pub endpoint: Option<String>,
    /// Attempts after the first.
    pub retries: u32,
    /// What went wrong.
    pub error: Option<String>,
}

/// All that is known of one request.
#[derive(Clone, Debug, Default)]
pub struct Entry {
    /// What clients saw: exactly one thing, or the audit finds fault.
    pub asked: Vec<Asked>,
    /// What proxies logged.
    pub passed: Vec<Passed>,
    /// What backends did.
    pub executed: Vec<Executed>,
}

impl Entry {
    fn method(&self) -> Option<&Method> {
        self.asked.first().map(|asked| &asked.method)
    }

    fn outcome(&self) -> Option<&Outcome> {
        self.asked.first().map(|asked| &asked.outcome)
    }

    /// Whether it is a GET.
    pub fn is_get(&self) -> bool {
        self.method() == Some(&Method::GET)
    }

    /// The status that the client saw.
    pub fn status(&self) -> Option<u16> {
        self.outcome().and_then(Outcome::status)
    }

    /// Whether the client got what it wanted.
    pub fn is_good(&self) -> bool {
        self.outcome().is_some_and(Outcome::is_good)
    }

    /// Whether its answer had begun and broke off visibly: nobody could have asked another backend.
    pub fn is_cut(&self) -> bool {
        let visible = !matches!(self.outcome(), Some(Outcome::Whole { .. }));
        self.was_begun() && visible
    }

    /// Whether a backend had begun to answer: from then on nobody may ask another one.
    fn was_begun(&self) -> bool {
        self.executed.iter().any(|executed| executed.answered)
    }
}

/// The join of the logs.
#[derive(Debug)]
pub struct Audit {
    entries: BTreeMap<u64, Entry>,
}

impl Audit {
    /// Joins a ledger with the access logs of all proxies that its requests went through, once each has a line for
    /// every answer that a client got.
    ///
    /// # Errors
    /// When a log cannot be read.
    pub async fn of(ledger: &Ledger, logs: &[&Path]) -> anyhow::Result<Self> {
        let complete = until("the proxy's log", || async {
            let audit = Self::now(ledger, logs)?;
            let is_complete = audit.entries.values().all(is_logged);
            Ok(is_complete.then_some(audit))
        });
        // What is missing to the end is for the audit to find.
        complete.await.or_else(|_| Self::now(ledger, logs))
    }

    fn now(ledger: &Ledger, logs: &[&Path]) -> anyhow::Result<Self> {
        let mut entries = BTreeMap::<u64, Entry>::new();
        for asked in ledger.outcomes() {
            entries.entry(asked.id).or_default().asked.push(asked);
        }
        for executed in ledger.executions() {
            let entry = entries.entry(executed.id).or_default();
            entry.executed.push(executed);
        }
        for passed in read_all(logs)? {
            // What has no id of the ledger is no request of its clients.
            if let Some(id) = id_of(&passed.request_id).filter(|id| *id >= ledger.first()) {
                entries.entry(id).or_default().passed.push(passed);
            }
        }
        Ok(Self { entries })
    }

    /// All requests.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    /// How many requests came to good.
    pub fn good(&self) -> usize {
        self.entries().filter(|entry| entry.is_good()).count()
    }

    /// How many requests ended so.
    pub fn count(&self, is_so: impl Fn(&Outcome) -> bool) -> usize {
        let outcomes = self.entries().filter_map(Entry::outcome);
        outcomes.filter(|outcome| is_so(outcome)).count()
    }

    /// Requests that a version was assigned, by the proxy's log.
    pub fn assigned(&self, version: &str) -> usize {
        let passed = self.entries().flat_map(|entry| &entry.passed);
        let assigned = passed.filter(|line| line.version.as_deref() == Some(version));
        assigned.count()
    }

    /// The most attempts that any request took.
    pub fn attempts_max(&self) -> u32 {
        let passed = self.entries().flat_map(|entry| &entry.passed);
        passed.map(|line| line.retries + 1).max().unwrap_or(0)
    }

    /// What must hold under every fault: one outcome for each request and one line of the proxy's for each answer, with
    /// the same status; no body but its own; nothing from nowhere; no POST acted on twice.
    ///
    /// # Panics
    /// With the first few requests of which it does not hold.
    #[track_caller]
    pub fn assert_sound(&self) {
        self.assert_none("several outcomes, or none", |entry| entry.asked.len() != 1);
        self.assert_none("a wrong body that ended in order", |entry| {
            matches!(entry.outcome(), Some(Outcome::Wrong { .. }))
        });
        self.assert_none("a request's body changed on its way", |entry| {
            entry.executed.iter().any(|executed| !executed.intact)
        });
        self.assert_none("a POST acted on twice", |entry| {
            entry.method() == Some(&Method::POST) && entry.executed.len() > 1
        });
        self.assert_none("an answer that no backend gave", |entry| {
            entry.is_good() && !entry.was_begun()
        });
        self.assert_none(
            "not one line in the proxy's log, or another status",
            |entry| entry.passed.len() > 1 || !is_logged(entry),
        );
    }

    /// No GET failed, except one whose answer had begun and broke off visibly.
    ///
    /// # Panics
    /// With the first few that did.
    #[track_caller]
    pub fn assert_no_get_failed(&self) {
        self.assert_none("a GET failed", |entry| {
            entry.is_get() && !entry.is_good() && !entry.is_cut()
        });
    }

    /// No request failed at all.
    ///
    /// # Panics
    /// With the first few that did.
    #[track_caller]
    pub fn assert_none_failed(&self) {
        self.assert_none("a request failed", |entry| !entry.is_good());
    }

    /// No request is so.
    ///
    /// # Panics
    /// With the first few that are.
    #[track_caller]
    pub fn assert_none(&self, what: &str, is_so: impl Fn(&Entry) -> bool) {
        let found: Vec<&Entry> = self.entries().filter(|entry| is_so(entry)).collect();
        let shown = &found[..found.len().min(SHOWN_MAX)];
        let all = self.entries.len();
        assert!(
            found.is_empty(),
            "{what}: {} of {all} requests: {shown:#?}",
            found.len()
        );
    }
}

/// Whether the proxy has a line for an answer that its client got, and the same status in it.
fn is_logged(entry: &Entry) -> bool {
    let status = entry.outcome().and_then(Outcome::status);
    let logged = entry.passed.first().and_then(|passed| passed.status);
    status.is_none() || status == logged
}

fn read_all(logs: &[&Path]) -> anyhow::Result<Vec<Passed>> {
    let lines = logs.iter().map(|log| read(log));
    Ok(lines.collect::<anyhow::Result<Vec<_>>>()?.concat())
}

/// Whole lines only: the last may be under way.
fn read(log: &Path) -> anyhow::Result<Vec<Passed>> {
    let text = std::fs::read_to_string(log).context("reading an access log")?;
    let lines = text
        .split_inclusive('\n')
        .filter(|line| line.ends_with('\n'));
    let passed = lines.map(|line| serde_json::from_str(line).with_context(|| line.to_owned()));
    passed.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::name_of;
    use std::time::Instant;

    const GOOD: &str = "good";

    fn whole(status: u16) -> Outcome {
        Outcome::Whole {
            status,
            backend: GOOD.to_owned(),
            ask_again: false,
        }
    }

    /// One request of this method with this outcome, so many times executed and logged with these statuses.
    fn audit(method: &Method, outcome: Outcome, executed: usize, logged: &[u16]) -> Audit {
        let ledger = Ledger::default();
        let (id, now) = (ledger.begin(), Instant::now());
        for _ in 0..executed {
            let line = ledger.executed(id, GOOD, true);
            ledger.answered(line);
        }
        ledger.asked(Asked {
            id,
            method: method.clone(),
            begun: now,
            ended: now,
            outcome,
        });
        let mut audit = Audit::now(&ledger, &[]).unwrap();
        let passed = logged.iter().map(|status| Passed {
            request_id: name_of(id),
            status: Some(*status),
            version: None,
            endpoint: None,
            retries: 0,
            error: None,
        });
        audit.entries.entry(id).or_default().passed.extend(passed);
        audit
    }

    fn panics(check: impl FnOnce() + std::panic::UnwindSafe) -> bool {
        std::panic::catch_unwind(check).is_err()
    }

    #[track_caller]
    fn check(method: Method, outcome: Outcome, executed: usize, logged: &[u16], sound: bool) {
        let audit = audit(&method, outcome, executed, logged);
        let what = format!("{audit:?}");
        assert_eq!(!panics(move || audit.assert_sound()), sound, "{what}");
    }

    #[test]
    fn what_is_sound() {
        check(Method::GET, whole(200), 1, &[200], true);
        check(Method::GET, whole(200), 3, &[200], true);
        check(Method::POST, whole(200), 1, &[200], true);
        check(Method::POST, whole(502), 1, &[502], true);
        check(Method::GET, Outcome::Lost(String::new()), 0, &[], true);
        // Acted on twice.
        check(Method::POST, whole(200), 2, &[200], false);
        check(Method::POST, Outcome::Lost(String::new()), 2, &[], false);
        // Answered by nobody.
        check(Method::GET, whole(200), 0, &[200], false);
        // Logged as something else, twice, or not at all.
        check(Method::GET, whole(200), 1, &[502], false);
        check(Method::GET, whole(200), 1, &[200, 200], false);
        check(Method::GET, whole(200), 1, &[], false);
        // Another one's body.
        check(Method::GET, Outcome::Wrong { bytes: 3 }, 1, &[200], false);
    }

    #[test]
    fn what_is_struck_out_is_not_audited_again() {
        let ledger = Ledger::default();
        let before = ledger.executed(ledger.begin(), GOOD, true);
        ledger.strike_out();
        // An answer that goes on meanwhile belongs to no line any more.
        ledger.answered(before);
        let line = ledger.executed(ledger.begin(), GOOD, true);
        ledger.answered(line);
        let audit = Audit::now(&ledger, &[]).unwrap();
        assert_eq!(audit.entries().count(), 1);
        assert!(audit.entries().all(Entry::was_begun));
    }

    #[test]
    fn a_get_is_excused_only_where_its_answer_broke_off() {
        let failed = |outcome, executed| {
            let audit = audit(&Method::GET, outcome, executed, &[]);
            panics(move || audit.assert_no_get_failed())
        };
        assert!(!failed(whole(200), 1));
        assert!(!failed(Outcome::Cut { status: 200 }, 1));
        assert!(failed(Outcome::Lost(String::new()), 0));
        assert!(failed(whole(502), 1));
    }
}

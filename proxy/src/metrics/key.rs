//! What requests are counted by: the labels of a series, owned where it is kept and borrowed where it is looked up.

use hashbrown::Equivalent;
use std::borrow::Cow;

/// What a series counts: the labels of every `haldane_request*` metric. With borrowed texts, it is what a series is asked
/// for by.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SeriesKey<S = String> {
    /// The namespace of the object that the rule came from.
    pub namespace: S,
    /// The object's name.
    pub ingress: S,
    /// The rule's id.
    pub rule: S,
    /// The Service behind the rule; empty where there is none.
    pub service: S,
    /// The version assigned; empty where the rule answered by itself.
    pub version: S,
    /// What ingress-nginx calls the upstream of the canary Ingress that brought the version; empty for all others.
    pub canary: S,
    /// What decided: `match`, `sticky`, `split`, `failover`, or `none` where no version was assigned.
    pub by: &'static str,
}

impl SeriesKey {
    /// The series that takes what has no room of its own.
    pub(super) fn other() -> Self {
        Self {
            namespace: String::new(),
            ingress: String::new(),
            rule: "(other)".to_owned(),
            service: String::new(),
            version: String::new(),
            canary: String::new(),
            by: "none",
        }
    }
}

impl<S: AsRef<str>> SeriesKey<S> {
    /// The same with each text as `text` makes it.
    fn map<'k, T>(&'k self, text: impl Fn(&'k str) -> T) -> SeriesKey<T> {
        let text = |own: &'k S| text(own.as_ref());
        SeriesKey {
            namespace: text(&self.namespace),
            ingress: text(&self.ingress),
            rule: text(&self.rule),
            service: text(&self.service),
            version: text(&self.version),
            canary: text(&self.canary),
            by: self.by,
        }
    }

    pub(super) fn borrowed(&self) -> SeriesKey<&str> {
        self.map(|text| text)
    }
}

impl From<&SeriesKey<&str>> for SeriesKey {
    fn from(key: &SeriesKey<&str>) -> Self {
        key.map(str::to_owned)
    }
}

/// Texts hash alike, whoever owns them.
impl Equivalent<SeriesKey> for SeriesKey<&str> {
    fn equivalent(&self, owned: &SeriesKey) -> bool {
        *self == owned.borrowed()
    }
}

/// What a rule's requests ask for, as it is written; shown beside a key, and no part of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place<'a> {
    /// The first host, with `*.` where it is a wildcard; `_` for every host.
    pub host: Cow<'a, str>,
    /// The first path, or the regular expression.
    pub path: Cow<'a, str>,
}

impl Place<'_> {
    pub(super) fn to_owned(&self) -> Place<'static> {
        let own = |text: &str| Cow::Owned(text.to_owned());
        Place {
            host: own(&self.host),
            path: own(&self.path),
        }
    }
}

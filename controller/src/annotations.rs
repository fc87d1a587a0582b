//! Annotations: texts on an Ingress or Service, parsed once into types.
//!
//! Each submodule knows one family of annotations. None of them looks at other objects, and none pastes a value into
//! anything: what cannot be parsed is refused with the key it stands under.

pub(crate) mod affinity;
pub(crate) mod auth;
pub(crate) mod canary;
pub(crate) mod cors;
pub(crate) mod filters;
pub(crate) mod hash;
pub(crate) mod hosts;
pub(crate) mod matches;
pub(crate) mod names;
pub(crate) mod rate;
pub(crate) mod redirect;
pub(crate) mod rollout;
pub(crate) mod split;
pub(crate) mod upstream;
pub(crate) mod values;
pub(crate) mod weights;

use crate::limits::TEXT_BYTES_MAX;
use crate::problem::{Problem, Refused, Spot, Subject};
use std::collections::BTreeMap;

/// Haldane's own prefix.
pub(crate) const HALDANE: &str = "haldane.dev/";

/// The prefix of ingress-nginx, on Ingresses only.
pub(crate) const NGINX: &str = "nginx.ingress.kubernetes.io/";

/// A value together with the place it was written at, for whoever finds later that it does not fit.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Given<T> {
    pub(crate) value: T,
    pub(crate) spot: Spot,
}

/// Reads the annotations of one object and keeps what is wrong with them.
pub(crate) struct Reader<'a> {
    annotations: &'a BTreeMap<String, String>,
    subject: &'a Subject,
    problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(
        annotations: Option<&'a BTreeMap<String, String>>,
        subject: &'a Subject,
    ) -> Self {
        static NONE: BTreeMap<String, String> = BTreeMap::new();
        Self {
            annotations: annotations.unwrap_or(&NONE),
            subject,
            problems: Vec::new(),
        }
    }

    /// All that was found wrong.
    pub(crate) fn into_problems(self) -> Vec<Problem> {
        self.problems
    }

    /// One of Haldane's own annotations, which no other prefix has.
    pub(crate) fn own<T>(
        &mut self,
        suffix: &str,
        parse: impl FnOnce(&str) -> Result<T, Refused>,
    ) -> Option<Given<T>> {
        let key = format!("{HALDANE}{suffix}");
        let text = self.annotations.get(&key)?.trim();
        self.parse(&key, text, parse)
    }

    /// An annotation that both prefixes have. An empty text is no value, as in ingress-nginx.
    pub(crate) fn shared<T>(
        &mut self,
        suffix: &str,
        parse: impl FnOnce(&str) -> Result<T, Refused>,
    ) -> Option<T> {
        self.shared_given(suffix, parse).map(|given| given.value)
    }

    /// As [`Reader::shared`], with the place.
    pub(crate) fn shared_given<T>(
        &mut self,
        suffix: &str,
        parse: impl FnOnce(&str) -> Result<T, Refused>,
    ) -> Option<Given<T>> {
        let (key, text) = self.find(suffix)?;
        match text {
            "" => None,
            text => self.parse(&key, text, parse),
        }
    }

    /// An annotation that both prefixes have and whose mere presence means something: an empty text is refused too.
    pub(crate) fn strict<T>(
        &mut self,
        suffix: &str,
        parse: impl FnOnce(&str) -> Result<T, Refused>,
    ) -> Option<Given<T>> {
        let (key, text) = self.find(suffix)?;
        self.parse(&key, text, parse)
    }

    /// Whether the annotation is there under either prefix, with some text.
    pub(crate) fn has(&self, suffix: &str) -> bool {
        self.find(suffix).is_some_and(|(_, text)| !text.is_empty())
    }

    /// Where the annotation stands; under our own prefix if nowhere.
    pub(crate) fn spot(&self, suffix: &str) -> Spot {
        let key = self
            .find(suffix)
            .map_or_else(|| format!("{HALDANE}{suffix}"), |(key, _)| key);
        self.subject.annotation(&key)
    }

    pub(crate) fn refuse(&mut self, suffix: &str, message: impl Into<String>) {
        let problem = self.spot(suffix).error(message);
        self.problems.push(problem);
    }

    pub(crate) fn warn(&mut self, suffix: &str, message: impl Into<String>) {
        let problem = self.spot(suffix).warning(message);
        self.problems.push(problem);
    }

    /// The keys under one prefix, without it.
    pub(crate) fn suffixes(&self, prefix: &'static str) -> impl Iterator<Item = &'a str> + use<'a> {
        let keys = self.annotations.keys();
        keys.filter_map(move |key| key.strip_prefix(prefix))
    }

    /// The annotations under one prefix, without it.
    pub(crate) fn texts(
        &self,
        prefix: &'static str,
    ) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        let texts = self.annotations.iter();
        texts.filter_map(move |(key, text)| Some((key.strip_prefix(prefix)?, text.as_str())))
    }

    pub(crate) fn push(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    pub(crate) fn subject(&self) -> &'a Subject {
        self.subject
    }

    /// Our own prefix wins over that of ingress-nginx.
    fn find(&self, suffix: &str) -> Option<(String, &'a str)> {
        [HALDANE, NGINX].into_iter().find_map(|prefix| {
            let key = format!("{prefix}{suffix}");
            let text = self.annotations.get(&key)?.trim();
            Some((key, text))
        })
    }

    fn parse<T>(
        &mut self,
        key: &str,
        text: &str,
        parse: impl FnOnce(&str) -> Result<T, Refused>,
    ) -> Option<Given<T>> {
        let spot = self.subject.annotation(key);
        let parsed = if text.len() > TEXT_BYTES_MAX {
            Refused::because(format!("is longer than {TEXT_BYTES_MAX} bytes"))
        } else {
            parse(text)
        };
        match parsed {
            Ok(value) => Some(Given { value, spot }),
            Err(reason) => {
                self.problems.push(spot.error(reason.to_string()));
                None
            }
        }
    }
}

//! One object, as far as releases go: what it is called, and its annotations.

use super::Named;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;

/// The prefix of every annotation that is ours.
pub(crate) const PREFIX: &str = "haldane.dev/";

/// The kinds that a release hangs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, Serialize)]
pub(crate) enum Kind {
    /// An Ingress.
    Ingress,
    /// A Service.
    Service,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ingress => "Ingress",
            Self::Service => "Service",
        })
    }
}

/// An Ingress or a Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Object {
    pub(crate) kind: Kind,
    pub(crate) namespace: String,
    pub(crate) name: String,
    annotations: BTreeMap<String, String>,
}

impl Object {
    pub(crate) fn new(kind: Kind, metadata: ObjectMeta) -> Self {
        Self {
            kind,
            namespace: metadata.namespace.unwrap_or_default(),
            name: metadata.name.unwrap_or_default(),
            annotations: metadata.annotations.unwrap_or_default(),
        }
    }

    /// What a person would call it.
    pub(crate) fn named(&self) -> Named {
        Named {
            namespace: Some(self.namespace.clone()),
            name: self.name.clone(),
        }
    }

    /// An annotation of ours, named without its prefix.
    pub(crate) fn annotation(&self, name: &str) -> Option<&str> {
        let value = self.annotations.get(&format!("{PREFIX}{name}"));
        value.map(String::as_str)
    }

    /// Every annotation of ours, without its prefix.
    pub(crate) fn annotations(&self) -> impl Iterator<Item = (&str, &str)> {
        let pairs = self.annotations.iter();
        pairs.filter_map(|(key, value)| Some((key.strip_prefix(PREFIX)?, value.as_str())))
    }
}

/// Such as `Service shop/web`.
impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.kind, self.namespace, self.name)
    }
}

//! What a watch tells: which part of the cluster it looks at, and what changed there.

use super::form::Form;
use super::name::{Kind, ObjectName};
use crate::decided::Decided;
use std::fmt;

/// What one watch looks at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Scope {
    pub(crate) kind: Kind,
    /// `None` is the whole cluster.
    pub(crate) namespace: Option<String>,
    /// `None` is every object there.
    pub(crate) name: Option<String>,
}

impl Scope {
    /// Every object of a kind, in one namespace or in all.
    pub(crate) fn all(kind: Kind, namespace: Option<&str>) -> Self {
        Self {
            kind,
            namespace: namespace.map(str::to_owned),
            name: None,
        }
    }

    /// One object.
    pub(crate) fn one(object: &ObjectName) -> Self {
        Self {
            kind: object.kind,
            namespace: Some(object.namespace.clone()),
            name: Some(object.name.clone()),
        }
    }

    pub(crate) fn contains(&self, object: &ObjectName) -> bool {
        let is = |part: &Option<String>, of: &String| part.as_ref().is_none_or(|part| part == of);
        self.kind == object.kind
            && is(&self.namespace, &object.namespace)
            && is(&self.name, &object.name)
    }
}

/// Such as `Ingress`, `Ingress in shop` or `Secret in shop named web-tls`.
impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.kind)?;
        if let Some(namespace) = &self.namespace {
            write!(f, " in {namespace}")?;
        }
        match &self.name {
            Some(name) => write!(f, " named {name}"),
            None => Ok(()),
        }
    }
}

/// Something that a watch saw.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) scope: Scope,
    pub(crate) change: Change,
}

#[derive(Debug, PartialEq)]
pub(crate) enum Change {
    /// Everything that is there.
    Listed(Vec<Form>),
    /// An object is new or is otherwise than before.
    Applied(Form),
    /// An object is gone.
    Deleted(ObjectName),
    /// We may not look, and were told so again and again.
    Forbidden,
    /// Nobody looks any more.
    Left,
    /// We decided who gets which share.
    Decided(Decided),
}

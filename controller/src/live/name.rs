//! What an object is called: in the index, in problems and in status.

use std::fmt;
use std::str::FromStr;

/// The kinds of objects that are watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    Ingress,
    IngressClass,
    Service,
    EndpointSlice,
    Pod,
    Secret,
}

impl Kind {
    const ALL: [Self; 6] = [
        Self::Ingress,
        Self::IngressClass,
        Self::Service,
        Self::EndpointSlice,
        Self::Pod,
        Self::Secret,
    ];

    /// As Kubernetes writes it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Ingress => "Ingress",
            Self::IngressClass => "IngressClass",
            Self::Service => "Service",
            Self::EndpointSlice => "EndpointSlice",
            Self::Pod => "Pod",
            Self::Secret => "Secret",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One object. The namespace of cluster-wide kinds is empty.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ObjectName {
    pub(crate) kind: Kind,
    pub(crate) namespace: String,
    pub(crate) name: String,
}

impl ObjectName {
    pub(crate) fn new(kind: Kind, namespace: &str, name: &str) -> Self {
        Self {
            kind,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }
}

/// As problems name it, such as `Ingress shop/web`.
impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.namespace.as_str() {
            "" => write!(f, "{} {}", self.kind, self.name),
            namespace => write!(f, "{} {namespace}/{}", self.kind, self.name),
        }
    }
}

/// A text that names no object of a kind that is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the name of an object that is watched")]
pub(crate) struct NoObject;

impl FromStr for ObjectName {
    type Err = NoObject;

    fn from_str(text: &str) -> Result<Self, NoObject> {
        let (kind, rest) = text.split_once(' ').ok_or(NoObject)?;
        let known = Kind::ALL.into_iter().find(|known| known.as_str() == kind);
        let (namespace, name) = rest.split_once('/').unwrap_or(("", rest));
        Ok(Self::new(known.ok_or(NoObject)?, namespace, name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_read_as_it_is_written() {
        for text in [
            "Ingress shop/web",
            "IngressClass haldane",
            "Secret shop/web-tls",
        ] {
            let name: ObjectName = text.parse().unwrap();
            assert_eq!(name.to_string(), text);
        }
        for text in ["", "Ingress", "Node one", "ingress shop/web"] {
            assert_eq!(text.parse::<ObjectName>(), Err(NoObject), "{text}");
        }
    }
}

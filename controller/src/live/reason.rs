//! Why an object is at fault, in one word of a closed set: for Events, where it is the reason, and for metrics.

use super::name::Kind;
use crate::problem::Problem;

/// What part of an object is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Reason {
    /// An annotation.
    Annotation,
    /// A certificate, or the Secret it should come from.
    Certificate,
    /// A host, a path or a backend.
    Rule,
    /// The class.
    Class,
    /// The endpoints behind a Service.
    Endpoints,
    /// Something else.
    Object,
}

impl Reason {
    pub(crate) fn of(problem: &Problem) -> Self {
        let field = problem.field.as_str();
        let kind = problem.object.split(' ').next().unwrap_or_default();
        let is = |wanted: Kind| kind == wanted.as_str();
        match field {
            _ if is(Kind::Secret) => Self::Certificate,
            _ if is(Kind::EndpointSlice) || is(Kind::Pod) => Self::Endpoints,
            _ if field.starts_with("metadata.annotations") => Self::Annotation,
            "spec.ingressClassName" => Self::Class,
            _ if field.starts_with("spec.tls") => Self::Certificate,
            _ if field.starts_with("spec.rules") || field.starts_with("spec.defaultBackend") => {
                Self::Rule
            }
            _ => Self::Object,
        }
    }

    /// As an Event and a metric have it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Annotation => "InvalidAnnotation",
            Self::Certificate => "InvalidCertificate",
            Self::Rule => "InvalidRule",
            Self::Class => "InvalidClass",
            Self::Endpoints => "InvalidEndpoints",
            Self::Object => "InvalidObject",
        }
    }
}

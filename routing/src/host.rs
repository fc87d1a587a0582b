//! Host patterns: what they match, and which of two that match is the more specific.

use crate::fault::{FaultReason, Faults};
use crate::parse;
use crate::spec::HostSpec;
use std::cmp::Reverse;
use std::fmt;

/// A host pattern; names are in lower case.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum HostMatch {
    /// This name.
    Exact(Box<str>),
    /// One label before the suffix.
    OneLabel(Box<str>),
    /// One or more labels before the suffix.
    ManyLabels(Box<str>),
    /// Every host, also none.
    Any,
}

/// How specific a pattern is among those that match one host; the smallest is tried first.
///
/// Wildcards that match one host are suffixes of each other, so the longer one is the more specific. With equal
/// suffixes, one label is narrower than many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum HostRank {
    Exact,
    Wildcard(Reverse<usize>, Breadth),
    Any,
}

/// How many labels a wildcard stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Breadth {
    One,
    Many,
}

impl HostMatch {
    pub(crate) fn parse(spec: &HostSpec, faults: &mut Faults) -> Option<Self> {
        faults.note(Self::parsed(spec))
    }

    fn parsed(spec: &HostSpec) -> Result<Self, FaultReason> {
        Ok(match spec {
            HostSpec::Any => Self::Any,
            HostSpec::Exact(name) => Self::Exact(parse::host(name)?),
            HostSpec::OneLabel(suffix) => Self::OneLabel(parse::host(suffix)?),
            HostSpec::ManyLabels(suffix) => Self::ManyLabels(parse::host(suffix)?),
        })
    }

    pub(crate) fn rank(&self) -> HostRank {
        match self {
            Self::Exact(_) => HostRank::Exact,
            Self::OneLabel(suffix) => HostRank::Wildcard(Reverse(suffix.len()), Breadth::One),
            Self::ManyLabels(suffix) => HostRank::Wildcard(Reverse(suffix.len()), Breadth::Many),
            Self::Any => HostRank::Any,
        }
    }

    /// Whether it matches. Requests are looked up by hash instead; this is for explaining.
    pub(crate) fn matches(&self, host: &str) -> bool {
        match self {
            Self::Exact(name) => **name == *host,
            Self::OneLabel(suffix) => {
                before(host, suffix).is_some_and(|label| !label.contains('.'))
            }
            Self::ManyLabels(suffix) => before(host, suffix).is_some(),
            Self::Any => true,
        }
    }
}

/// The labels of `host` before `suffix`, if there is at least one and the first is not empty.
fn before<'a>(host: &'a str, suffix: &str) -> Option<&'a str> {
    let labels = host.strip_suffix(suffix)?.strip_suffix('.')?;
    (!labels.is_empty() && !labels.starts_with('.')).then_some(labels)
}

impl fmt::Display for HostMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => f.write_str(name),
            Self::OneLabel(suffix) => write!(f, "*.{suffix}"),
            Self::ManyLabels(suffix) => write!(f, "**.{suffix}"),
            Self::Any => f.write_str("*"),
        }
    }
}

//! Path patterns: what they match, and which of two that match is the more specific.
//!
//! Paths are compared as they came, byte for byte: whoever wants `/a%2Fb` or `//` cleaned does so before.

use crate::fault::{FaultReason, Faults};
use crate::parse;
use crate::pattern;
use crate::spec::PathSpec;
use regex::Regex;
use std::cmp::Reverse;
use std::fmt;

/// A path pattern.
#[derive(Clone, Debug)]
pub enum PathMatch {
    /// This path, byte for byte.
    Exact(Box<str>),
    /// This path and all below it, element by element. Has no trailing `/`, so it is empty where all paths match.
    Prefix(Box<str>),
    /// A regular expression, anchored at the start of the path.
    Regex(Regex),
}

/// How specific a pattern is among those that match one path; the smallest is tried first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum PathRank {
    Exact,
    Prefix(Reverse<usize>),
    Regex(Reverse<usize>),
}

impl PathMatch {
    pub(crate) fn parse(spec: &PathSpec, faults: &mut Faults) -> Option<Self> {
        faults.note(Self::parsed(spec))
    }

    fn parsed(spec: &PathSpec) -> Result<Self, FaultReason> {
        Ok(match spec {
            PathSpec::Exact(path) => Self::Exact(parse::path(path)?.into()),
            PathSpec::Prefix(path) => {
                let path = parse::path(path)?;
                Self::Prefix(path.strip_suffix('/').unwrap_or(path).into())
            }
            PathSpec::Regex {
                pattern,
                ignore_case,
            } => Self::Regex(pattern::path(pattern, *ignore_case)?),
        })
    }

    pub(crate) fn rank(&self) -> PathRank {
        match self {
            Self::Exact(_) => PathRank::Exact,
            Self::Prefix(prefix) => PathRank::Prefix(Reverse(prefix.len())),
            Self::Regex(regex) => PathRank::Regex(Reverse(regex.as_str().len())),
        }
    }

    /// Whether it matches. Requests are looked up element by element instead; this is for explaining.
    pub(crate) fn matches(&self, path: &str) -> bool {
        match self {
            Self::Exact(exact) => **exact == *path,
            Self::Prefix(prefix) => {
                let rest = path.strip_prefix(&**prefix);
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            }
            Self::Regex(regex) => regex.is_match(path),
        }
    }
}

/// The elements of a path: `/a/b` has `a` and `b`, `/a/` has `a` and an empty one, the empty prefix has none.
pub(crate) fn elements(path: &str) -> impl Iterator<Item = &str> {
    let mut left = path.strip_prefix('/');
    // By hand, for elements are short: `split` prepares for long ones, at three times the cost.
    std::iter::from_fn(move || {
        let below = left?;
        let end = below.bytes().position(|byte| byte == b'/');
        left = end.map(|end| &below[end + 1..]);
        Some(end.map_or(below, |end| &below[..end]))
    })
}

impl fmt::Display for PathMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(path) => write!(f, "exact {path}"),
            Self::Prefix(prefix) if prefix.is_empty() => f.write_str("prefix /"),
            Self::Prefix(prefix) => write!(f, "prefix {prefix}"),
            Self::Regex(regex) => write!(f, "regex {}", pattern::path_pattern(regex)),
        }
    }
}

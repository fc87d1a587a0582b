//! What is wrong with a table as written: where, whose, and why.
//!
//! Parsers never stop at the first fault: each hands what it found to [`Faults`] and answers `None`,
//! so that `None` always means that at least one fault is on record.

use crate::schedule::WeightsError;
use std::collections::HashSet;
use std::fmt::{self, Write as _};

/// One thing that keeps a [`crate::spec::TableSpec`] from becoming a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where it stands in the spec, such as `rules[3].matches[0].conditions[1]`.
    pub path: String,
    /// The id of the rule, or the name of the backend or certificate, that it stands in.
    pub name: Option<String>,
    /// What is wrong.
    pub reason: FaultReason,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{} ({name}): {}", self.path, self.reason),
            None => write!(f, "{}: {}", self.path, self.reason),
        }
    }
}

impl std::error::Error for Fault {}

/// Why a part of a spec is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FaultReason {
    /// Nothing stands where something must.
    #[error("nothing is given")]
    Nothing,
    /// A name that must be unique stands here for the second time.
    #[error("{0:?} is already taken")]
    Duplicate(String),
    /// No backend has this name.
    #[error("there is no backend {0:?}")]
    UnknownBackend(String),
    /// The rule has no version of this name.
    #[error("there is no version {0:?}")]
    UnknownVersion(String),
    /// A list is longer than its bound.
    #[error("{count} are too many, at most {max} are taken")]
    TooMany {
        /// How many there are.
        count: usize,
        /// How many there may be.
        max: usize,
    },
    /// A text is longer than its bound.
    #[error("{bytes} bytes are too long, at most {max} are taken")]
    TooLong {
        /// How long it is.
        bytes: usize,
        /// How long it may be.
        max: usize,
    },
    /// A number is out of its bounds.
    #[error("{value} is not in {min} to {max}")]
    OutOfRange {
        /// The number.
        value: u64,
        /// The smallest that is taken.
        min: u64,
        /// The largest that is taken.
        max: u64,
    },
    /// The weights make no schedule.
    #[error(transparent)]
    Weights(WeightsError),
    /// Not a regular expression (this engine has neither look-around nor back-references).
    #[error("not a regular expression: {0}")]
    Regex(String),
    /// A regular expression that compiles to more than its bound.
    #[error("the regular expression needs more than {max} bytes when compiled")]
    RegexTooBig {
        /// How large it may be, in bytes.
        max: usize,
    },
    /// Not a header name (RFC 9110 section 5.1).
    #[error("{0:?} is not a header name")]
    HeaderName(String),
    /// A field of one connection, or one that says where a message ends or whom it is for: the proxy writes it itself.
    #[error("{0:?} is written by the proxy itself")]
    OwnHeader(String),
    /// Not a header value (RFC 9110 section 5.5).
    #[error("{0:?} is not a header value")]
    HeaderValue(String),
    /// Not a cookie name (RFC 6265 section 4.1.1).
    #[error("{0:?} is not a cookie name")]
    CookieName(String),
    /// Not a method in capitals (RFC 9110 section 9.1; methods are case-sensitive).
    #[error("{0:?} is not a method in capitals")]
    Method(String),
    /// Not a DNS name (RFC 1123 section 2.1).
    #[error("{0:?} is not a host name")]
    Host(String),
    /// Not a path: it starts with `/` and holds no `?`, `#`, blank or control character.
    #[error("{0:?} is not a path that starts with /")]
    Path(String),
    /// Not a whole `http` or `https` URL.
    #[error("{0:?} is not a whole http or https URL")]
    Url(String),
    /// Neither `http` nor `https`.
    #[error("{0:?} is neither http nor https")]
    Scheme(String),
    /// Not 301, 302, 303, 307 or 308.
    #[error("{0} is not one of the redirects 301, 302, 303, 307 and 308")]
    RedirectStatus(u16),
    /// Not two letters (ISO 3166-1 alpha-2).
    #[error("{0:?} is not a country code of two letters")]
    Country(String),
    /// Neither `*`, an origin, nor an origin with one leading wildcard label.
    #[error("{0:?} is not an origin such as https://example.com or https://*.example.com")]
    Origin(String),
    /// `$1` to `$9` stand for groups of a regular expression, and a path of the rule is none.
    #[error("${0} stands for a group, but not every path of the rule is a regular expression")]
    NoGroups(u8),
    /// Neither `Strict`, `Lax` nor `None`.
    #[error("{0:?} is not one of Strict, Lax and None")]
    SameSite(String),
}

/// The faults found so far, and where the parser stands.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    found: Vec<Fault>,
    path: String,
    name: Option<String>,
}

impl Faults {
    /// Everything found.
    pub(crate) fn into_found(self) -> Vec<Fault> {
        self.found
    }

    /// Records a fault where the parser stands.
    pub(crate) fn add(&mut self, reason: FaultReason) {
        self.found.push(Fault {
            path: self.path.clone(),
            name: self.name.clone(),
            reason,
        });
    }

    /// Records an error where the parser stands.
    pub(crate) fn note<T>(&mut self, parsed: Result<T, FaultReason>) -> Option<T> {
        parsed.map_err(|reason| self.add(reason)).ok()
    }

    /// Records an error one step further down.
    pub(crate) fn check<T>(
        &mut self,
        step: impl fmt::Display,
        parsed: Result<T, FaultReason>,
    ) -> Option<T> {
        match parsed {
            Ok(value) => Some(value),
            Err(reason) => {
                self.within(step, |faults| faults.add(reason));
                None
            }
        }
    }

    /// Parses one step further down.
    pub(crate) fn within<T>(
        &mut self,
        step: impl fmt::Display,
        parse: impl FnOnce(&mut Self) -> T,
    ) -> T {
        let length = self.path.len();
        write!(self.path, ".{step}").expect("writing to a String cannot fail");
        if length == 0 || self.path[length + 1..].starts_with('[') {
            self.path.remove(length);
        }
        let parsed = parse(self);
        self.path.truncate(length);
        parsed
    }

    /// Parses what has a name of its own: a rule, a backend, a certificate.
    pub(crate) fn named<T>(&mut self, name: &str, parse: impl FnOnce(&mut Self) -> T) -> T {
        let outer = self.name.replace(name.to_owned());
        let parsed = parse(self);
        self.name = outer;
        parsed
    }

    /// Parses what may be absent: `Some(None)` when it is.
    pub(crate) fn option<S: ?Sized, T>(
        &mut self,
        step: impl fmt::Display,
        item: Option<&S>,
        parse: impl FnOnce(&S, &mut Self) -> Option<T>,
    ) -> Option<Option<T>> {
        match item {
            None => Some(None),
            Some(item) => self.within(step, |faults| parse(item, faults)).map(Some),
        }
    }

    /// Parses every item of a list of at most `max`, also after one that is at fault.
    pub(crate) fn each<'s, S, T>(
        &mut self,
        step: &str,
        items: &'s [S],
        max: usize,
        mut parse: impl FnMut(&'s S, &mut Self) -> Option<T>,
    ) -> Option<Vec<T>> {
        self.check(step, at_most(items.len(), max))?;
        let mut parsed = Vec::with_capacity(items.len());
        for (at, item) in items.iter().enumerate() {
            let item = self.within(format_args!("{step}[{at}]"), |faults| parse(item, faults));
            parsed.extend(item);
        }
        (parsed.len() == items.len()).then_some(parsed)
    }
}

fn at_most(count: usize, max: usize) -> Result<(), FaultReason> {
    if count > max {
        return Err(FaultReason::TooMany { count, max });
    }
    Ok(())
}

/// A name that is not empty and was not seen before.
pub(crate) fn unique<'a>(name: &'a str, seen: &mut HashSet<&'a str>) -> Result<(), FaultReason> {
    if name.is_empty() {
        return Err(FaultReason::Nothing);
    }
    if !seen.insert(name) {
        return Err(FaultReason::Duplicate(name.to_owned()));
    }
    Ok(())
}

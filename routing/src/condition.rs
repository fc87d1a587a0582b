//! Conditions on a request besides host and path: what they ask for, and how they read.

use crate::fault::{FaultReason, Faults};
use crate::parse;
use crate::pattern;
use crate::request::{Country, RequestView};
use crate::spec::{ConditionSpec, TestSpec};
use http::{HeaderName, Method};
use ipnet::IpNet;
use regex::bytes::Regex;
use std::borrow::Cow;
use std::fmt;

/// The most conditions that stand together. Gateway API allows 16 headers and 16 parameters.
const CONDITIONS_MAX: usize = 64;

/// The most values or networks of one condition: they are compared one by one.
const VALUES_MAX: usize = 1_000;

/// One condition.
#[derive(Clone, Debug)]
pub(crate) enum Condition {
    Header(HeaderName, Test),
    Cookie(Box<str>, Test),
    Query(Box<str>, Test),
    Method(Box<[Method]>),
    SourceIp(Box<[IpNet]>),
    Country(Box<[Country]>),
}

/// What a value is held against.
#[derive(Clone, Debug)]
pub(crate) enum Test {
    Equals(Box<str>),
    Matches(Regex),
    In(Box<[Box<str>]>),
    Present,
    Absent,
}

impl Condition {
    /// Conditions that must all hold.
    pub(crate) fn parse_all(
        step: &str,
        specs: &[ConditionSpec],
        faults: &mut Faults,
    ) -> Option<Box<[Self]>> {
        let parsed = faults.each(step, specs, CONDITIONS_MAX, |spec, faults| {
            faults.note(Self::parse(spec))
        })?;
        Some(parsed.into())
    }

    fn parse(spec: &ConditionSpec) -> Result<Self, FaultReason> {
        Ok(match spec {
            ConditionSpec::Header(name, test) => {
                Self::Header(parse::header_name(name)?, Test::parse(test)?)
            }
            ConditionSpec::Cookie(name, test) => {
                Self::Cookie(parse::cookie_name(name)?, Test::parse(test)?)
            }
            ConditionSpec::Query(name, test) => {
                Self::Query(parse::text(name)?.into(), Test::parse(test)?)
            }
            ConditionSpec::Method(methods) => Self::Method(some_of(methods, |m| parse::method(m))?),
            ConditionSpec::SourceIp(networks) => Self::SourceIp(some_of(networks, |net| Ok(*net))?),
            ConditionSpec::Country(codes) => Self::Country(some_of(codes, |code| country(code))?),
        })
    }

    /// Whether the request fulfils it.
    pub(crate) fn holds(&self, request: &RequestView<'_>) -> bool {
        match self {
            Self::Header(name, test) => test.holds(request.header(name).as_deref()),
            Self::Cookie(name, test) => test.holds(request.cookie(name)),
            Self::Query(name, test) => {
                let value = request.parameter(name);
                test.holds(value.as_deref().map(str::as_bytes))
            }
            Self::Method(methods) => methods.contains(request.method),
            Self::SourceIp(networks) => {
                let source = request.source.to_canonical();
                networks.iter().any(|network| network.contains(&source))
            }
            Self::Country(countries) => request.country.is_some_and(|c| countries.contains(&c)),
        }
    }

    /// What the request has where the condition looks; `None` where it has nothing.
    pub(crate) fn seen(&self, request: &RequestView<'_>) -> Option<String> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        match self {
            Self::Header(name, _) => request.header(name).map(|value| text(&value)),
            Self::Cookie(name, _) => request.cookie(name).map(text),
            Self::Query(name, _) => request.parameter(name).map(Cow::into_owned),
            Self::Method(_) => Some(request.method.to_string()),
            Self::SourceIp(_) => Some(request.source.to_canonical().to_string()),
            Self::Country(_) => request.country.map(|country| country.to_string()),
        }
    }
}

/// Whether every condition holds; none always do.
pub(crate) fn all_hold(conditions: &[Condition], request: &RequestView<'_>) -> bool {
    conditions.iter().all(|condition| condition.holds(request))
}

impl Test {
    fn parse(spec: &TestSpec) -> Result<Self, FaultReason> {
        Ok(match spec {
            TestSpec::Equals(value) => Self::Equals(value.as_str().into()),
            TestSpec::Matches(regex) => Self::Matches(pattern::value(regex)?),
            TestSpec::In(values) => Self::In(some_of(values, |value| Ok(value.as_str().into()))?),
            TestSpec::Present => Self::Present,
            TestSpec::Absent => Self::Absent,
        })
    }

    fn holds(&self, value: Option<&[u8]>) -> bool {
        match (self, value) {
            (Self::Absent, value) => value.is_none(),
            (_, None) => false,
            (Self::Present, Some(_)) => true,
            (Self::Equals(wanted), Some(value)) => wanted.as_bytes() == value,
            (Self::In(wanted), Some(value)) => wanted.iter().any(|w| w.as_bytes() == value),
            (Self::Matches(regex), Some(value)) => regex.is_match(value),
        }
    }
}

/// A list that must not be empty: no request could fulfil it.
fn some_of<S, T>(
    items: &[S],
    parse: impl Fn(&S) -> Result<T, FaultReason>,
) -> Result<Box<[T]>, FaultReason> {
    match items.len() {
        0 => Err(FaultReason::Nothing),
        1..=VALUES_MAX => items.iter().map(parse).collect(),
        count => Err(FaultReason::TooMany {
            count,
            max: VALUES_MAX,
        }),
    }
}

fn country(code: &str) -> Result<Country, FaultReason> {
    code.parse()
        .map_err(|_| FaultReason::Country(code.to_owned()))
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header(name, test) => write!(f, "header {name} {test}"),
            Self::Cookie(name, test) => write!(f, "cookie {name} {test}"),
            Self::Query(name, test) => write!(f, "query {name} {test}"),
            Self::Method(methods) => write!(f, "method in {}", List(methods)),
            Self::SourceIp(networks) => write!(f, "source-ip in {}", List(networks)),
            Self::Country(countries) => write!(f, "country in {}", List(countries)),
        }
    }
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Equals(value) => write!(f, "= {value:?}"),
            Self::Matches(regex) => write!(f, "~ {:?}", regex.as_str()),
            Self::In(values) => write!(f, "in {}", List(values)),
            Self::Present => f.write_str("present"),
            Self::Absent => f.write_str("absent"),
        }
    }
}

struct List<'a, T>(&'a [T]);

impl<T: fmt::Display> fmt::Display for List<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, item) in self.0.iter().enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            write!(f, "{comma}{item}")?;
        }
        Ok(())
    }
}

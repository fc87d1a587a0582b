//! How an endpoint is chosen inside a version, as parsed. The choice is made where endpoints live.

use crate::fault::{FaultReason, Faults};
use crate::parse;
use crate::spec::{BalanceSpec, HashKeySpec};
use http::HeaderName;

/// The most parts of a key: all kinds, with some to spare.
const KEY_PARTS_MAX: usize = 16;

/// How an endpoint is chosen inside a version.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Balance {
    /// The one with fewer requests in flight of two drawn at random.
    #[default]
    LeastLoaded,
    /// One after the other.
    RoundRobin,
    /// The same one for the same key.
    ConsistentHash(Box<[HashKey]>),
}

/// A part of the key of [`Balance::ConsistentHash`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HashKey {
    /// The client's address.
    SourceIp,
    /// The host.
    Host,
    /// Path and query.
    RequestUri,
    /// The path.
    Path,
    /// A header's value.
    Header(HeaderName),
    /// A cookie's value.
    Cookie(Box<str>),
    /// A query parameter's value.
    Query(Box<str>),
    /// A fixed text.
    Literal(Box<str>),
}

impl Balance {
    pub(super) fn parse(spec: &BalanceSpec, faults: &mut Faults) -> Option<Self> {
        match spec {
            BalanceSpec::LeastLoaded => Some(Self::LeastLoaded),
            BalanceSpec::RoundRobin => Some(Self::RoundRobin),
            BalanceSpec::ConsistentHash(keys) => Self::hash(keys, faults),
        }
    }

    fn hash(keys: &[HashKeySpec], faults: &mut Faults) -> Option<Self> {
        if keys.is_empty() {
            faults.add(FaultReason::Nothing);
            return None;
        }
        let keys = faults.each("consistent_hash", keys, KEY_PARTS_MAX, |key, faults| {
            faults.note(HashKey::parse(key))
        });
        keys.map(|keys| Self::ConsistentHash(keys.into()))
    }
}

impl HashKey {
    fn parse(spec: &HashKeySpec) -> Result<Self, FaultReason> {
        Ok(match spec {
            HashKeySpec::SourceIp => Self::SourceIp,
            HashKeySpec::Host => Self::Host,
            HashKeySpec::RequestUri => Self::RequestUri,
            HashKeySpec::Path => Self::Path,
            HashKeySpec::Header(name) => Self::Header(parse::header_name(name)?),
            HashKeySpec::Cookie(name) => Self::Cookie(parse::cookie_name(name)?),
            HashKeySpec::Query(name) => Self::Query(parse::text(name)?.into()),
            HashKeySpec::Literal(text) => Self::Literal(parse::text(text)?.into()),
        })
    }
}

//! What keeps a client on one endpoint of its version: a cookie, or a hash of something in the request.

use crate::answer::Call;
use crate::balance::hash_of;
use haldane_routing::spec::AffinitySpec;
use haldane_routing::{Balance, Forward, HashKey};
use http::HeaderMap;
use http::header::COOKIE;
use std::hash::{DefaultHasher, Hash, Hasher};

/// The key of a new client, in hexadecimal digits.
const KEY_DIGITS: usize = 16;

/// A request's tie to an endpoint.
pub(crate) enum Affinity {
    None,
    /// By what stands in the request.
    Hash(u64),
    /// By a cookie that the client has.
    Known(u64),
    /// By a cookie that the client is to be given.
    New {
        key: String,
        hash: u64,
    },
}

impl Affinity {
    pub(crate) fn of(call: &Call, forward: &Forward) -> Self {
        match (forward.affinity(), forward.balance()) {
            (Some(affinity), _) => Self::by_cookie(call, affinity),
            (None, Balance::ConsistentHash(keys)) => Self::Hash(hash_key(call, keys)),
            (None, _) => Self::None,
        }
    }

    fn by_cookie(call: &Call, affinity: &AffinitySpec) -> Self {
        if let Some(key) = cookie(&call.parts.headers, &affinity.cookie) {
            return Self::Known(hash_of(&key));
        }
        let key: u64 = rand::RngExt::random(&mut *call.worker.rng.borrow_mut());
        let key = format!("{key:0KEY_DIGITS$x}");
        let hash = hash_of(&key.as_str());
        Self::New { key, hash }
    }

    pub(crate) fn hash(&self) -> Option<u64> {
        match self {
            Self::None => None,
            Self::Hash(hash) | Self::Known(hash) | Self::New { hash, .. } => Some(*hash),
        }
    }
}

/// A cookie's value; the first of its name (RFC 6265, section 5.4 says nothing of a second).
fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let lines = headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|line| line.to_str().ok());
    let mut pairs = lines
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
}

fn hash_key(call: &Call, keys: &[HashKey]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for key in keys {
        hash_part(call, key, &mut hasher);
    }
    hasher.finish()
}

fn hash_part(call: &Call, key: &HashKey, hasher: &mut DefaultHasher) {
    let headers = &call.parts.headers;
    let uri = &call.parts.uri;
    match key {
        HashKey::SourceIp => call.told.origin().client.hash(hasher),
        HashKey::Host => call.admitted.host.as_str().hash(hasher),
        HashKey::RequestUri => uri
            .path_and_query()
            .map(http::uri::PathAndQuery::as_str)
            .hash(hasher),
        HashKey::Path => uri.path().hash(hasher),
        HashKey::Header(name) => headers
            .get(name)
            .map(http::HeaderValue::as_bytes)
            .hash(hasher),
        HashKey::Cookie(name) => cookie(headers, name).hash(hasher),
        HashKey::Query(name) => query(uri.query(), name).hash(hasher),
        HashKey::Literal(text) => text.hash(hasher),
    }
}

fn query<'q>(query: Option<&'q str>, name: &str) -> Option<&'q str> {
    let mut pairs = query?.split('&').filter_map(|pair| pair.split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn a_cookie_is_found_in_any_line() {
        let mut headers = HeaderMap::new();
        headers.append(COOKIE, HeaderValue::from_static("a=1; route=x; route=y"));
        headers.append(COOKIE, HeaderValue::from_static("b=2"));
        assert_eq!(cookie(&headers, "route"), Some("x"));
        assert_eq!(cookie(&headers, "b"), Some("2"));
        assert_eq!(cookie(&headers, "rout"), None);
    }

    #[test]
    fn a_query_parameter_is_found_by_its_whole_name() {
        assert_eq!(query(Some("aid=1&id=2"), "id"), Some("2"));
        assert_eq!(query(None, "id"), None);
    }
}

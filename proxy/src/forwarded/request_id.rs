//! `X-Request-Id`: one name for a request in the logs of everybody it passes.

use super::names::{TRACEPARENT, X_REQUEST_ID};
use super::only;
use crate::upstream::h1::HexDigits;
use http::{HeaderMap, HeaderValue};
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use std::cell::RefCell;

thread_local! {
    // An identifier must be unique, not secret, so the fast generator does.
    static RANDOM: RefCell<SmallRng> = RefCell::new(SmallRng::from_rng(&mut rand::rng()));
}

/// The longest identifier taken over, in bytes: log fields are cut off above it.
const ID_BYTES_MAX: usize = 128;

/// The name of one request.
#[derive(Clone, Debug)]
pub(super) enum RequestId {
    /// A trusted peer's.
    Given(HeaderValue),
    /// Ours. No field's value, because it is mostly only written.
    Fresh(HexDigits),
}

impl RequestId {
    /// A trusted peer's identifier; 128 random bits for every other request.
    pub(super) fn of(headers: &HeaderMap, trusted: bool) -> Self {
        let told = if trusted {
            only(headers, &X_REQUEST_ID)
        } else {
            None
        };
        told.filter(|id| is_sane(id))
            .cloned()
            .map_or_else(Self::fresh, Self::Given)
    }

    fn fresh() -> Self {
        Self::Fresh(HexDigits::of(
            RANDOM.with_borrow_mut(SmallRng::random::<u128>),
        ))
    }

    pub(super) fn value(&self) -> HeaderValue {
        match self {
            Self::Given(value) => value.clone(),
            Self::Fresh(digits) => digits.to_value(),
        }
    }
}

/// Keeps HPACK's tables clear of values that no other request has (RFC 7541, section 7.1.3): each would be compared with
/// all that are there, drive out what is worth keeping, and be of no use.
pub(crate) fn never_again(headers: &mut HeaderMap) {
    for name in [&X_REQUEST_ID, &TRACEPARENT] {
        if let Some(value) = headers.get_mut(name) {
            value.set_sensitive(true);
        }
    }
}

fn is_sane(id: &HeaderValue) -> bool {
    (1..=ID_BYTES_MAX).contains(&id.len()) && id.as_bytes().iter().all(u8::is_ascii_graphic)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderName;

    #[test]
    fn what_names_one_request_stays_out_of_the_tables() {
        let fields = [
            ("x-request-id", "1"),
            ("traceparent", "2"),
            ("te", "trailers"),
        ];
        let field = |(name, value)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        };
        let mut headers: HeaderMap = fields.into_iter().map(field).collect();
        never_again(&mut headers);
        let kept = headers.iter().filter(|(_, value)| !value.is_sensitive());
        let kept: Vec<_> = kept.map(|(name, _)| name.as_str()).collect();
        assert_eq!(kept, ["te"]);
    }
}

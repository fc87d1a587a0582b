//! `X-Request-Id`: one name for a request in the logs of everybody it passes.

use super::names::X_REQUEST_ID;
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

fn is_sane(id: &HeaderValue) -> bool {
    (1..=ID_BYTES_MAX).contains(&id.len()) && id.as_bytes().iter().all(u8::is_ascii_graphic)
}

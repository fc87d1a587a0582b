//! `X-Request-Id`: one name for a request in the logs of everybody it passes.

use super::names::X_REQUEST_ID;
use super::only;
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

/// A trusted peer's identifier; 128 random bits for every other request.
pub(super) fn of(headers: &HeaderMap, trusted: bool) -> HeaderValue {
    let told = if trusted {
        only(headers, &X_REQUEST_ID)
    } else {
        None
    };
    told.filter(|id| is_sane(id)).cloned().unwrap_or_else(fresh)
}

fn is_sane(id: &HeaderValue) -> bool {
    (1..=ID_BYTES_MAX).contains(&id.len()) && id.as_bytes().iter().all(u8::is_ascii_graphic)
}

fn fresh() -> HeaderValue {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = [0; 32];
    let id = RANDOM.with_borrow_mut(SmallRng::random::<u128>);
    for (pair, byte) in text.chunks_exact_mut(2).zip(id.to_ne_bytes()) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
    HeaderValue::from_bytes(&text).expect("hexadecimal digits are visible ASCII")
}

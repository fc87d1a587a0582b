//! Tickets of sticky users: a position on the line, signed so that nobody picks their own.

use super::line::Position;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use std::fmt;

/// Bytes kept of the signature: 2^128 guesses are out of reach, and a cookie should be short.
const SIGNATURE_BYTES: usize = 16;

const POSITION_BYTES: usize = size_of::<Position>();

/// A ticket's length as text: 20 bytes in base64.
const TEXT_BYTES: usize = (POSITION_BYTES + SIGNATURE_BYTES) * 8 / 6 + 1;

/// What is signed starts with this, so that a signature made for one purpose serves no other.
const PURPOSE: &[u8] = b"haldane sticky ticket 1\0";

/// The key that sticky tickets are signed with: one for all replicas, or a user is known to only some of them.
#[derive(Clone)]
pub struct TicketKey(Hmac<Sha256>);

impl TicketKey {
    /// A key of 32 bytes from a good source.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Hmac::new_from_slice(&bytes).expect("HMAC takes a key of any length"))
    }

    /// The ticket of this position, as a cookie value.
    pub(super) fn issue(&self, scope: &str, position: Position) -> String {
        let mut ticket = position.to_be_bytes().to_vec();
        let signature = self.signed(scope, position).finalize().into_bytes();
        ticket.extend_from_slice(&signature[..SIGNATURE_BYTES]);
        URL_SAFE_NO_PAD.encode(ticket)
    }

    /// The position of a ticket that this key signed for this scope.
    pub(super) fn verify(&self, scope: &str, ticket: &[u8]) -> Option<Position> {
        let mut bytes = [0; POSITION_BYTES + SIGNATURE_BYTES];
        if ticket.len() != TEXT_BYTES {
            return None;
        }
        let length = URL_SAFE_NO_PAD.decode_slice(ticket, &mut bytes).ok()?;
        let (position, signature) = bytes[..length].split_first_chunk()?;
        let position = Position::from_be_bytes(*position);
        // Compares in constant time.
        let mac = self.signed(scope, position);
        mac.verify_truncated_left(signature).ok().map(|()| position)
    }

    /// The position has a fixed length, so that no two pairs are signed alike.
    fn signed(&self, scope: &str, position: Position) -> Hmac<Sha256> {
        let parts = [PURPOSE, scope.as_bytes(), &position.to_be_bytes()];
        parts.into_iter().fold(self.0.clone(), Hmac::chain_update)
    }
}

impl fmt::Debug for TicketKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TicketKey")
    }
}

/// The position of a user known by a header's value: the same in every process and after every restart, so no key.
pub(super) fn position_of(scope: &str, value: &[u8]) -> Position {
    let hash = Sha256::new()
        .chain_update(scope)
        .chain_update([0])
        .chain_update(value)
        .finalize();
    let (first, _) = hash
        .split_first_chunk()
        .expect("a SHA-256 hash has 32 bytes");
    Position::from_be_bytes(*first)
}

//! What two tables that are the same have in common.

use crate::key::Key;
use sha2::{Digest as _, Sha256};
use std::fmt;

/// SHA-256 of a table, or of one object's written form.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// Of some bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// Of a table: its objects in the order of their keys, each by the digest of its written form.
    pub(crate) fn of_table<'a>(objects: impl Iterator<Item = (&'a Key, Self)>) -> Self {
        let mut hash = Sha256::new();
        for (key, object) in objects {
            hash.update([key.kind.number()]);
            hash.update((key.name.len() as u64).to_be_bytes());
            hash.update(key.name.as_bytes());
            hash.update(object.0);
        }
        Self(hash.finalize().into())
    }

    /// As it was sent; `None` where it is no digest.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// As it is sent.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// In hexadecimal.
impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::Kind;

    #[test]
    fn is_written_in_hexadecimal() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Digest::of(b"").to_string(), empty);
    }

    #[test]
    fn comes_back_as_it_was_sent() {
        let digest = Digest::of(b"a table");
        assert_eq!(Digest::from_slice(digest.as_bytes()), Some(digest));
        assert_eq!(Digest::from_slice(&digest.as_bytes()[1..]), None);
    }

    #[test]
    fn names_and_kinds_cannot_run_into_each_other() {
        let table = |keys: &[(Kind, &str)]| {
            let keys: Vec<Key> = keys
                .iter()
                .map(|(kind, name)| Key::new(*kind, name))
                .collect();
            Digest::of_table(keys.iter().map(|key| (key, Digest::of(b""))))
        };
        assert_ne!(table(&[(Kind::Rule, "a")]), table(&[(Kind::Backend, "a")]));
        assert_ne!(
            table(&[(Kind::Rule, "a"), (Kind::Rule, "b")]),
            table(&[(Kind::Rule, "ab")])
        );
    }
}

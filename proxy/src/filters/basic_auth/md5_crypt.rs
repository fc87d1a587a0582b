//! The MD5-based password hash of FreeBSD's `crypt` (`$1$`) and of Apache (`$apr1$`), which differ in that prefix only.
//!
//! No well-kept crate has the Apache form, and it is what `htpasswd` writes by default. Only verifies: nobody should
//! store new passwords this way.

use md5::{Digest, Md5};
use subtle::ConstantTimeEq;

/// Longer salts are cut, as the other implementations do.
const SALT_BYTES_MAX: usize = 8;

/// What makes guessing slow; part of the format.
const ROUNDS: u32 = 1_000;

/// The digits of the format's base 64.
const DIGITS: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The bytes of the digest in the order of the format, three to a group of four digits; the twelfth stands alone.
const GROUPS: [[usize; 3]; 5] = [[0, 6, 12], [1, 7, 13], [2, 8, 14], [3, 9, 15], [4, 10, 5]];
const LAST: usize = 11;

/// The length of a written digest: five groups of four digits and one of two.
const DIGEST_DIGITS: usize = 22;

/// A stored hash.
pub(super) struct Md5Crypt {
    magic: &'static str,
    salt: Box<str>,
    digest: Box<str>,
}

impl Md5Crypt {
    /// Parses `$1$salt$digest` or `$apr1$salt$digest`; `None` if it is neither.
    pub(super) fn parse(written: &str) -> Option<Self> {
        let magic = ["$apr1$", "$1$"]
            .into_iter()
            .find(|magic| written.starts_with(magic))?;
        let (salt, digest) = written[magic.len()..].split_once('$')?;
        let whole =
            digest.len() == DIGEST_DIGITS && digest.bytes().all(|digit| DIGITS.contains(&digit));
        let salt: String = salt.chars().take(SALT_BYTES_MAX).collect();
        (whole && salt.is_ascii()).then(|| Self {
            magic,
            salt: salt.into(),
            digest: digest.into(),
        })
    }

    /// Whether this is the password. Takes a fraction of a millisecond.
    pub(super) fn verify(&self, password: &[u8]) -> bool {
        let digest = stretch(self.first(password), self.salt.as_bytes(), password);
        written(&digest)
            .as_bytes()
            .ct_eq(self.digest.as_bytes())
            .into()
    }

    fn first(&self, password: &[u8]) -> [u8; 16] {
        let salt = self.salt.as_bytes();
        let inner: [u8; 16] = digest(&[password, salt, password]);
        let mut outer = Md5::new();
        outer.update(password);
        outer.update(self.magic);
        outer.update(salt);
        for block in password.chunks(inner.len()) {
            outer.update(&inner[..block.len()]);
        }
        let mut bits = password.len();
        while bits > 0 {
            outer.update(if bits & 1 == 1 { &[0] } else { &password[..1] });
            bits >>= 1;
        }
        outer.finalize().into()
    }
}

/// Hashes the digest over and over, with salt and password mixed in by the number of the round.
fn stretch(first: [u8; 16], salt: &[u8], password: &[u8]) -> [u8; 16] {
    (0..ROUNDS).fold(first, |last, round| {
        let odd = round & 1 == 1;
        let salt = if round % 3 == 0 { &[] } else { salt };
        let again = if round % 7 == 0 { &[] } else { password };
        let (head, tail) = if odd {
            (password, &last[..])
        } else {
            (&last[..], password)
        };
        digest(&[head, salt, again, tail])
    })
}

fn digest(parts: &[&[u8]]) -> [u8; 16] {
    let mut md5 = Md5::new();
    for part in parts {
        md5.update(part);
    }
    md5.finalize().into()
}

fn written(digest: &[u8; 16]) -> String {
    let mut text = String::with_capacity(DIGEST_DIGITS);
    for [high, middle, low] in GROUPS {
        let group = u32::from_be_bytes([0, digest[high], digest[middle], digest[low]]);
        push_digits(&mut text, group, 4);
    }
    push_digits(&mut text, u32::from(digest[LAST]), 2);
    text
}

/// The lowest digit comes first.
fn push_digits(text: &mut String, bits: u32, digits: u32) {
    for digit in 0..digits {
        let digit = (bits >> (6 * digit)) & 0x3f;
        text.push(char::from(DIGITS[digit as usize]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verifies_what_openssl_passwd_wrote() {
        let long = "x".repeat(100);
        let cases = [
            ("secret", "$apr1$rqXexS6Z$aHkKxtrJ39SjHzMujenay1"),
            ("secret", "$1$abcdefgh$cHJi5PXp/ki/ktXzqlk6I1"),
            ("", "$apr1$rqXexS6Z$CsgWV1wNhlJSIF4s1OIwb1"),
            (long.as_str(), "$apr1$a$3RjUhk3aA.XJ246uSMcU.1"),
        ];
        for (password, written) in cases {
            let stored = Md5Crypt::parse(written).expect(written);
            assert!(stored.verify(password.as_bytes()), "{written}");
            assert!(
                !stored.verify(format!("{password}x").as_bytes()),
                "{written}"
            );
        }
    }

    #[test]
    fn parses_nothing_else() {
        let cases = [
            "",
            "$1$",
            "$apr1$salt",
            "$apr1$salt$",
            "$apr1$salt$aHkKxtrJ39SjHzMujenay",
            "$apr1$salt$aHkKxtrJ39SjHzMujenay11",
            "$apr1$salt$aHkKxtrJ39SjHzMujena!1",
            "$apr1$s\u{e4}lt$aHkKxtrJ39SjHzMujenay1",
            "$2y$rqXexS6Z$aHkKxtrJ39SjHzMujenay1",
            " $1$abcdefgh$cHJi5PXp/ki/ktXzqlk6I1",
        ];
        for written in cases {
            assert!(Md5Crypt::parse(written).is_none(), "{written:?}");
        }
    }
}

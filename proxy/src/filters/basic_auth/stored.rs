//! A password as an htpasswd file stores it, and whether a given one is the same.
//!
//! Blocks its thread for as long as the hash takes; [`super::Verifier`] decides where that happens. Shows no hash in
//! `Debug` output.

use super::md5_crypt::Md5Crypt;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha_crypt::{Params, PasswordVerifier, ShaCrypt};
use sha1::{Digest, Sha1};
use std::fmt;
use subtle::ConstantTimeEq;

/// The highest bcrypt cost taken: about a second. Each step doubles it, and the format goes up to weeks.
const BCRYPT_COST_MAX: u32 = 14;

/// The most SHA-crypt rounds taken: about a second. 5 000 are usual, and the format goes up to minutes.
const SHA_CRYPT_ROUNDS_MAX: u32 = 1_000_000;

/// The lengths of written SHA-crypt digests.
const SHA256_DIGITS: usize = 43;
const SHA512_DIGITS: usize = 86;

/// The digest of SHA-1, which stands before the salt.
const SHA1_BYTES: usize = 20;

/// The right half of a line `user:hash`.
pub(super) struct StoredHash {
    written: Box<str>,
    scheme: Scheme,
}

enum Scheme {
    /// `$2a$`, `$2b$`, `$2x$`, `$2y$`.
    Bcrypt,
    /// `$5$`, `$6$`.
    ShaCrypt,
    /// `$1$`, `$apr1$`.
    Md5Crypt(Md5Crypt),
    /// `{SHA}`, and `{SSHA}` with a salt after the digest.
    Sha1 {
        digest: [u8; SHA1_BYTES],
        salt: Box<[u8]>,
    },
    /// `{PLAIN}`.
    Plain(Box<[u8]>),
    /// None of these (such as DES), malformed, or slower than we accept.
    Unsupported,
}

impl StoredHash {
    pub(super) fn parse(written: &str) -> Self {
        let scheme = bcrypt(written)
            .or_else(|| sha_crypt(written))
            .or_else(|| Md5Crypt::parse(written).map(Scheme::Md5Crypt))
            .or_else(|| sha1(written))
            .or_else(|| {
                written
                    .strip_prefix("{PLAIN}")
                    .map(|plain| Scheme::Plain(plain.as_bytes().into()))
            })
            .unwrap_or(Scheme::Unsupported);
        Self {
            written: written.into(),
            scheme,
        }
    }

    /// The hash as written: what tells one stored password from another.
    pub(super) fn written(&self) -> &str {
        &self.written
    }

    /// Whether any password can be verified against it.
    pub(super) fn is_supported(&self) -> bool {
        !matches!(self.scheme, Scheme::Unsupported)
    }

    /// Whether verifying takes so long (0.1 ms to seconds) that no request may wait for it on its worker thread.
    pub(super) fn is_slow(&self) -> bool {
        matches!(
            self.scheme,
            Scheme::Bcrypt | Scheme::ShaCrypt | Scheme::Md5Crypt(_)
        )
    }

    /// Whether this is the password; never, where the scheme is not supported.
    pub(super) fn verify(&self, password: &[u8]) -> bool {
        match &self.scheme {
            Scheme::Bcrypt => bcrypt::verify(password, &self.written).unwrap_or(false),
            Scheme::ShaCrypt => ShaCrypt::default()
                .verify_password(password, &*self.written)
                .is_ok(),
            Scheme::Md5Crypt(hash) => hash.verify(password),
            Scheme::Sha1 { digest, salt } => {
                let given = Sha1::new()
                    .chain_update(password)
                    .chain_update(salt)
                    .finalize();
                given.as_slice().ct_eq(digest).into()
            }
            Scheme::Plain(plain) => password.ct_eq(plain).into(),
            Scheme::Unsupported => false,
        }
    }
}

impl fmt::Debug for StoredHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoredHash")
    }
}

fn bcrypt(written: &str) -> Option<Scheme> {
    let cost = written.strip_prefix("$2")?.get(2..4)?;
    let affordable = cost
        .parse::<u32>()
        .is_ok_and(|cost| cost <= BCRYPT_COST_MAX);
    let parses = written.parse::<bcrypt::HashParts>().is_ok();
    (affordable && parses).then_some(Scheme::Bcrypt)
}

/// `$5$salt$digest` or `$5$rounds=n$salt$digest`, and `$6$` likewise with a digest twice as long.
fn sha_crypt(written: &str) -> Option<Scheme> {
    let (rest, digits) = match written.strip_prefix("$5$") {
        Some(rest) => (rest, SHA256_DIGITS),
        None => (written.strip_prefix("$6$")?, SHA512_DIGITS),
    };
    let rest = match rest.strip_prefix("rounds=") {
        Some(rounds) => after_rounds(rounds)?,
        None => rest,
    };
    let (salt, digest) = rest.split_once('$')?;
    (salt.is_ascii() && digest.len() == digits).then_some(Scheme::ShaCrypt)
}

fn after_rounds(rounds: &str) -> Option<&str> {
    let (rounds, rest) = rounds.split_once('$')?;
    let rounds: u32 = rounds.parse().ok()?;
    (Params::ROUNDS_MIN..=SHA_CRYPT_ROUNDS_MAX)
        .contains(&rounds)
        .then_some(rest)
}

fn sha1(written: &str) -> Option<Scheme> {
    let (encoded, salted) = match written.strip_prefix("{SHA}") {
        Some(encoded) => (encoded, false),
        None => (written.strip_prefix("{SSHA}")?, true),
    };
    let bytes = STANDARD.decode(encoded).ok()?;
    let (digest, salt) = bytes.split_first_chunk::<SHA1_BYTES>()?;
    (salted || salt.is_empty()).then(|| Scheme::Sha1 {
        digest: *digest,
        salt: salt.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHA512: &str = "$6$saltsalt$TVLlQcbpFVof5W3Yz4DTP6gRstiNuHwwTt6GLc1E5n0U0aDehy0S5knV8wiOQSpT0Y77vwPZN.Pq.H91p5hVO1";
    const SHA512_ROUNDS: &str = "$6$rounds=1000$saltsalt$LAV5VE5Y7w1d73x1mFNspYWUpazfmwv2SoepNXNKJ/otop/Zok96Hr8Q13LEv0DRY/x8v0/crpIjl8NJSAqXV/";

    #[test]
    fn verifies_what_htpasswd_and_openssl_wrote() {
        let bcrypt = bcrypt::hash("secret", 4).unwrap();
        // hash of "secret", whether it is slow
        let cases = [
            (bcrypt.as_str(), true),
            (
                "$5$saltsalt$0IyaXrmV7.sGNS6tirgqHLqX/G.FBvgkYA.lpPdS5sA",
                true,
            ),
            (SHA512, true),
            (SHA512_ROUNDS, true),
            ("$apr1$rqXexS6Z$aHkKxtrJ39SjHzMujenay1", true),
            ("$1$abcdefgh$cHJi5PXp/ki/ktXzqlk6I1", true),
            ("{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=", false),
            ("{SSHA}gVK8WC9YyFT1gMsQHTGCgT3sSv5zYWx0", false),
            ("{PLAIN}secret", false),
        ];
        for (written, slow) in cases {
            let stored = StoredHash::parse(written);
            assert!(stored.is_supported(), "{written}");
            assert_eq!(stored.is_slow(), slow, "{written}");
            assert!(stored.verify(b"secret"), "{written}");
            assert!(!stored.verify(b"Secret"), "{written}");
            assert!(!stored.verify(b""), "{written}");
        }
    }

    #[test]
    fn supports_nothing_malformed_unknown_or_too_slow() {
        let cases = [
            "",
            "secret",
            "rqXexS6ZobgOU",
            "$2y$15$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
            "$2y$xx$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
            "$2y$05$short",
            "$2\u{e4}\u{e4}\u{e4}\u{e4}",
            "$5$saltsalt$short",
            "$5$rounds=1000001$saltsalt$0IyaXrmV7.sGNS6tirgqHLqX/G.FBvgkYA.lpPdS5sA",
            "$5$rounds=1$saltsalt$0IyaXrmV7.sGNS6tirgqHLqX/G.FBvgkYA.lpPdS5sA",
            "$5$rounds=x$saltsalt$0IyaXrmV7.sGNS6tirgqHLqX/G.FBvgkYA.lpPdS5sA",
            "$7$C6..../....SodiumChloride$kBGj9fHznVYFQMEn/qDCfrDevf9YDtcDdKvEqHJLV8D",
            "$argon2id$v=19$m=16,t=2,p=1$c2FsdHNhbHQ$c2VjcmV0",
            "{SHA}",
            "{SHA}not base64",
            "{SHA}gVK8WC9YyFT1gMsQHTGCgT3sSv5zYWx0",
            "{SSHA}c2hvcnQ=",
            "{MD5}Xr4ilOzQ4PCOq3aQ0qbuaQ==",
        ];
        for written in cases {
            let stored = StoredHash::parse(written);
            assert!(!stored.is_supported(), "{written:?}");
            assert!(!stored.verify(written.as_bytes()), "{written:?}");
        }
    }
}

//! HTTP Basic authentication (RFC 7617) against the lines of an htpasswd file.
//!
//! Fails closed: what cannot be verified is refused. Never logs or shows a password or a hash.

mod md5_crypt;
mod stored;
mod verifier;

pub use verifier::{Unverified, Verifier};

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use stored::StoredHash;

/// The longest credentials taken, as they come: passwords of about 700 bytes. Hashing time grows with the password.
const CREDENTIALS_BYTES_MAX: usize = 1_024;

/// Base 64 with or without padding, since clients send both.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Who may pass.
pub struct BasicAuth {
    challenge: HeaderValue,
    users: HashMap<Box<[u8]>, Arc<StoredHash>>,
    decoy: Arc<StoredHash>,
}

/// Why no [`BasicAuth`] can be made; every request is then answered with 503, as ingress-nginx does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BasicAuthError {
    /// The realm holds control characters.
    #[error("the realm cannot stand in a header")]
    Realm,
    /// No line has the form `user:hash`.
    #[error("there is no user")]
    NoUser,
}

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Login {
    /// User and password are right.
    Granted,
    /// They are wrong or absent: 401 with this `WWW-Authenticate`.
    Challenged(HeaderValue),
    /// Nobody can say: 503.
    Unavailable(Unverified),
}

impl BasicAuth {
    /// Parses the lines of an htpasswd file. Blank ones, comments and those without a colon are passed over; of two
    /// lines for one user the first counts. A user whose hash is not supported is refused at each login.
    pub fn new<'a>(
        realm: &str,
        lines: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, BasicAuthError> {
        let mut users = HashMap::new();
        let mut decoy = None;
        for (user, hash) in lines.into_iter().filter_map(user_and_hash) {
            let stored: &mut Arc<StoredHash> = users
                .entry(user.as_bytes().into())
                .or_insert_with(|| Arc::new(StoredHash::parse(hash)));
            if decoy
                .as_ref()
                .is_none_or(|decoy: &Arc<StoredHash>| slower(stored, decoy))
            {
                decoy = Some(Arc::clone(stored));
            }
        }
        let challenge = challenge(realm).ok_or(BasicAuthError::Realm)?;
        let decoy = decoy.ok_or(BasicAuthError::NoUser)?;
        Ok(Self {
            challenge,
            users,
            decoy,
        })
    }

    /// Judges the request's credentials. Waits only where a slow hash must be computed.
    pub async fn check(&self, headers: &HeaderMap, verifier: &Verifier) -> Login {
        let Some(given) = Credentials::of(headers) else {
            return self.challenged();
        };
        let known = self.users.get(given.user());
        // An unknown user takes as long as a known one, so that users cannot be told by the time it takes.
        let stored = known.unwrap_or(&self.decoy);
        match verifier.verify(stored, given.password()).await {
            Ok(right) if right && known.is_some() => Login::Granted,
            Err(unverified) if known.is_some() || unverified == Unverified::Busy => {
                Login::Unavailable(unverified)
            }
            _ => self.challenged(),
        }
    }

    fn challenged(&self) -> Login {
        Login::Challenged(self.challenge.clone())
    }
}

impl fmt::Debug for BasicAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "BasicAuth({:?}, {} users)",
            self.challenge,
            self.users.len()
        )
    }
}

fn slower(one: &StoredHash, other: &StoredHash) -> bool {
    one.is_slow() && !other.is_slow()
}

fn user_and_hash(line: &str) -> Option<(&str, &str)> {
    let line = line.trim_end();
    let (user, hash) = line.split_once(':')?;
    (!line.starts_with('#')).then_some((user, hash))
}

/// The realm as a quoted string (RFC 9110 section 5.6.4).
fn challenge(realm: &str) -> Option<HeaderValue> {
    let escaped = realm.replace('\\', "\\\\").replace('"', "\\\"");
    HeaderValue::try_from(format!("Basic realm=\"{escaped}\", charset=\"UTF-8\"")).ok()
}

/// `user:password`, decoded. Has no `Debug`.
struct Credentials {
    decoded: Vec<u8>,
    colon: usize,
}

impl Credentials {
    /// `None` where there are none, or not one well-formed pair. Two `Authorization` fields are not one pair: the
    /// upstream might believe the other one.
    fn of(headers: &HeaderMap) -> Option<Self> {
        let mut fields = headers.get_all(AUTHORIZATION).iter();
        let (Some(field), None) = (fields.next(), fields.next()) else {
            return None;
        };
        let decoded = BASE64.decode(encoded(field.as_bytes())?).ok()?;
        let colon = decoded.iter().position(|byte| *byte == b':')?;
        Some(Self { decoded, colon })
    }

    fn user(&self) -> &[u8] {
        &self.decoded[..self.colon]
    }

    fn password(&self) -> &[u8] {
        &self.decoded[self.colon + 1..]
    }
}

/// What stands after the scheme `Basic`, whose case does not matter.
fn encoded(field: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = field.split_at_checked(b"basic ".len())?;
    let basic = scheme.eq_ignore_ascii_case(b"basic ") && rest.len() <= CREDENTIALS_BYTES_MAX;
    basic.then(|| rest.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// alice and bob have the password `secret`, carol's hash is DES, dave is named twice.
    const LINES: [&str; 8] = [
        "#erin:{PLAIN}secret",
        "",
        "no colon",
        "alice:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=",
        "bob:$apr1$rqXexS6Z$aHkKxtrJ39SjHzMujenay1\r\n",
        "carol:rqXexS6ZobgOU",
        "dave:{PLAIN}first:colon",
        "dave:{PLAIN}second",
    ];

    fn auth() -> BasicAuth {
        BasicAuth::new("the \"shop\"", LINES).unwrap()
    }

    fn basic(pair: &str) -> String {
        format!("Basic {}", BASE64.encode(pair))
    }

    async fn login(fields: &[String]) -> Login {
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append(AUTHORIZATION, field.parse().unwrap());
        }
        auth().check(&headers, &Verifier::new([7; 32])).await
    }

    #[tokio::test]
    async fn who_may_pass() {
        let granted = || Login::Granted;
        let challenged = || auth().challenged();
        let unsupported = || Login::Unavailable(Unverified::Unsupported);
        #[rustfmt::skip]
        let cases = [
            (vec![], challenged()),
            (vec![basic("alice:secret")], granted()),
            (vec![basic("bob:secret")], granted()),
            (vec![basic("dave:first:colon")], granted()),
            (vec![basic("dave:second")], challenged()),
            (vec![basic("alice:secret").replace("Basic ", "bAsIc   ")], granted()),
            (vec![basic("alice:secret").trim_end_matches('=').to_owned()], granted()),
            (vec![basic("alice:Secret")], challenged()),
            (vec![basic("alice:")], challenged()),
            (vec![basic("Alice:secret")], challenged()),
            (vec![basic("nobody:secret")], challenged()),
            (vec![basic(":secret")], challenged()),
            (vec![basic("alice")], challenged()),
            (vec![basic("#erin:secret")], challenged()),
            (vec![basic("carol:secret")], unsupported()),
            (vec![basic("alice:secret"), basic("alice:secret")], challenged()),
            (vec!["Basic".to_owned()], challenged()),
            (vec!["Basic !!!".to_owned()], challenged()),
            (vec!["Bearer YWxpY2U6c2VjcmV0".to_owned()], challenged()),
            (vec!["BasicYWxpY2U6c2VjcmV0".to_owned()], challenged()),
        ];
        for (fields, expected) in cases {
            assert_eq!(login(&fields).await, expected, "{fields:?}");
        }
    }

    #[tokio::test]
    async fn credentials_are_bounded() {
        // bytes of the password; with `alice:` and in base 64 the first is as much as is taken
        for (bytes, expected) in [(762, true), (763, false)] {
            let password = "x".repeat(bytes);
            let auth = BasicAuth::new("", [format!("alice:{{PLAIN}}{password}").as_str()]).unwrap();
            let field = basic(&format!("alice:{password}")).parse().unwrap();
            let headers = HeaderMap::from_iter([(AUTHORIZATION, field)]);
            let login = auth.check(&headers, &Verifier::new([7; 32])).await;
            assert_eq!(login == Login::Granted, expected, "{bytes} bytes");
        }
    }

    #[tokio::test]
    async fn an_unknown_user_with_the_decoys_password_is_unknown() {
        let auth = BasicAuth::new("", ["alice:{PLAIN}secret"]).unwrap();
        let headers =
            HeaderMap::from_iter([(AUTHORIZATION, basic("nobody:secret").parse().unwrap())]);
        assert_eq!(
            auth.check(&headers, &Verifier::new([7; 32])).await,
            auth.challenged()
        );
    }

    #[test]
    fn the_decoy_is_slow_where_one_user_is() {
        let users = [
            "alice:{PLAIN}x",
            "bob:$apr1$rqXexS6Z$aHkKxtrJ39SjHzMujenay1",
            "carol:{PLAIN}y",
        ];
        for first in 0..users.len() {
            let lines = users.iter().cycle().skip(first).take(users.len()).copied();
            assert!(
                BasicAuth::new("", lines).unwrap().decoy.is_slow(),
                "{} first",
                users[first]
            );
        }
    }

    #[test]
    fn what_is_no_filter() {
        assert_eq!(
            BasicAuth::new("shop", []).unwrap_err(),
            BasicAuthError::NoUser
        );
        assert_eq!(
            BasicAuth::new("shop", ["nobody"]).unwrap_err(),
            BasicAuthError::NoUser
        );
        assert_eq!(
            BasicAuth::new("a\r\nSet-Cookie: b", LINES).unwrap_err(),
            BasicAuthError::Realm
        );
    }

    #[test]
    fn the_realm_cannot_end_its_quotes() {
        assert_eq!(
            auth().challenge,
            r#"Basic realm="the \"shop\"", charset="UTF-8""#
        );
        let auth = BasicAuth::new("a\\", LINES).unwrap();
        assert_eq!(auth.challenge, r#"Basic realm="a\\", charset="UTF-8""#);
    }

    #[test]
    fn secrets_do_not_show() {
        let shown = format!(
            "{:?} {:?} {:?}",
            auth(),
            Verifier::new([7; 32]),
            auth().decoy
        );
        for (_, hash) in LINES.into_iter().filter_map(user_and_hash) {
            assert!(!shown.contains(hash), "{hash} in {shown}");
        }
    }
}

//! `affinity` and `session-cookie-*`: a cookie that keeps a client on one endpoint.

use super::Reader;
use super::values::{cookie_name, flag, is_dns_name, number, one_of, path};
use crate::problem::Refused;
use haldane_routing::spec::AffinitySpec;

/// The name that ingress-nginx gives.
const COOKIE: &str = "INGRESSCOOKIE";

/// The longest that a browser keeps a cookie (400 days).
const AGE_S_MAX: u64 = 400 * 24 * 3600;

/// `path` stays empty where nothing is said: it then follows the rule.
pub(crate) fn read(reader: &mut Reader<'_>) -> Option<AffinitySpec> {
    let kind = reader.shared("affinity", kind);
    // Both modes mean the same here: the cookie names an endpoint, and another is chosen only when that one is gone.
    reader.shared("affinity-mode", mode);
    let max_age = reader.shared("session-cookie-max-age", age);
    let expires = reader.shared("session-cookie-expires", age);
    let spec = AffinitySpec {
        cookie: reader
            .shared("session-cookie-name", cookie_name)
            .unwrap_or_else(|| COOKIE.to_owned()),
        path: reader
            .shared("session-cookie-path", cookie_path)
            .unwrap_or_default(),
        domain: reader.shared("session-cookie-domain", domain),
        same_site: reader.shared("session-cookie-samesite", same_site),
        max_age_s: max_age.or(expires),
        secure: reader.shared("session-cookie-secure", flag),
    };
    kind.map(|()| spec)
}

fn kind(text: &str) -> Result<(), Refused> {
    one_of(text, &[("cookie", ())])
}

fn mode(text: &str) -> Result<(), Refused> {
    one_of(text, &[("balanced", ()), ("persistent", ())])
}

fn age(text: &str) -> Result<u64, Refused> {
    number(text, 0, AGE_S_MAX)
}

/// A semicolon would end the attribute and begin another.
fn cookie_path(text: &str) -> Result<String, Refused> {
    if text.contains(';') {
        Refused::because(format!(
            "{text:?} is not the path of a cookie: it holds ';'"
        ))
    } else {
        path(text)
    }
}

fn domain(text: &str) -> Result<String, Refused> {
    let name = text.to_ascii_lowercase();
    if is_dns_name(name.strip_prefix('.').unwrap_or(&name)) {
        Ok(name)
    } else {
        Refused::because(format!("{text:?} is not the domain of a cookie"))
    }
}

fn same_site(text: &str) -> Result<String, Refused> {
    let word = one_of(
        text,
        &[("None", "None"), ("Lax", "Lax"), ("Strict", "Strict")],
    )?;
    Ok(word.to_owned())
}

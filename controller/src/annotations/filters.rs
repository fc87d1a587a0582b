//! What happens to requests before they are passed on: who may come in, how much, and what is changed.

use super::values::{authority, flag, networks, path, size, switch};
use super::{Reader, auth, cors, rate};
use crate::lookup::SecretsOf;
use crate::problem::Refused;
use haldane_routing::spec::{FiltersSpec, HeaderEditsSpec};
use ipnet::IpNet;

/// The most that is buffered where buffering is asked for without a limit: what ingress-nginx takes.
const BUFFERED_BYTES_MAX: u64 = 1 << 20;

/// Whether requests in clear are redirected to https.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum HttpsRedirect {
    Never,
    /// On hosts that have a certificate.
    #[default]
    WithCertificate,
    Always,
}

/// How paths are matched and rewritten.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PathSettings {
    pub(crate) use_regex: bool,
    pub(crate) rewrite_target: Option<String>,
}

impl PathSettings {
    pub(crate) fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            use_regex: reader.shared("use-regex", flag).unwrap_or(false),
            rewrite_target: reader.shared("rewrite-target", rewrite_target),
        }
    }
}

pub(crate) fn https_redirect(reader: &mut Reader<'_>) -> HttpsRedirect {
    let force = reader.shared("force-ssl-redirect", flag).unwrap_or(false);
    let redirect = reader.shared("ssl-redirect", flag).unwrap_or(true);
    match (force, redirect) {
        (true, _) => HttpsRedirect::Always,
        (false, true) => HttpsRedirect::WithCertificate,
        (false, false) => HttpsRedirect::Never,
    }
}

/// All filters that do not depend on the rule: the redirect to https and the rewriting are set where the rule is made.
pub(crate) fn read(reader: &mut Reader<'_>, secrets: &SecretsOf<'_>) -> FiltersSpec {
    let buffer_request = reader
        .shared("proxy-request-buffering", switch)
        .unwrap_or(false);
    let body = reader.shared("proxy-body-size", size);
    FiltersSpec {
        allow: allow(reader),
        deny: reader
            .shared("denylist-source-range", networks)
            .unwrap_or_default(),
        rate: rate::read(reader),
        cors: cors::read(reader),
        basic_auth: auth::basic(reader, secrets),
        external_auth: auth::external(reader),
        upstream_host: reader.shared("upstream-vhost", authority),
        request_headers: request_headers(reader),
        body_bytes_max: body_bytes_max(body, buffer_request),
        buffer_request,
        ..FiltersSpec::default()
    }
}

/// The newer name wins over the older.
fn allow(reader: &mut Reader<'_>) -> Vec<IpNet> {
    let old = reader.shared("whitelist-source-range", networks);
    let new = reader.shared("allowlist-source-range", networks);
    if old.is_some() && new.is_some() && old != new {
        reader.warn(
            "whitelist-source-range",
            "is overruled by allowlist-source-range",
        );
    }
    new.or(old).unwrap_or_default()
}

/// 0 is no limit; what is buffered always has one.
fn body_bytes_max(asked: Option<u64>, buffered: bool) -> Option<u64> {
    match (asked, buffered) {
        (None | Some(0), true) => Some(BUFFERED_BYTES_MAX),
        (asked, _) => asked.filter(|bytes| *bytes > 0),
    }
}

fn request_headers(reader: &mut Reader<'_>) -> HeaderEditsSpec {
    let prefix = reader.shared("x-forwarded-prefix", path);
    HeaderEditsSpec {
        set: prefix
            .map(|prefix| ("x-forwarded-prefix".to_owned(), prefix))
            .into_iter()
            .collect(),
        ..HeaderEditsSpec::default()
    }
}

/// A path with `$1` to `$9`; other variables of nginx are not known.
fn rewrite_target(text: &str) -> Result<String, Refused> {
    let mut behind = text.split('$').skip(1);
    let is_group = |rest: &str| rest.starts_with(|digit: char| ('1'..='9').contains(&digit));
    if behind.all(is_group) {
        path(text).or_else(|reason| group_first(text).ok_or(reason))
    } else {
        Refused::because(format!(
            "in {text:?} only $1 to $9 stand for something, no other variable"
        ))
    }
}

/// `$1` alone is a common target; the group then holds the whole path, which starts with a slash.
fn group_first(text: &str) -> Option<String> {
    let rest = text.strip_prefix('$')?;
    path(&format!("/{rest}")).is_ok().then(|| text.to_owned())
}

/// The target for a path with this many groups. There, a group that the path does not have is empty: `Err` is the
/// target without those it asks for in vain.
pub(crate) fn with_groups(target: &str, groups: usize) -> Result<String, String> {
    let mut pieces = target.split('$');
    let mut kept = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let number = piece.chars().next().and_then(|digit| digit.to_digit(10));
        if number.is_some_and(|number| number as usize <= groups) {
            kept.extend(["$", piece]);
        } else {
            kept.push_str(piece.get(1..).unwrap_or_default());
        }
    }
    match (kept == target, kept.starts_with(['/', '$'])) {
        (true, _) => Ok(kept),
        (false, true) => Err(kept),
        (false, false) => Err(format!("/{kept}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rewrite_target_is_a_path_with_the_groups_that_there_are() {
        let cases = [
            ("/", Some("/")),
            ("/$1", Some("/$1")),
            ("/$2/x/$1", Some("//x/$1")),
            ("$1", Some("$1")),
            ("$2", Some("/")),
            ("/$", None),
            ("/$0", None),
            ("/$uri", None),
            ("/a b", None),
            ("/a?b", None),
            ("relative", None),
            ("/a\nb", None),
        ];
        for (text, expected) in cases {
            let seen = rewrite_target(text).map(|target| with_groups(&target, 1));
            let seen = seen.map(|target| target.unwrap_or_else(|shorter| shorter));
            assert_eq!(seen.as_deref().ok(), expected, "{text}");
        }
    }
}

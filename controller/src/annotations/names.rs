//! Every annotation that is known, and what is said about those that are not, or are not honoured.

use super::rollout::{EVIDENCE, STATE};
use super::split::is_match;
use super::{HALDANE, NGINX, Reader};
use crate::hint::nearest;
use haldane_rollout::plan::ORDERS;

/// Where a known annotation belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// Haldane's own: Service or Ingress, our prefix only.
    Own,
    /// Both prefixes, on an Ingress.
    Shared,
    /// Part of automatic rollouts; our prefix only.
    Rollout,
    /// Written by Haldane itself.
    Ours,
    /// Known from ingress-nginx and without effect here; the reason is told.
    Ignored(&'static str),
    /// Ignoring it would let in what it keeps out, so the Ingress is refused.
    Refused(&'static str),
}

use Standing::{Ignored, Ours, Own, Refused, Rollout, Shared};

const SNIPPET: &str = "snippets are never executed: what this one does is NOT in force. Write it with annotations \
    (see docs/migrating-from-ingress-nginx.md), and check above all whether it restricted access";
const CLIENT_CERTIFICATES: &str = "client certificates are not asked for by this version: \
    the Ingress is refused rather than served without them";
const BUFFERS: &str = "bodies are streamed; there is no buffer to set";
const LOGS: &str = "has no effect: logs and traces are set for the whole proxy";
const NOT_YET: &str = "is not supported by this version and has no effect";

const KNOWN: &[(&str, Standing)] = &[
    ("version-label", Own),
    ("weights", Own),
    ("sticky", Own),
    ("active", Own),
    ("preview", Own),
    ("preview-host", Own),
    ("on-empty", Own),
    ("mirror", Own),
    ("rollout", Rollout),
    ("steps", Rollout),
    ("step-interval", Rollout),
    ("tolerance", Rollout),
    ("latency", Rollout),
    ("pause", Rollout),
    ("promote", Rollout),
    ("abort", Rollout),
    ("freeze", Rollout),
    ("alpha", Rollout),
    ("beta", Rollout),
    ("min-requests", Rollout),
    ("max-duration", Rollout),
    ("warm-up", Rollout),
    ("on-abort", Rollout),
    ("rollback-window", Rollout),
    ("margin", Rollout),
    ("retry", Rollout),
    ("rollback", Rollout),
    ("notify", Rollout),
    ("gate", Rollout),
    ("status", Ours),
    (STATE, Ours),
    (EVIDENCE, Ours),
    ("canary", Shared),
    ("canary-weight", Shared),
    ("canary-weight-total", Shared),
    ("canary-by-header", Shared),
    ("canary-by-header-value", Shared),
    ("canary-by-header-pattern", Shared),
    ("canary-by-cookie", Shared),
    ("affinity-canary-behavior", Shared),
    ("ssl-redirect", Shared),
    ("force-ssl-redirect", Shared),
    ("rewrite-target", Shared),
    ("use-regex", Shared),
    ("proxy-body-size", Shared),
    ("proxy-request-buffering", Shared),
    ("proxy-connect-timeout", Shared),
    ("proxy-read-timeout", Shared),
    ("proxy-send-timeout", Shared),
    ("request-timeout", Shared),
    ("backend-protocol", Shared),
    ("proxy-ssl-verify", Shared),
    ("proxy-ssl-name", Shared),
    ("proxy-ssl-secret", Shared),
    ("whitelist-source-range", Shared),
    ("allowlist-source-range", Shared),
    ("denylist-source-range", Shared),
    ("enable-cors", Shared),
    ("cors-allow-origin", Shared),
    ("cors-allow-methods", Shared),
    ("cors-allow-headers", Shared),
    ("cors-allow-credentials", Shared),
    ("cors-max-age", Shared),
    ("cors-expose-headers", Shared),
    ("auth-url", Shared),
    ("auth-signin", Shared),
    ("auth-signin-redirect-param", Shared),
    ("auth-response-headers", Shared),
    ("auth-method", Shared),
    ("auth-type", Shared),
    ("auth-secret", Shared),
    ("auth-secret-type", Shared),
    ("auth-realm", Shared),
    ("affinity", Shared),
    ("affinity-mode", Shared),
    ("session-cookie-name", Shared),
    ("session-cookie-path", Shared),
    ("session-cookie-domain", Shared),
    ("session-cookie-samesite", Shared),
    ("session-cookie-max-age", Shared),
    ("session-cookie-expires", Shared),
    ("session-cookie-secure", Shared),
    ("limit-rps", Shared),
    ("limit-rpm", Shared),
    ("limit-connections", Shared),
    ("limit-burst-multiplier", Shared),
    ("limit-whitelist", Shared),
    ("limit-allowlist", Shared),
    ("permanent-redirect", Shared),
    ("permanent-redirect-code", Shared),
    ("temporal-redirect", Shared),
    ("temporal-redirect-code", Shared),
    ("app-root", Shared),
    ("from-to-www-redirect", Shared),
    ("server-alias", Shared),
    ("proxy-next-upstream", Shared),
    ("proxy-next-upstream-tries", Shared),
    ("upstream-vhost", Shared),
    ("x-forwarded-prefix", Shared),
    ("load-balance", Shared),
    ("upstream-hash-by", Shared),
    ("service-upstream", Shared),
    ("configuration-snippet", Ignored(SNIPPET)),
    ("server-snippet", Ignored(SNIPPET)),
    ("location-snippet", Ignored(SNIPPET)),
    ("stream-snippet", Ignored(SNIPPET)),
    ("auth-snippet", Ignored(SNIPPET)),
    ("modsecurity-snippet", Ignored(SNIPPET)),
    ("auth-tls-secret", Refused(CLIENT_CERTIFICATES)),
    ("auth-tls-verify-client", Refused(CLIENT_CERTIFICATES)),
    ("auth-tls-match-cn", Refused(CLIENT_CERTIFICATES)),
    ("auth-tls-verify-depth", Ignored(NOT_YET)),
    ("auth-tls-error-page", Ignored(NOT_YET)),
    ("auth-tls-pass-certificate-to-upstream", Ignored(NOT_YET)),
    (
        "ssl-passthrough",
        Refused("TLS is always ended here: the Ingress is refused rather than decrypted unasked"),
    ),
    (
        "enable-modsecurity",
        Ignored("there is no web application firewall here: requests are NOT filtered"),
    ),
    (
        "enable-owasp-core-rules",
        Ignored("there is no web application firewall here: requests are NOT filtered"),
    ),
    (
        "modsecurity-transaction-id",
        Ignored("there is no web application firewall here"),
    ),
    (
        "satisfy",
        Ignored("is always \"all\": every restriction must be met"),
    ),
    (
        "custom-http-errors",
        Ignored("answers of the application are passed on as they are"),
    ),
    (
        "default-backend",
        Ignored("use haldane.dev/on-empty to decide what happens without endpoints"),
    ),
    ("custom-headers", Ignored(NOT_YET)),
    (
        "mirror-target",
        Ignored("copies go to versions of the same Service here: use haldane.dev/mirror"),
    ),
    (
        "mirror-request-body",
        Ignored("use haldane.dev/mirror, which copies bodies too"),
    ),
    ("mirror-host", Ignored("use haldane.dev/mirror")),
    ("upstream-hash-by-subset", Ignored(NOT_YET)),
    ("upstream-hash-by-subset-size", Ignored(NOT_YET)),
    (
        "proxy-next-upstream-timeout",
        Ignored("second tries are bounded by a budget and by the other time limits"),
    ),
    ("proxy-buffering", Ignored(BUFFERS)),
    ("proxy-buffer-size", Ignored(BUFFERS)),
    ("proxy-buffers-number", Ignored(BUFFERS)),
    ("proxy-busy-buffers-size", Ignored(BUFFERS)),
    ("proxy-max-temp-file-size", Ignored(BUFFERS)),
    ("client-body-buffer-size", Ignored(BUFFERS)),
    (
        "proxy-http-version",
        Ignored("the version follows from backend-protocol and appProtocol"),
    ),
    ("proxy-cookie-domain", Ignored(NOT_YET)),
    ("proxy-cookie-path", Ignored(NOT_YET)),
    ("proxy-redirect-from", Ignored(NOT_YET)),
    ("proxy-redirect-to", Ignored(NOT_YET)),
    (
        "proxy-ssl-ciphers",
        Ignored("ciphers are chosen by the TLS library"),
    ),
    ("proxy-ssl-protocols", Ignored("TLS 1.2 and 1.3 are spoken")),
    (
        "proxy-ssl-server-name",
        Ignored("the server's name is always sent"),
    ),
    ("proxy-ssl-verify-depth", Ignored(NOT_YET)),
    (
        "ssl-ciphers",
        Ignored("ciphers are chosen by the TLS library"),
    ),
    (
        "ssl-prefer-server-ciphers",
        Ignored("ciphers are chosen by the TLS library"),
    ),
    (
        "preserve-trailing-slash",
        Ignored("the redirect to https never changes the path"),
    ),
    ("relative-redirects", Ignored(NOT_YET)),
    (
        "session-cookie-change-on-failure",
        Ignored("the cookie follows the endpoint that served the request"),
    ),
    ("session-cookie-conditional-samesite-none", Ignored(NOT_YET)),
    ("limit-rate", Ignored(NOT_YET)),
    ("limit-rate-after", Ignored(NOT_YET)),
    ("global-rate-limit", Ignored(NOT_YET)),
    ("global-rate-limit-window", Ignored(NOT_YET)),
    ("global-rate-limit-key", Ignored(NOT_YET)),
    ("global-rate-limit-ignored-cidrs", Ignored(NOT_YET)),
    (
        "auth-cache-key",
        Ignored("answers of the authentication service are not cached"),
    ),
    (
        "auth-cache-duration",
        Ignored("answers of the authentication service are not cached"),
    ),
    (
        "auth-keepalive",
        Ignored("connections to the authentication service are always kept"),
    ),
    (
        "auth-keepalive-requests",
        Ignored("connections to the authentication service are always kept"),
    ),
    (
        "auth-keepalive-timeout",
        Ignored("connections to the authentication service are always kept"),
    ),
    ("auth-keepalive-share-vars", Ignored(NOT_YET)),
    ("auth-proxy-set-headers", Ignored(NOT_YET)),
    ("auth-always-set-cookie", Ignored(NOT_YET)),
    ("auth-request-redirect", Ignored(NOT_YET)),
    (
        "enable-global-auth",
        Ignored("there is no authentication for all Ingresses to switch off"),
    ),
    (
        "connection-proxy-header",
        Ignored("the Connection header is Haldane's"),
    ),
    (
        "http2-push-preload",
        Ignored("server push is gone from browsers"),
    ),
    ("enable-access-log", Ignored(LOGS)),
    ("enable-rewrite-log", Ignored(LOGS)),
    ("enable-opentelemetry", Ignored(LOGS)),
    ("opentelemetry-trust-incoming-span", Ignored(LOGS)),
    ("opentelemetry-operation-name", Ignored(LOGS)),
    ("enable-opentracing", Ignored(LOGS)),
];

/// Judges every annotation key of an Ingress.
pub(crate) fn check_ingress(reader: &mut Reader<'_>) {
    for suffix in reader.suffixes(HALDANE).collect::<Vec<_>>() {
        check_own(reader, suffix, standing(suffix));
    }
    for suffix in reader.suffixes(NGINX).collect::<Vec<_>>() {
        check_nginx(reader, suffix);
    }
}

/// Judges every annotation key of a Service. What ingress-nginx calls its own has no meaning there.
pub(crate) fn check_service(reader: &mut Reader<'_>) {
    for suffix in reader.suffixes(HALDANE).collect::<Vec<_>>() {
        match standing(suffix) {
            Some(Shared | Ignored(_) | Refused(_)) => {
                refuse(
                    reader,
                    HALDANE,
                    suffix,
                    "belongs on an Ingress, not on a Service",
                );
            }
            standing => check_own(reader, suffix, standing),
        }
    }
}

fn check_own(reader: &mut Reader<'_>, suffix: &str, standing: Option<Standing>) {
    match standing {
        Some(Own | Ours | Shared) => {}
        Some(Rollout) => check_rollout(reader, suffix),
        Some(Ignored(reason)) => warn(reader, HALDANE, suffix, reason),
        Some(Refused(reason)) => refuse(reader, HALDANE, suffix, reason),
        None => refuse(reader, HALDANE, suffix, &unknown(suffix, |_| true)),
    }
}

/// Orders may stay when the rollout they were given for is not asked for any more.
fn check_rollout(reader: &mut Reader<'_>, suffix: &str) {
    let asked = reader.suffixes(HALDANE).any(|own| own == "rollout");
    if !asked && !ORDERS.contains(&suffix) {
        let message = format!("has no effect without {HALDANE}rollout beside it");
        warn(reader, HALDANE, suffix, &message);
    }
}

fn check_nginx(reader: &mut Reader<'_>, suffix: &str) {
    match standing(suffix) {
        Some(Shared) => check_twice(reader, suffix),
        Some(Ignored(reason)) => warn(reader, NGINX, suffix, reason),
        Some(Refused(reason)) => refuse(reader, NGINX, suffix, reason),
        Some(Own | Rollout | Ours) => {
            let message = format!("has no effect under this prefix: write {HALDANE}{suffix}");
            warn(reader, NGINX, suffix, &message);
        }
        None => check_unknown_nginx(reader, suffix),
    }
}

/// Harmless, unless it was to make the Ingress a canary: an ordinary one would take all requests.
fn check_unknown_nginx(reader: &mut Reader<'_>, suffix: &str) {
    let message = unknown(suffix, |standing| standing == Shared);
    match nearest(suffix, ["canary"]) {
        Some(_) => refuse(reader, NGINX, suffix, &message),
        None => warn(reader, NGINX, suffix, &message),
    }
}

fn check_twice(reader: &mut Reader<'_>, suffix: &str) {
    if reader.suffixes(HALDANE).any(|own| own == suffix) {
        warn(
            reader,
            NGINX,
            suffix,
            &format!("is overruled by {HALDANE}{suffix}"),
        );
    }
}

fn standing(suffix: &str) -> Option<Standing> {
    let known = KNOWN.iter().find(|(name, _)| *name == suffix);
    known
        .map(|(_, standing)| *standing)
        .or_else(|| is_match(suffix).then_some(Own))
}

fn unknown(suffix: &str, offered: impl Fn(Standing) -> bool) -> String {
    let offered = KNOWN
        .iter()
        .filter(|(_, standing)| offered(*standing))
        .map(|(name, _)| *name);
    match nearest(suffix, offered) {
        Some(near) => format!("is no annotation that Haldane knows; did you mean {near:?}?"),
        None => "is no annotation that Haldane knows".to_owned(),
    }
}

fn warn(reader: &mut Reader<'_>, prefix: &str, suffix: &str, message: &str) {
    let problem = reader
        .subject()
        .annotation(&format!("{prefix}{suffix}"))
        .warning(message);
    reader.push(problem);
}

fn refuse(reader: &mut Reader<'_>, prefix: &str, suffix: &str, message: &str) {
    let problem = reader
        .subject()
        .annotation(&format!("{prefix}{suffix}"))
        .error(message);
    reader.push(problem);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a document names the annotation as code.
    fn names(document: &str, suffix: &str) -> bool {
        document.contains(&format!("`{suffix}`"))
    }

    #[test]
    fn every_annotation_is_documented() {
        let reference = include_str!("../../../docs/annotations.md");
        let migration = include_str!("../../../docs/migrating-from-ingress-nginx.md");
        for (suffix, standing) in KNOWN {
            let document = match standing {
                Own | Shared | Rollout | Ours => reference,
                Ignored(_) | Refused(_) => migration,
            };
            assert!(names(document, suffix), "{suffix} is not documented");
        }
    }

    #[test]
    fn whatever_a_plan_is_read_from_is_known() {
        for suffix in haldane_rollout::plan::ANNOTATIONS {
            assert_eq!(standing(suffix), Some(Rollout), "{suffix}");
        }
    }

    #[test]
    fn every_annotation_is_known_once() {
        for (index, (suffix, _)) in KNOWN.iter().enumerate() {
            assert!(
                KNOWN[..index].iter().all(|(earlier, _)| earlier != suffix),
                "{suffix}"
            );
        }
    }
}

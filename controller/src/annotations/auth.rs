//! `auth-type` and `auth-secret` (a password), `auth-url` (another service decides).

use super::Reader;
use super::values::{header_names, header_value, method, one_of, url};
use crate::lookup::SecretsOf;
use crate::problem::Refused;
use haldane_routing::spec::{BasicAuthSpec, ExternalAuthSpec};

/// What a client is told where nothing is said.
const REALM: &str = "Authentication Required";

/// How many users one Secret may hold: its size bounds them, too.
const USERS_MAX: usize = 10_000;

/// How many headers of an answer may be copied.
const COPIED_MAX: usize = 64;

/// The parameter in which a sign-in page is told where to come back to.
const REDIRECT_PARAMETER: &str = "rd";

/// What `{url}` stands for is told in [`ExternalAuthSpec::sign_in`].
const ORIGINAL_URL: &str = "{url}";

/// What the request's host is called in an annotation.
const HOSTS: [&str; 2] = ["$http_host", "$host"];

/// How the passwords are laid out in their Secret.
#[derive(Clone, Copy)]
enum Layout {
    /// One htpasswd file under the key `auth`.
    File,
    /// A key for each user.
    Map,
}

/// A missing or broken Secret is a fault of the Ingress: it is never served without the password it asks for.
pub(crate) fn basic(reader: &mut Reader<'_>, secrets: &SecretsOf<'_>) -> Option<BasicAuthSpec> {
    let layouts = [("auth-file", Layout::File), ("auth-map", Layout::Map)];
    let layout = reader
        .shared("auth-secret-type", |text| one_of(text, &layouts))
        .unwrap_or(Layout::File);
    let realm = reader
        .shared("auth-realm", realm)
        .unwrap_or_else(|| REALM.to_owned());
    let users = reader.shared("auth-secret", |text| users(text, layout, secrets));
    let basic = reader.shared("auth-type", |text| one_of(text, &[("basic", ())]));
    match (reader.has("auth-type"), reader.has("auth-secret")) {
        (true, false) => {
            let message = "needs auth-secret beside it, which names the Secret with the passwords";
            reader.refuse("auth-type", message);
        }
        (false, true) => reader.warn("auth-secret", "has no effect without auth-type: basic"),
        _ => {}
    }
    basic.and(users).map(|users| BasicAuthSpec { realm, users })
}

/// RFC 9110, section 11.5: the realm is a quoted string.
fn realm(text: &str) -> Result<String, Refused> {
    match text.contains(['"', '\\']) {
        true => Refused::because(format!("{text:?} is not a realm: it holds '\"' or '\\'")),
        false => header_value(text),
    }
}

fn users(text: &str, layout: Layout, secrets: &SecretsOf<'_>) -> Result<Vec<String>, Refused> {
    let lines = match layout {
        Layout::File => file_lines(&secrets.text(text, "auth")?),
        Layout::Map => {
            let entries = secrets.entries(text)?;
            entries
                .into_iter()
                .map(|(user, hash)| format!("{user}:{}", hash.trim()))
                .collect()
        }
    };
    let is_entry = |line: &String| {
        line.split_once(':')
            .is_some_and(|(user, hash)| !user.is_empty() && !hash.is_empty())
    };
    // The lines hold password hashes: a fault is told by its number.
    match lines.iter().position(|line| !is_entry(line)) {
        Some(index) => Refused::because(format!(
            "entry {} of the Secret is not USER:HASH",
            index + 1
        )),
        None if lines.len() > USERS_MAX => {
            Refused::because(format!("the Secret holds more than {USERS_MAX} users"))
        }
        None if lines.is_empty() => Refused::because("the Secret holds no user"),
        None => Ok(lines),
    }
}

fn file_lines(text: &str) -> Vec<String> {
    let lines = text.lines().map(str::trim);
    lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(str::to_owned)
        .collect()
}

fn copied(text: &str) -> Result<Vec<String>, Refused> {
    match header_names(text)? {
        names if names.len() > COPIED_MAX => {
            Refused::because(format!("more than {COPIED_MAX} headers cannot be copied"))
        }
        names => match names.iter().find(|name| is_own(name)) {
            Some(own) => Refused::because(format!("{own:?} is written by the proxy itself")),
            None => Ok(names),
        },
    }
}

/// Whether a header is one of a single connection, of framing, or of routing, so that no other message may set it.
fn is_own(name: &str) -> bool {
    const OWN: [&str; 9] = [
        "connection",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ];
    OWN.contains(&name) || name.starts_with("proxy-")
}

/// `$host` stays in the URLs until [`for_host`].
pub(crate) fn external(reader: &mut Reader<'_>) -> Option<ExternalAuthSpec> {
    let parameter = reader.shared("auth-signin-redirect-param", parameter);
    let parameter = parameter.as_deref().unwrap_or(REDIRECT_PARAMETER);
    let sign_in = reader.shared("auth-signin", |text| sign_in(text, parameter));
    let method = reader.shared("auth-method", method);
    let response_headers = reader
        .shared("auth-response-headers", copied)
        .unwrap_or_default();
    let url = reader.shared("auth-url", template)?;
    Some(ExternalAuthSpec {
        url,
        method,
        sign_in,
        response_headers,
    })
}

/// The URLs with the host of a rule in place; `None` is a rule without one host of its own.
pub(crate) fn for_host(
    spec: &ExternalAuthSpec,
    host: Option<&str>,
) -> Result<ExternalAuthSpec, Refused> {
    let fill = |text: &str| match (HOSTS.iter().any(|variable| text.contains(variable)), host) {
        (false, _) => Ok(text.to_owned()),
        (true, Some(host)) => Ok(with_host(text, host)),
        (true, None) => Refused::because("holds $host, but this rule has no host of its own"),
    };
    Ok(ExternalAuthSpec {
        url: fill(&spec.url)?,
        sign_in: spec.sign_in.as_deref().map(fill).transpose()?,
        ..spec.clone()
    })
}

fn with_host(text: &str, host: &str) -> String {
    HOSTS.iter().fold(text.to_owned(), |text, variable| {
        text.replace(variable, host)
    })
}

/// A URL in which `$host` may stand for the host.
fn template(text: &str) -> Result<String, Refused> {
    let filled = with_host(text, "host.example");
    if filled.contains('$') {
        Refused::because(format!(
            "of nginx's variables only $host is known here, not those of {text:?}"
        ))
    } else {
        url(&filled).map(|_| text.to_owned())
    }
}

/// The name of a query parameter.
fn parameter(text: &str) -> Result<String, Refused> {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if text.bytes().all(known) {
        Ok(text.to_owned())
    } else {
        Refused::because(format!("{text:?} is not the name of a query parameter"))
    }
}

/// Whatever the parameter holds of the request's URL becomes the whole of it; where it is missing, it is added.
fn sign_in(text: &str, parameter: &str) -> Result<String, Refused> {
    let (base, query) = text.split_once('?').unwrap_or((text, ""));
    let given: Vec<_> = query.split('&').filter(|pair| !pair.is_empty()).collect();
    let name_of = |pair: &str| {
        pair.split_once('=')
            .map_or(pair, |(name, _)| name)
            .to_owned()
    };
    let mut pairs: Vec<String> = given
        .iter()
        .map(|pair| original_url(pair, name_of(pair) == parameter))
        .collect();
    if !given.iter().any(|pair| name_of(pair) == parameter) {
        pairs.push(format!("{parameter}={ORIGINAL_URL}"));
    }
    let whole = format!("{base}?{}", pairs.join("&"));
    template(&whole.replace(ORIGINAL_URL, "x"))?;
    Ok(whole)
}

fn original_url(pair: &str, is_redirect: bool) -> String {
    let name = pair.split_once('=').map_or(pair, |(name, _)| name);
    let asks = pair.contains("$escaped_request_uri") || pair.contains("$request_uri");
    if is_redirect && asks {
        format!("{name}={ORIGINAL_URL}")
    } else {
        pair.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sign_in_page_is_told_where_to_come_back_to() {
        let cases = [
            (
                "https://a.example/start",
                Some("https://a.example/start?rd={url}"),
            ),
            (
                "https://a.example/start?x=1",
                Some("https://a.example/start?x=1&rd={url}"),
            ),
            (
                "https://a.example/s?rd=$escaped_request_uri",
                Some("https://a.example/s?rd={url}"),
            ),
            (
                "https://a.example/s?rd=$scheme://$host$request_uri&y=2",
                Some("https://a.example/s?rd={url}&y=2"),
            ),
            ("https://$host/s?rd=/home", Some("https://$host/s?rd=/home")),
            ("https://a.example/s?u=$remote_user", None),
            ("ftp://a.example/s", None),
            ("/start", None),
        ];
        for (text, expected) in cases {
            assert_eq!(sign_in(text, "rd").ok().as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn the_host_is_filled_in_where_there_is_one() {
        let spec = ExternalAuthSpec {
            url: "https://$host/auth".to_owned(),
            ..ExternalAuthSpec::default()
        };
        let filled = for_host(&spec, Some("shop.example.com")).map(|spec| spec.url);
        assert_eq!(filled.as_deref(), Ok("https://shop.example.com/auth"));
        assert!(for_host(&spec, None).is_err());
    }
}

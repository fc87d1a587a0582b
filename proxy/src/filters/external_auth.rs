//! External authentication: another service is asked, by a request without body, whether a request may pass.
//!
//! Fails closed: whatever is not a clear yes refuses. Sends nothing itself; whoever calls says how.

use super::location::{Asked, location};
use bytes::Bytes;
use haldane_routing::filters::ExternalAuth;
use http::header::{
    self, HOST, HeaderMap, HeaderName, HeaderValue, LOCATION, SET_COOKIE, WWW_AUTHENTICATE,
};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Empty;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use std::time::Duration;

/// How long the service may take: long for a look-up, short of what browsers and load balancers wait for us.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(10);

/// Says the whole URL, as nginx's users have it.
const X_ORIGINAL_URL: HeaderName = HeaderName::from_static("x-original-url");
/// Says the method, as nginx's users have it.
const X_ORIGINAL_METHOD: HeaderName = HeaderName::from_static("x-original-method");
/// Says path and query, where oauth2-proxy looks for them.
const X_AUTH_REQUEST_REDIRECT: HeaderName = HeaderName::from_static("x-auth-request-redirect");
/// Says path and query, as Traefik's users have it.
const X_FORWARDED_URI: HeaderName = HeaderName::from_static("x-forwarded-uri");
/// Says the method, as Traefik's users have it.
const X_FORWARDED_METHOD: HeaderName = HeaderName::from_static("x-forwarded-method");

/// Fields that speak of the body or the resource asked for, neither of which the service gets.
const NOT_ASKED: [HeaderName; 12] = [
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::CONTENT_ENCODING,
    header::TRANSFER_ENCODING,
    header::TRAILER,
    header::EXPECT,
    header::RANGE,
    header::IF_RANGE,
    header::IF_MATCH,
    header::IF_NONE_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_UNMODIFIED_SINCE,
];

/// Fields that are never taken from the answer, whatever the rule names: they say where our own request to the upstream
/// goes and where it ends.
const NOT_COPIED: [HeaderName; 7] = [
    HOST,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::CONNECTION,
    header::UPGRADE,
    header::TE,
    header::TRAILER,
];

/// What becomes of a request.
#[derive(Debug)]
pub enum Verdict {
    /// It passes, with its headers changed as the rule says.
    Pass {
        /// Cookies that the service sets (it renews its session so); they go into the response.
        set_cookie: Vec<HeaderValue>,
    },
    /// The service said no: this is the client's answer, with an empty body.
    Refuse(Response<()>),
    /// Nobody can say.
    Unavailable(Unavailable),
}

/// Why there is no verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// The service could not be asked or broke off.
    #[error("the authentication service gave no answer")]
    NoAnswer,
    /// The service took longer than 10 s.
    #[error("the authentication service took too long")]
    TooSlow,
    /// The service's answer is neither yes nor no.
    #[error("the authentication service answered {0}")]
    Unexpected(StatusCode),
}

impl Unavailable {
    /// The client's answer: 503, or 500 for a service that answers nonsense (as ingress-nginx does).
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::NoAnswer | Self::TooSlow => StatusCode::SERVICE_UNAVAILABLE,
            Self::Unexpected(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

/// Asks the service about a request, and changes the request's headers if it may pass. `ask` sends the question;
/// no redirect may be followed.
pub async fn check<A, E>(
    auth: &ExternalAuth,
    method: &Method,
    headers: &mut HeaderMap,
    asked: Asked<'_>,
    ask: A,
) -> Verdict
where
    A: AsyncFnOnce(Request<Empty<Bytes>>) -> Result<Response<()>, E>,
{
    let question = question(auth, method, headers, asked);
    match tokio::time::timeout(ANSWER_TIME_MAX, ask(question)).await {
        Ok(Ok(answer)) => judge(auth, headers, asked, answer),
        Ok(Err(_)) => Verdict::Unavailable(Unavailable::NoAnswer),
        Err(_) => Verdict::Unavailable(Unavailable::TooSlow),
    }
}

/// The request's headers, without those that make no sense here, and what it was. Its method is `GET` where the rule
/// names none, as nginx has it: the service is asked for a word, not to do what the client wants done.
fn question(
    auth: &ExternalAuth,
    method: &Method,
    headers: &HeaderMap,
    asked: Asked<'_>,
) -> Request<Empty<Bytes>> {
    let mut question = Request::new(Empty::new());
    *question.method_mut() = auth.method().cloned().unwrap_or(Method::GET);
    *question.uri_mut() = auth.url().clone();
    let mut headers = headers.clone();
    for name in &NOT_ASKED {
        headers.remove(name);
    }
    let target = asked
        .uri
        .path_and_query()
        .map_or("/", |target| target.as_str());
    let method = HeaderValue::from_str(method.as_str()).expect("a method is a token");
    headers.insert(HOST, authority(auth));
    headers.insert(X_ORIGINAL_URL, location(&asked.url()));
    headers.insert(X_ORIGINAL_METHOD, method.clone());
    headers.insert(X_FORWARDED_METHOD, method);
    headers.insert(X_FORWARDED_URI, location(target));
    headers.insert(X_AUTH_REQUEST_REDIRECT, location(target));
    *question.headers_mut() = headers;
    question
}

fn authority(auth: &ExternalAuth) -> HeaderValue {
    let authority = auth
        .url()
        .authority()
        .map_or("", |authority| authority.as_str());
    let (_, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    HeaderValue::from_str(host).expect("an authority is visible ASCII")
}

fn judge(
    auth: &ExternalAuth,
    headers: &mut HeaderMap,
    asked: Asked<'_>,
    answer: Response<()>,
) -> Verdict {
    match answer.status() {
        status if status.is_success() => {
            copy(auth.response_headers(), answer.headers(), headers);
            let cookies = answer.headers().get_all(SET_COOKIE);
            Verdict::Pass {
                set_cookie: cookies.iter().cloned().collect(),
            }
        }
        StatusCode::UNAUTHORIZED => Verdict::Refuse(match auth.sign_in() {
            Some(sign_in) => redirect(sign_in, asked, answer.headers()),
            None => refusal(&answer),
        }),
        StatusCode::FORBIDDEN => Verdict::Refuse(refusal(&answer)),
        status => Verdict::Unavailable(Unavailable::Unexpected(status)),
    }
}

/// What the client sent under these names goes in any case: only the service speaks by them.
fn copy(names: &[HeaderName], answer: &HeaderMap, request: &mut HeaderMap) {
    for name in names.iter().filter(|name| !NOT_COPIED.contains(name)) {
        request.remove(name);
        append(request, name, answer);
    }
}

/// The service's no, with what the client needs to try again.
fn refusal(answer: &Response<()>) -> Response<()> {
    let mut response = Response::new(());
    *response.status_mut() = answer.status();
    for name in [WWW_AUTHENTICATE, SET_COOKIE] {
        append(response.headers_mut(), &name, answer.headers());
    }
    response
}

/// To the sign-in page, which is told where to come back to.
fn redirect(sign_in: &str, asked: Asked<'_>, answer: &HeaderMap) -> Response<()> {
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::FOUND;
    response
        .headers_mut()
        .insert(LOCATION, sign_in_url(sign_in, asked));
    append(response.headers_mut(), &SET_COOKIE, answer);
    response
}

fn sign_in_url(sign_in: &str, asked: Asked<'_>) -> HeaderValue {
    let back = utf8_percent_encode(&asked.url(), NON_ALPHANUMERIC).to_string();
    if sign_in.contains("{url}") {
        return location(&sign_in.replace("{url}", &back));
    }
    let separator = if sign_in.contains('?') { '&' } else { '?' };
    location(&format!("{sign_in}{separator}rd={back}"))
}

/// Takes over the lines of this name.
fn append(to: &mut HeaderMap, name: &HeaderName, from: &HeaderMap) {
    for value in from.get_all(name) {
        // Only a service that sends thousands of fields fills the map; what has no room is left out.
        let _ = to.try_append(name.clone(), value.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filters::built;
    use haldane_routing::Rule;
    use haldane_routing::spec::{ExternalAuthSpec, FiltersSpec};
    use http::Uri;
    use http::request::Parts;
    use std::cell::RefCell;
    use std::future::pending;
    use std::sync::Arc;

    fn spec() -> ExternalAuthSpec {
        ExternalAuthSpec {
            url: "http://auth.example:4180/check?strict=1".to_owned(),
            response_headers: ["X-User", "X-Groups", "Content-Length", "Host"]
                .map(str::to_owned)
                .into(),
            ..ExternalAuthSpec::default()
        }
    }

    fn rule(spec: ExternalAuthSpec) -> Arc<Rule> {
        built::filtered(FiltersSpec {
            external_auth: Some(spec),
            ..FiltersSpec::default()
        })
    }

    /// A request with these header lines.
    fn request(lines: &[(&str, &str)]) -> Parts {
        let mut request = Request::post("/cart?id=1").header("host", "shop.example");
        for (name, value) in lines {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn answer(status: u16, lines: &[(&str, &str)]) -> Response<()> {
        let mut answer = Response::builder().status(status);
        for (name, value) in lines {
            answer = answer.header(*name, *value);
        }
        answer.body(()).unwrap()
    }

    fn lines(headers: &HeaderMap) -> Vec<String> {
        let line = |(name, value): (&HeaderName, &HeaderValue)| {
            format!("{name}: {}", value.to_str().unwrap())
        };
        let mut lines: Vec<_> = headers.iter().map(line).collect();
        lines.sort();
        lines
    }

    fn asked(https: bool, port: Option<u16>, uri: &Uri) -> Asked<'_> {
        Asked {
            https,
            host: "shop.example",
            port,
            uri,
        }
    }

    /// Asks the service that `ask` stands for, by https and without a port.
    async fn checked<A>(spec: ExternalAuthSpec, parts: &mut Parts, ask: A) -> Verdict
    where
        A: AsyncFnOnce(Request<Empty<Bytes>>) -> Result<Response<()>, ()>,
    {
        let rule = rule(spec);
        let auth = rule.filters().external_auth().unwrap();
        check(
            auth,
            &parts.method,
            &mut parts.headers,
            asked(true, None, &parts.uri),
            ask,
        )
        .await
    }

    /// What becomes of a request when the service answers so.
    async fn verdict(
        spec: ExternalAuthSpec,
        parts: &mut Parts,
        answer: Result<Response<()>, ()>,
    ) -> Verdict {
        checked(spec, parts, async |_| answer).await
    }

    #[tokio::test]
    async fn what_is_asked() {
        let mut parts = request(&[
            ("authorization", "Bearer token"),
            ("cookie", "session=1"),
            ("content-length", "5"),
            ("content-type", "text/plain"),
            ("if-none-match", "*"),
            ("range", "bytes=0-"),
            ("x-original-url", "https://forged.example/"),
            ("x-original-method", "FORGED"),
            ("x-forwarded-uri", "/forged"),
            ("x-forwarded-for", "192.0.2.1"),
        ]);
        let question = RefCell::new(None);
        let ask = async |asked| {
            *question.borrow_mut() = Some(asked);
            Err(())
        };
        checked(spec(), &mut parts, ask).await;
        let question = question.into_inner().expect("a question");
        assert_eq!(*question.method(), Method::GET);
        assert_eq!(*question.uri(), "http://auth.example:4180/check?strict=1");
        let expected = [
            "authorization: Bearer token",
            "cookie: session=1",
            "host: auth.example:4180",
            "x-auth-request-redirect: /cart?id=1",
            "x-forwarded-for: 192.0.2.1",
            "x-forwarded-method: POST",
            "x-forwarded-uri: /cart?id=1",
            "x-original-method: POST",
            "x-original-url: https://shop.example/cart?id=1",
        ];
        assert_eq!(lines(question.headers()), expected);
    }

    #[tokio::test]
    async fn a_yes_passes_and_speaks_for_the_client() {
        let mut parts = request(&[
            ("x-user", "forged"),
            ("x-groups", "forged"),
            ("x-other", "kept"),
            ("content-length", "5"),
        ]);
        let yes = answer(
            204,
            &[
                ("x-user", "alice"),
                ("x-secret", "not asked for"),
                ("content-length", "9"),
                ("host", "evil"),
                ("set-cookie", "a=1"),
                ("set-cookie", "b=2"),
            ],
        );
        let Verdict::Pass { set_cookie } = verdict(spec(), &mut parts, Ok(yes)).await else {
            panic!("refused");
        };
        assert_eq!(set_cookie, ["a=1", "b=2"]);
        let expected = [
            "content-length: 5",
            "host: shop.example",
            "x-other: kept",
            "x-user: alice",
        ];
        assert_eq!(lines(&parts.headers), expected);
    }

    #[tokio::test]
    async fn a_no_goes_to_the_client() {
        const BACK: &str = "https%3A%2F%2Fshop%2Eexample%2Fcart%3Fid%3D1";
        let to = |base: &str| format!("302 location: {base}{BACK}");
        // sign-in page, status, the answer's headers, expected
        type SignIn<'a> = Option<&'a str>;
        type Lines<'a> = &'a [(&'a str, &'a str)];
        #[rustfmt::skip]
        let cases: &[(SignIn, u16, Lines, String)] = &[
            (None, 401, &[("www-authenticate", "Bearer"), ("x-other", "a")], "401 www-authenticate: Bearer".to_owned()),
            (None, 401, &[], "401 ".to_owned()),
            (None, 403, &[("set-cookie", "a=; Max-Age=0"), ("content-length", "9")], "403 set-cookie: a=; Max-Age=0".to_owned()),
            (Some("https://in.example/a"), 401, &[("www-authenticate", "Bearer")], to("https://in.example/a?rd=")),
            (Some("https://in.example/a?b=c"), 401, &[], to("https://in.example/a?b=c&rd=")),
            (Some("https://in.example/a?back={url}"), 401, &[], to("https://in.example/a?back=")),
            (Some("https://in.example/a"), 401, &[("set-cookie", "a=1")], to("https://in.example/a?rd=") + " set-cookie: a=1"),
            (Some("https://in.example/a"), 403, &[], "403 ".to_owned()),
        ];
        for (sign_in, status, headers, expected) in cases {
            let spec = ExternalAuthSpec {
                sign_in: sign_in.map(str::to_owned),
                ..spec()
            };
            let Verdict::Refuse(response) =
                verdict(spec, &mut request(&[]), Ok(answer(*status, headers))).await
            else {
                panic!("{sign_in:?} {status}");
            };
            let shown = format!(
                "{} {}",
                response.status().as_u16(),
                lines(response.headers()).join(" ")
            );
            assert_eq!(shown, *expected, "{sign_in:?} {status}");
        }
    }

    #[tokio::test]
    async fn anything_else_is_no_yes() {
        use Unavailable::{NoAnswer, Unexpected};
        let unexpected = |status| Unexpected(StatusCode::from_u16(status).unwrap());
        let cases = [
            (Err(()), NoAnswer, 503),
            (Ok(answer(302, &[("location", "/")])), unexpected(302), 500),
            (Ok(answer(304, &[])), unexpected(304), 500),
            (Ok(answer(404, &[])), unexpected(404), 500),
            (Ok(answer(500, &[])), unexpected(500), 500),
            (Ok(answer(100, &[])), unexpected(100), 500),
        ];
        for (answer, expected, status) in cases {
            let Verdict::Unavailable(unavailable) =
                verdict(spec(), &mut request(&[]), answer).await
            else {
                panic!("{expected} passed");
            };
            assert_eq!(unavailable, expected);
            assert_eq!(unavailable.status(), status, "{expected}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_service_that_never_answers_is_given_up() {
        let verdict = checked(spec(), &mut request(&[]), async |_| pending().await).await;
        assert!(matches!(
            verdict,
            Verdict::Unavailable(Unavailable::TooSlow)
        ));
    }

    #[test]
    fn the_rule_may_name_the_method() {
        let rule = rule(ExternalAuthSpec {
            method: Some("HEAD".to_owned()),
            ..spec()
        });
        let auth = rule.filters().external_auth().unwrap();
        let parts = request(&[]);
        let question = question(
            auth,
            &parts.method,
            &parts.headers,
            asked(false, Some(8080), &parts.uri),
        );
        assert_eq!(*question.method(), Method::HEAD);
        assert_eq!(
            question.headers()[X_ORIGINAL_URL],
            "http://shop.example:8080/cart?id=1"
        );
    }
}

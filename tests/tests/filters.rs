//! One case for each thing an annotation lets through, turns away or changes, end to end.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use haldane_tests::backend::{Backend, handler, whole};
use haldane_tests::client::{Answer, Body, Client, get, get_with};
use haldane_tests::manifests::{Manifests, SHOP, ingress, ingress_at, pod, secret, service};
use haldane_tests::serve::Serve;
use http::{Method, Request, Response};
use serde_json::Value;
use std::io;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// An Ingress with annotations before a backend that answers `web`.
struct Guarded {
    serve: Serve,
    web: Backend,
    _manifests: Manifests,
}

impl Guarded {
    async fn by(annotations: &[(&str, &str)]) -> anyhow::Result<Self> {
        Self::with(ingress("web", annotations, SHOP, "web"), &[]).await
    }

    async fn with(ingress: Value, more: &[Value]) -> anyhow::Result<Self> {
        let web = Backend::start("web").await?;
        let mut objects = vec![
            service("web", &[]),
            ingress,
            pod("web", "1.0", web.address()),
        ];
        objects.extend_from_slice(more);
        let manifests = Manifests::of(&objects)?;
        Ok(Self {
            serve: Serve::start(manifests.path()).await?,
            web,
            _manifests: manifests,
        })
    }

    async fn ask(&self, request: Request<Body>) -> anyhow::Result<Answer> {
        Client::h1(self.serve.http).await?.ask(request).await
    }

    async fn status(&self, headers: &[(&str, &str)]) -> anyhow::Result<u16> {
        Ok(self
            .ask(get_with(SHOP, "/", headers))
            .await?
            .status
            .as_u16())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_are_allowed_and_denied() -> anyhow::Result<()> {
    // the annotation, the status from 127.0.0.1
    let cases = [
        (("haldane.dev/allowlist-source-range", "127.0.0.0/8"), 200),
        (("haldane.dev/allowlist-source-range", "10.0.0.0/8"), 403),
        (("haldane.dev/denylist-source-range", "127.0.0.1"), 403),
        (
            (
                "nginx.ingress.kubernetes.io/whitelist-source-range",
                "10.0.0.0/8",
            ),
            403,
        ),
    ];
    for (annotation, status) in cases {
        let guarded = Guarded::by(&[annotation]).await?;
        assert_eq!(guarded.status(&[]).await?, status, "{annotation:?}");
        assert_eq!(guarded.web.requests(), u64::from(status == 200));
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_beyond_its_rate_is_turned_away() -> anyhow::Result<()> {
    let annotations = [
        ("haldane.dev/limit-rpm", "1"),
        ("haldane.dev/limit-burst-multiplier", "3"),
    ];
    let guarded = Guarded::by(&annotations).await?;
    let mut statuses = Vec::new();
    for _ in 0..10 {
        statuses.push(guarded.status(&[]).await?);
    }
    let passed = statuses.iter().filter(|status| **status == 200).count();
    assert!((1..=4).contains(&passed), "{statuses:?}");
    assert_eq!(statuses.last(), Some(&503), "{statuses:?}");
    assert_eq!(guarded.web.requests(), passed as u64);
    Ok(())
}

/// `sesame` as `htpasswd -s` stores it.
const USERS: &str = "ali:{SHA}CEo1Ae3vaEXy8eQZjsOiuBz1xrw=";

#[tokio::test(flavor = "multi_thread")]
async fn a_password_opens() -> anyhow::Result<()> {
    let annotations = [
        ("haldane.dev/auth-type", "basic"),
        ("haldane.dev/auth-secret", "users"),
        ("haldane.dev/auth-realm", "the cave"),
    ];
    let users = secret("users", "Opaque", &[("auth", USERS)]);
    let guarded = Guarded::with(ingress("web", &annotations, SHOP, "web"), &[users]).await?;
    let basic = |credentials: &str| format!("Basic {}", BASE64_STANDARD.encode(credentials));
    // what is sent, the status
    let cases = [
        (None, 401),
        (Some(basic("ali:wrong")), 401),
        (Some(basic("bob:sesame")), 401),
        (Some("Bearer sesame".to_owned()), 401),
        (Some(basic("ali:sesame")), 200),
    ];
    for (sent, status) in cases {
        let headers: Vec<_> = sent
            .iter()
            .map(|value| ("authorization", value.as_str()))
            .collect();
        let answer = guarded.ask(get_with(SHOP, "/", &headers)).await?;
        assert_eq!(answer.status, status, "{sent:?}");
        let asked = if status == 401 {
            "Basic realm=\"the cave\""
        } else {
            ""
        };
        assert!(
            answer.header("www-authenticate").starts_with(asked),
            "{answer:?}"
        );
    }
    assert_eq!(guarded.web.requests(), 1);
    Ok(())
}

/// Lets in whoever knows the word, and says who it is.
async fn doorkeeper(request: Request<hyper::body::Incoming>) -> Response<Body> {
    let mut response = Response::new(whole(""));
    match request.headers().get("x-word") {
        Some(word) if word == "sesame" => {
            response
                .headers_mut()
                .insert("x-user", "ali".parse().expect("a valid value"));
        }
        _ => *response.status_mut() = http::StatusCode::UNAUTHORIZED,
    }
    response
}

#[tokio::test(flavor = "multi_thread")]
async fn another_service_decides() -> anyhow::Result<()> {
    let door = Backend::with(handler(doorkeeper)).await?;
    let url = format!("http://{}/check", door.address());
    let annotations = [
        ("haldane.dev/auth-url", &*url),
        ("haldane.dev/auth-response-headers", "X-User"),
    ];
    let guarded = Guarded::by(&annotations).await?;
    assert_eq!(guarded.status(&[]).await?, 401);
    assert_eq!(guarded.web.requests(), 0);
    assert_eq!(
        guarded
            .status(&[("x-word", "sesame"), ("x-user", "mallory")])
            .await?,
        200
    );
    assert_eq!(
        guarded.web.last().expect("a request").header("x-user"),
        "ali"
    );
    assert_eq!(door.last().expect("a question").uri.path(), "/check");
    Ok(())
}

/// Answers the first question on each connection, and closes when the second is there.
async fn forgetful(listener: TcpListener) -> io::Result<()> {
    loop {
        let (mut stream, _) = listener.accept().await?;
        tokio::spawn(async move {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                if stream.read_buf(&mut head).await? == 0 {
                    return Ok(());
                }
            }
            stream
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                .await?;
            stream.read_buf(&mut head).await?;
            io::Result::Ok(())
        });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_closes_an_idle_connection_is_asked_once_more() -> anyhow::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/", listener.local_addr()?);
    tokio::spawn(forgetful(listener));
    let guarded = Guarded::by(&[("haldane.dev/auth-url", &url)]).await?;
    let mut client = Client::h1(guarded.serve.http).await?;
    for turn in 0..3 {
        client.ready().await?;
        assert_eq!(client.get(SHOP, "/").await?.status, 200, "question {turn}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_passes_when_the_deciding_service_is_gone() -> anyhow::Result<()> {
    let gone = tokio::net::TcpSocket::new_v4()?;
    gone.bind("127.0.0.1:0".parse()?)?;
    let url = format!("http://{}/", gone.local_addr()?);
    let guarded = Guarded::by(&[("haldane.dev/auth-url", &url)]).await?;
    assert!(guarded.status(&[]).await? >= 500);
    assert_eq!(guarded.web.requests(), 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preflight_is_answered_for_the_backend() -> anyhow::Result<()> {
    let annotations = [
        ("haldane.dev/enable-cors", "true"),
        ("haldane.dev/cors-allow-origin", "https://app.example.com"),
        ("haldane.dev/cors-allow-methods", "GET, PUT"),
    ];
    let guarded = Guarded::by(&annotations).await?;
    let asking = [
        ("origin", "https://app.example.com"),
        ("access-control-request-method", "PUT"),
    ];
    let mut preflight = get_with(SHOP, "/", &asking);
    *preflight.method_mut() = Method::OPTIONS;
    let answer = guarded.ask(preflight).await?;
    assert!(answer.status.is_success(), "{answer:?}");
    assert_eq!(
        answer.header("access-control-allow-origin"),
        "https://app.example.com"
    );
    assert!(
        answer
            .header("access-control-allow-methods")
            .contains("PUT"),
        "{answer:?}"
    );
    assert_eq!(guarded.web.requests(), 0);
    let answer = guarded.ask(get_with(SHOP, "/", &asking[..1])).await?;
    assert_eq!(
        answer.header("access-control-allow-origin"),
        "https://app.example.com"
    );
    let answer = guarded
        .ask(get_with(
            SHOP,
            "/",
            &[("origin", "https://evil.example.com")],
        ))
        .await?;
    assert_eq!(answer.header("access-control-allow-origin"), "");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn redirects_lead_elsewhere() -> anyhow::Result<()> {
    // the annotation, the path asked for, status and location
    let cases = [
        (
            (
                "haldane.dev/permanent-redirect",
                "https://new.example.com/x",
            ),
            "/",
            301,
            "https://new.example.com/x",
        ),
        (
            (
                "haldane.dev/temporal-redirect",
                "https://new.example.com$request_uri",
            ),
            "/a?b=c",
            302,
            "https://new.example.com/a?b=c",
        ),
        (
            ("haldane.dev/app-root", "/home"),
            "/",
            302,
            "http://shop.example.com/home",
        ),
        (
            ("haldane.dev/force-ssl-redirect", "true"),
            "/a?b=c",
            308,
            "https://shop.example.com/a?b=c",
        ),
    ];
    for (annotation, path, status, location) in cases {
        let guarded = Guarded::by(&[annotation]).await?;
        let answer = guarded.ask(get(SHOP, path)).await?;
        assert_eq!(
            (answer.status.as_u16(), answer.header("location")),
            (status, location),
            "{annotation:?}"
        );
        assert_eq!(guarded.web.requests(), 0);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_is_rewritten() -> anyhow::Result<()> {
    let annotations = [
        ("haldane.dev/use-regex", "true"),
        ("haldane.dev/rewrite-target", "/$1"),
    ];
    let place = ("/api/(.*)", "ImplementationSpecific");
    let guarded = Guarded::with(ingress_at("web", &annotations, SHOP, place, "web"), &[]).await?;
    assert_eq!(guarded.ask(get(SHOP, "/api/cart?id=1")).await?.status, 200);
    assert_eq!(guarded.web.last().expect("a request").uri, "/cart?id=1");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_has_a_limit() -> anyhow::Result<()> {
    let guarded = Guarded::by(&[("haldane.dev/proxy-body-size", "1k")]).await?;
    // bytes, the status
    for (bytes, status) in [(1024, 200), (1025, 413)] {
        let mut request = get(SHOP, "/").map(|_| whole(Bytes::from(vec![b'x'; bytes])));
        *request.method_mut() = Method::POST;
        assert_eq!(guarded.ask(request).await?.status, status, "{bytes} bytes");
    }
    assert_eq!(guarded.web.requests(), 1);
    Ok(())
}

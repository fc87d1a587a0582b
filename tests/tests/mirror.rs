//! Which requests are copied to another version.

use haldane_tests::backend::{Backend, whole};
use haldane_tests::client::{Client, get};
use haldane_tests::manifests::{Manifests, SHOP, ingress, pod, service};
use haldane_tests::serve::Serve;
use http::Method;

/// How a client asks.
#[derive(Clone, Copy, Debug)]
enum Asks {
    Http1,
    Http2,
}

impl Asks {
    async fn client(self, serve: &Serve) -> anyhow::Result<Client> {
        match self {
            Self::Http1 => Client::h1(serve.http).await,
            Self::Http2 => Client::h2(serve.http).await,
        }
    }
}

/// Copies of one request with this body, or none, to a version that gets all of them and nothing else.
async fn copies(asks: Asks, body: Option<&'static str>, buffering: &str) -> anyhow::Result<f64> {
    let (stable, shadow) = (
        Backend::start("stable").await?,
        Backend::start("shadow").await?,
    );
    let annotations = [
        ("haldane.dev/weights", "stable=1, shadow=0"),
        ("haldane.dev/mirror", "shadow=100%"),
    ];
    let buffering = [("haldane.dev/proxy-request-buffering", buffering)];
    let manifests = Manifests::of(&[
        service("web", &annotations),
        ingress("web", &buffering, SHOP, "web"),
        pod("web", "stable", stable.address()),
        pod("web", "shadow", shadow.address()),
    ])?;
    let serve = Serve::start(manifests.path()).await?;
    let mut request = get(SHOP, "/");
    if let Some(body) = body {
        *request.method_mut() = Method::POST;
        *request.body_mut() = whole(body);
    }
    let answer = asks.client(&serve).await?.ask(request).await?;
    assert_eq!(answer.text(), "stable");
    Ok(serve.metrics().await?.sum("haldane_mirrored_total", &[]))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_no_body_or_was_read_whole_is_copied() -> anyhow::Result<()> {
    // the body, whether it is read whole first, copies
    let cases = [
        (None, "off", 1.0),
        (Some("hello"), "off", 0.0),
        (Some("hello"), "on", 1.0),
    ];
    for asks in [Asks::Http1, Asks::Http2] {
        for (body, buffering, expected) in cases {
            let seen = copies(asks, body, buffering).await?;
            assert_eq!(seen, expected, "{asks:?}, {body:?}, {buffering}");
        }
    }
    Ok(())
}

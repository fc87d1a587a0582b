//! HTTP/1.1 and HTTP/2 on either side, in clear and over TLS, with hyper and rustls.

use ::http::{Method, Version};
use haldane_tests::backend::{Backend, filler, naming};
use haldane_tests::client::{Client, get};
use haldane_tests::manifests::{
    Manifests, SHOP, ingress, pod, secret, service, speaking, with_certificate,
};
use haldane_tests::serve::Serve;
use haldane_tests::shop::front_page;
use haldane_tests::tls::Certificate;
use serde_json::Value;

fn certified(certificate: &Certificate, backend: &Backend) -> [Value; 4] {
    let entries = [
        ("tls.crt", &*certificate.pem()),
        ("tls.key", &*certificate.key_pem()),
    ];
    [
        service("web", &[]),
        with_certificate(ingress("web", &[], SHOP, "web"), SHOP, "shop-tls"),
        secret("shop-tls", "kubernetes.io/tls", &entries),
        pod("web", "1.0", backend.address()),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_chooses_the_protocol_by_alpn() -> anyhow::Result<()> {
    let (certificate, backend) = (Certificate::of(SHOP)?, Backend::start("web").await?);
    let manifests = Manifests::of(&certified(&certificate, &backend))?;
    let serve = Serve::start_with(manifests.path(), &["--https", "127.0.0.1:0"]).await?;
    let https = serve.https.expect("https was asked for");
    // what the client offers, what is spoken
    let cases: [(&[&str], &str); 4] = [
        (&["h2", "http/1.1"], "h2"),
        (&["http/1.1"], "http/1.1"),
        (&["h2"], "h2"),
        (&[], ""),
    ];
    for (offered, expected) in cases {
        let (mut client, chosen) = certificate.client(https, offered).await?;
        assert_eq!(chosen, expected, "{offered:?}");
        let answer = client.ask(front_page()).await?;
        assert_eq!(
            (answer.status.as_u16(), answer.text().as_str()),
            (200, "web"),
            "{offered:?}"
        );
        assert_eq!(
            backend
                .last()
                .expect("a request")
                .header("x-forwarded-proto"),
            "https"
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_with_a_certificate_redirects_to_https() -> anyhow::Result<()> {
    let (certificate, backend) = (Certificate::of(SHOP)?, Backend::start("web").await?);
    let manifests = Manifests::of(&certified(&certificate, &backend))?;
    let serve = Serve::start_with(manifests.path(), &["--https", "127.0.0.1:0"]).await?;
    let port = serve.https.expect("https was asked for").port();
    let answer = Client::h1(serve.http)
        .await?
        .get(SHOP, "/cart?id=1")
        .await?;
    assert_eq!(answer.status, 308);
    assert_eq!(
        answer.header("location"),
        format!("https://{SHOP}:{port}/cart?id=1")
    );
    assert_eq!(backend.requests(), 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_certificate_is_shown_to_the_next_client() -> anyhow::Result<()> {
    let (old, new, backend) = (
        Certificate::of(SHOP)?,
        Certificate::of(SHOP)?,
        Backend::start("web").await?,
    );
    let manifests = Manifests::of(&certified(&old, &backend))?;
    let serve = Serve::start_with(manifests.path(), &["--https", "127.0.0.1:0"]).await?;
    let https = serve.https.expect("https was asked for");
    let (mut kept, _) = old.client(https, &["h2"]).await?;
    let mark = serve.mark();
    manifests.write_objects("objects.json", &certified(&new, &backend))?;
    serve.generation_after(mark).await?;
    assert!(
        old.client(https, &["h2"]).await.is_err(),
        "the old certificate is gone"
    );
    let (mut client, _) = new.client(https, &["h2"]).await?;
    assert_eq!(client.ask(front_page()).await?.status, 200);
    assert_eq!(
        kept.ask(front_page()).await?.status,
        200,
        "a connection outlives its certificate"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn either_version_in_clear_reaches_either_kind_of_backend() -> anyhow::Result<()> {
    let (plain, h2c) = (Backend::start("plain").await?, Backend::start("h2c").await?);
    let manifests = Manifests::of(&[
        service("plain", &[]),
        ingress("plain", &[], "plain.example.com", "plain"),
        pod("plain", "1.0", plain.address()),
        speaking(service("h2c", &[]), "kubernetes.io/h2c"),
        ingress("h2c", &[], "h2c.example.com", "h2c"),
        pod("h2c", "1.0", h2c.address()),
    ])?;
    let serve = Serve::start(manifests.path()).await?;
    let backends = [
        ("plain.example.com", &plain, Version::HTTP_11),
        ("h2c.example.com", &h2c, Version::HTTP_2),
    ];
    for (host, backend, version) in backends {
        for mut client in [Client::h1(serve.http).await?, Client::h2(serve.http).await?] {
            assert_eq!(client.get(host, "/").await?.status, 200, "{host}");
            assert_eq!(backend.last().expect("a request").version, version);
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_is_spoken_to_over_tls_where_its_annotation_says_so() -> anyhow::Result<()> {
    let certificate = Certificate::of("backend.example.com")?;
    let h1 = Backend::over_tls(naming("https"), certificate.acceptor(&["http/1.1"])?).await?;
    let h2 = Backend::over_tls(naming("grpcs"), certificate.acceptor(&["h2"])?).await?;
    let manifests = Manifests::of(&[
        service("h1", &[]),
        ingress(
            "h1",
            &[("haldane.dev/backend-protocol", "HTTPS")],
            "h1.example.com",
            "h1",
        ),
        pod("h1", "1.0", h1.address()),
        service("h2", &[]),
        ingress(
            "h2",
            &[("haldane.dev/backend-protocol", "GRPCS")],
            "h2.example.com",
            "h2",
        ),
        pod("h2", "1.0", h2.address()),
    ])?;
    let serve = Serve::start(manifests.path()).await?;
    let mut client = Client::h1(serve.http).await?;
    for (host, backend, version) in [
        ("h1.example.com", h1, Version::HTTP_11),
        ("h2.example.com", h2, Version::HTTP_2),
    ] {
        client.ready().await?;
        assert_eq!(client.get(host, "/").await?.status, 200, "{host}");
        assert_eq!(backend.last().expect("a request").version, version);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backends_certificate_is_verified_where_its_annotation_says_so() -> anyhow::Result<()> {
    let (known, stranger) = (
        Certificate::of("backend.example.com")?,
        Certificate::of("backend.example.com")?,
    );
    let good = Backend::over_tls(naming("good"), known.acceptor(&[])?).await?;
    let bad = Backend::over_tls(naming("bad"), stranger.acceptor(&[])?).await?;
    let annotations = [
        ("haldane.dev/backend-protocol", "HTTPS"),
        ("haldane.dev/proxy-ssl-verify", "on"),
        ("haldane.dev/proxy-ssl-name", "backend.example.com"),
        ("haldane.dev/proxy-ssl-secret", "shop/authority"),
    ];
    let mut objects = vec![secret("authority", "Opaque", &[("ca.crt", &known.pem())])];
    for (name, host, backend) in [
        ("good", "good.example.com", &good),
        ("bad", "bad.example.com", &bad),
    ] {
        objects.extend([
            service(name, &[]),
            ingress(name, &annotations, host, name),
            pod(name, "1.0", backend.address()),
        ]);
    }
    let manifests = Manifests::of(&objects)?;
    let serve = Serve::start(manifests.path()).await?;
    let mut client = Client::h1(serve.http).await?;
    assert_eq!(client.get("good.example.com", "/").await?.text(), "good");
    client.ready().await?;
    assert_eq!(client.get("bad.example.com", "/").await?.status, 502);
    assert_eq!(bad.requests(), 0);
    Ok(())
}

/// What an HTTP/2 backend is told of the length of a body that came without one.
async fn length_told(buffering: &str) -> anyhow::Result<String> {
    let backend = Backend::start("h2c").await?;
    let buffering = [("haldane.dev/proxy-request-buffering", buffering)];
    let manifests = Manifests::of(&[
        speaking(service("web", &[]), "kubernetes.io/h2c"),
        ingress("web", &buffering, SHOP, "web"),
        pod("web", "1.0", backend.address()),
    ])?;
    let serve = Serve::start(manifests.path()).await?;
    let mut request = get(SHOP, "/");
    *request.method_mut() = Method::POST;
    *request.body_mut() = filler(5);
    Client::h2(serve.http).await?.ask(request).await?;
    let seen = backend.last().expect("it was asked");
    Ok(seen.header("content-length").to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_length_is_told_where_the_rule_waits_for_the_whole_body() -> anyhow::Result<()> {
    assert_eq!(length_told("on").await?, "5");
    assert_eq!(length_told("off").await?, "");
    Ok(())
}

//! TLS as clients meet it: who is let in, under which name, and how a connection ends.

use bytes::Bytes;
use haldane_tests::backend::{Backend, Handler, handler, naming, whole};
use haldane_tests::client::{Client, connect, get};
use haldane_tests::manifests::{Manifests, ingress, pod, secret, service, with_certificate};
use haldane_tests::serve::Serve;
use haldane_tests::tls::Certificate;
use haldane_tests::within;
use http::Response;
use http_body_util::BodyExt as _;
use rustls::HandshakeKind;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::watch;
use tokio_rustls::TlsConnector;

const ONE: &str = "one.example.com";
const OTHER: &str = "other.example.com";

/// Two hosts with a certificate each.
struct Hosts {
    one: Certificate,
    other: Certificate,
    https: SocketAddr,
    _serve: Serve,
    _backend: Backend,
    _manifests: Manifests,
}

impl Hosts {
    async fn start(handler: Handler, flags: &[&str]) -> anyhow::Result<Self> {
        let backend = Backend::with(handler).await?;
        let (one, other) = (Certificate::of(ONE)?, Certificate::of(OTHER)?);
        let mut objects = vec![service("web", &[]), pod("web", "1.0", backend.address())];
        for (name, host, certificate) in [("one", ONE, &one), ("other", OTHER, &other)] {
            let (chain, key) = (certificate.pem(), certificate.key_pem());
            let pair = [("tls.crt", &*chain), ("tls.key", &*key)];
            objects.push(secret(name, "kubernetes.io/tls", &pair));
            let ingress = ingress(name, &[], host, "web");
            objects.push(with_certificate(ingress, host, name));
        }
        let manifests = Manifests::of(&objects)?;
        let flags = [&["--workers", "1", "--https", "127.0.0.1:0"], flags].concat();
        let serve = Serve::start_with(manifests.path(), &flags).await?;
        Ok(Self {
            one,
            other,
            https: serve.https.expect("https was asked for"),
            _serve: serve,
            _backend: backend,
            _manifests: manifests,
        })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_for_the_name_it_was_made_for() -> anyhow::Result<()> {
    let hosts = Hosts::start(naming("web"), &[]).await?;
    for protocol in ["http/1.1", "h2"] {
        // the name in the handshake, the host that is asked for, the status
        let cases = [
            (&hosts.one, ONE, 200),
            (&hosts.one, OTHER, 421),
            (&hosts.other, OTHER, 200),
            (&hosts.other, "nobody.example.com", 421),
        ];
        for (certificate, host, status) in cases {
            let (mut client, _) = certificate.client(hosts.https, &[protocol]).await?;
            let answer = client.get(host, "/").await?;
            assert_eq!(answer.status, status, "{protocol} {host}");
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_for_an_unknown_name_or_protocol_is_told_no() -> anyhow::Result<()> {
    let hosts = Hosts::start(naming("web"), &[]).await?;
    let stranger = Certificate::of("nobody.example.com")?;
    // who asks for which protocol
    let cases = [(&stranger, "h2"), (&hosts.one, "spdy/3")];
    for (certificate, protocol) in cases {
        let refused = certificate.connect(hosts.https, &[protocol]).await;
        let told = format!("{:#}", refused.expect_err("no handshake"));
        assert!(told.contains("alert"), "{protocol}: {told}");
    }
    Ok(())
}

/// How a client begins a handshake that it does not go on with.
const HALVES: [&[u8]; 3] = [b"", b"\x16", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc"];

#[tokio::test(flavor = "multi_thread")]
async fn handshakes_that_do_not_go_on_keep_nobody_waiting() -> anyhow::Result<()> {
    let hosts = Hosts::start(naming("web"), &["--head-timeout", "600"]).await?;
    let mut open = Vec::new();
    for half in HALVES.iter().cycle().take(60) {
        let mut stream = connect(hosts.https).await?;
        stream.write_all(half).await?;
        open.push(stream);
    }
    let (mut client, _) = hosts.one.client(hosts.https, &["h2"]).await?;
    assert_eq!(client.get(ONE, "/").await?.status, 200);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_an_answer_is_told_in_tls_too() -> anyhow::Result<()> {
    let hosts = Hosts::start(naming("web"), &[]).await?;
    let mut stream = hosts.one.connect(hosts.https, &["http/1.1"]).await?;
    let request = format!("GET / HTTP/1.1\r\nHost: {ONE}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    // Without a `close_notify` this is an error.
    within("the end", stream.read_to_string(&mut answer)).await??;
    assert!(answer.ends_with("\r\n\r\nweb"), "{answer}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_cut_is_cut_behind_us_too() -> anyhow::Result<()> {
    let (told, mut wholes) = watch::channel(None);
    let noting = handler(move |request| {
        let told = told.clone();
        async move {
            let body = request.into_body().collect().await;
            told.send_replace(Some(body.is_ok()));
            Response::new(whole(Bytes::new()))
        }
    });
    let hosts = Hosts::start(noting, &[]).await?;
    for framing in ["Content-Length: 9", "Transfer-Encoding: chunked"] {
        wholes.mark_unchanged();
        let mut stream = hosts.one.connect(hosts.https, &["http/1.1"]).await?;
        let request = format!("POST / HTTP/1.1\r\nHost: {ONE}\r\n{framing}\r\n\r\n5\r\nhello");
        stream
            .write_all(&request.as_bytes()[..request.len() - 2])
            .await?;
        stream.flush().await?;
        // The socket alone: nobody says that TLS ends.
        let (mut socket, _) = stream.into_inner();
        socket.shutdown().await?;
        within("the backend's view", wholes.changed()).await??;
        assert_eq!(*wholes.borrow_and_update(), Some(false), "{framing}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_resumed_without_early_data() -> anyhow::Result<()> {
    let hosts = Hosts::start(naming("web"), &[]).await?;
    let mut config = hosts.one.config(&["http/1.1"])?;
    config.enable_early_data = true;
    let config = Arc::new(config);
    let connector = TlsConnector::from(config.clone());
    for resumed in [false, true] {
        let stream = connect(hosts.https).await?;
        let mut stream = within("TLS", connector.connect(ONE.try_into()?, stream)).await??;
        let request = format!("GET / HTTP/1.1\r\nHost: {ONE}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        within("the end", stream.read_to_string(&mut answer)).await??;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        let kind = stream.get_ref().1.handshake_kind();
        assert_eq!(kind == Some(HandshakeKind::Resumed), resumed, "{kind:?}");
    }
    // A ticket that allows for early data would let the next handshake send some.
    let mut next = rustls::ClientConnection::new(config, ONE.try_into()?)?;
    assert!(next.early_data().is_none());
    Ok(())
}

/// A ticket of one host is no way around the handshake of another.
#[tokio::test(flavor = "multi_thread")]
async fn a_resumed_session_keeps_its_name() -> anyhow::Result<()> {
    let hosts = Hosts::start(naming("web"), &[]).await?;
    let connector = TlsConnector::from(Arc::new(hosts.one.config(&["http/1.1"])?));
    for _ in 0..2 {
        let stream = connect(hosts.https).await?;
        let stream = within("TLS", connector.connect(ONE.try_into()?, stream)).await??;
        let mut client = Client::h1_over(stream).await?;
        assert_eq!(client.ask(get(ONE, "/")).await?.status, 200);
        client.ready().await?;
        assert_eq!(client.ask(get(OTHER, "/")).await?.status, 421);
    }
    Ok(())
}

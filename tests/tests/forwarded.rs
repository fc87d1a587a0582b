//! Where a request comes from, as backends are told, and who is believed about it.

use haldane_tests::backend::{Backend, Seen};
use haldane_tests::client::{Client, get_with};
use haldane_tests::manifests::{Manifests, SHOP, shop};
use haldane_tests::raw::{Pace, Raw};
use haldane_tests::serve::Serve;

struct Hop {
    serve: Serve,
    web: Backend,
    _manifests: Manifests,
}

impl Hop {
    async fn start(args: &[&str]) -> anyhow::Result<Self> {
        let web = Backend::start("web").await?;
        let manifests = Manifests::of(&shop(&[], &[("1.0", web.address())]))?;
        Ok(Self {
            serve: Serve::start_with(manifests.path(), args).await?,
            web,
            _manifests: manifests,
        })
    }

    /// What the backend sees of a request with these headers.
    async fn seen(&self, headers: &[(&str, &str)]) -> anyhow::Result<Seen> {
        let answer = Client::h1(self.serve.http)
            .await?
            .ask(get_with(SHOP, "/", headers))
            .await?;
        assert_eq!(answer.status, 200);
        Ok(self.web.last().expect("the backend was asked"))
    }
}

const CLAIMED: [(&str, &str); 6] = [
    ("x-forwarded-for", "203.0.113.9"),
    ("x-forwarded-proto", "https"),
    ("x-forwarded-host", "evil.example.com"),
    ("x-real-ip", "203.0.113.9"),
    ("forwarded", "for=203.0.113.9"),
    ("x_forwarded_for", "203.0.113.9"),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_is_not_believed() -> anyhow::Result<()> {
    let seen = Hop::start(&[]).await?.seen(&CLAIMED).await?;
    assert_eq!(seen.header("x-forwarded-for"), "127.0.0.1");
    assert_eq!(seen.header("x-real-ip"), "127.0.0.1");
    assert_eq!(seen.header("x-forwarded-proto"), "http");
    assert_eq!(seen.header("x-forwarded-host"), SHOP);
    for (name, value) in &seen.headers {
        let claimed = value.to_str()?.contains("203.0.113.9") || value.to_str()?.contains("evil");
        assert!(!claimed, "{name}: {value:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trusted_peer_is_believed_and_added_to_the_chain() -> anyhow::Result<()> {
    let hop = Hop::start(&["--trusted", "127.0.0.0/8,10.0.0.0/8"]).await?;
    // the chain that came, the client, the chain that goes on
    let cases = [
        ("203.0.113.9", "203.0.113.9", "203.0.113.9, 127.0.0.1"),
        (
            "203.0.113.9, 10.1.2.3",
            "203.0.113.9",
            "203.0.113.9, 10.1.2.3, 127.0.0.1",
        ),
        (
            "1.1.1.1, 203.0.113.9",
            "203.0.113.9",
            "1.1.1.1, 203.0.113.9, 127.0.0.1",
        ),
    ];
    for (came, client, goes_on) in cases {
        let seen = hop
            .seen(&[("x-forwarded-for", came), ("x-forwarded-proto", "https")])
            .await?;
        assert_eq!(seen.header("x-real-ip"), client, "{came}");
        assert_eq!(seen.header("x-forwarded-for"), goes_on, "{came}");
        assert_eq!(seen.header("x-forwarded-proto"), "https");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_protocol_header_names_the_client() -> anyhow::Result<()> {
    let hop = Hop::start(&["--proxy-protocol"]).await?;
    let request = format!("GET / HTTP/1.1\r\nHost: {SHOP}\r\nConnection: close\r\n\r\n");
    for pace in [Pace::Whole, Pace::ByteByByte] {
        let mut client = Raw::to(hop.serve.http).await?;
        let header = "PROXY TCP4 203.0.113.7 198.51.100.1 4321 80\r\n";
        client
            .write(format!("{header}{request}").as_bytes(), pace)
            .await;
        let answer = client.read_to_end().await?;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        assert_eq!(
            hop.web.last().expect("a request").header("x-real-ip"),
            "203.0.113.7"
        );
    }
    let mut client = Raw::to(hop.serve.http).await?;
    client.write(request.as_bytes(), Pace::Whole).await;
    let answer = client.read_to_end().await?;
    assert_eq!(
        (answer.as_str(), hop.web.requests()),
        ("", 2),
        "a connection without the header is closed"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_has_an_id_and_keeps_its_trace() -> anyhow::Result<()> {
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let hop = Hop::start(&[]).await?;
    let headers = [("traceparent", trace), ("tracestate", "a=b")];
    let (first, second) = (hop.seen(&headers).await?, hop.seen(&headers).await?);
    assert_eq!(
        (first.header("traceparent"), first.header("tracestate")),
        (trace, "a=b")
    );
    assert!(!first.header("x-request-id").is_empty());
    assert_ne!(first.header("x-request-id"), second.header("x-request-id"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_of_one_connection_end_here() -> anyhow::Result<()> {
    let headers = [
        ("connection", "x-secret, keep-alive"),
        ("x-secret", "1"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "keep-alive"),
        ("proxy-authorization", "Basic eDp5"),
        ("te", "gzip"),
        ("trailer", "x-late"),
    ];
    let seen = Hop::start(&[]).await?.seen(&headers).await?;
    let left: Vec<_> = headers
        .iter()
        .filter(|(name, _)| seen.headers.contains_key(*name))
        .collect();
    assert!(left.is_empty(), "{left:?}");
    Ok(())
}

//! Handshakes that go wrong, answers that come before their request, and pauses: what follows is never taken for
//! something else.

use crate::played::Played;
use haldane_tests::raw::Pace;

/// The handshake of RFC 6455, section 1.2.
pub(crate) const HANDSHAKE: &str = "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
pub(crate) const SWITCH: &str =
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ";
pub(crate) const ACCEPTED: &str =
    "websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_switch_that_was_not_agreed_on_is_a_bad_answer() -> anyhow::Result<()> {
    let wrong = "websocket\r\nSec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n";
    let other = "h2c\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    let plain = "GET /chat HTTP/1.1\r\nHost: a\r\n\r\n";
    // what the client asks, what the backend switches to, the status
    let cases = [
        (HANDSHAKE, ACCEPTED, 101),
        (HANDSHAKE, wrong, 502),
        (HANDSHAKE, "websocket\r\n\r\n", 502),
        (HANDSHAKE, other, 502),
        (plain, ACCEPTED, 502),
    ];
    for (asked, switched, status) in cases {
        let played = Played::start(&[]).await?;
        let mut client = played.client(asked).await?;
        let mut backend = played.connection().await?;
        backend.brings("\r\n\r\n").await?;
        backend.says(&format!("{SWITCH}{switched}")).await?;
        let answer = client.read_until(|read| read.contains("\r\n\r\n")).await?;
        let begins = format!("HTTP/1.1 {status} ");
        assert!(answer.starts_with(&begins), "{switched:?}: {answer:?}");
        drop(client);
        backend.closes().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_that_is_refused_opens_no_tunnel() -> anyhow::Result<()> {
    let played = Played::start(&[]).await?;
    let handshake = HANDSHAKE.replace("Version: 13", "Version: 777");
    let mut client = played
        .client(&format!("{handshake}GET /next HTTP/1.1\r\nHost: a\r\n\r\n"))
        .await?;
    let mut backend = played.connection().await?;
    let seen = backend.brings("\r\n\r\n").await?;
    assert!(!seen.contains("/next"), "{seen}");
    backend
        .says("HTTP/1.1 426 Upgrade Required\r\nSec-WebSocket-Version: 13\r\nContent-Length: 0\r\n\r\n")
        .await?;
    backend.brings("GET /next HTTP/1.1\r\n").await?;
    backend.brings("x-request-id").await?;
    backend
        .says("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnext")
        .await?;
    let answer = client.read_until(|read| read.ends_with("next")).await?;
    assert!(answer.starts_with("HTTP/1.1 426 "), "{answer}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_follows_a_handshake_at_once_is_delivered_behind_it() -> anyhow::Result<()> {
    let played = Played::start(&[]).await?;
    let mut client = played.client(&format!("{HANDSHAKE}frames")).await?;
    let mut backend = played.connection().await?;
    let head = backend.brings("\r\n\r\n").await?;
    assert!(
        head.ends_with("\r\n\r\n"),
        "nothing before the switch: {head:?}"
    );
    backend.says(&format!("{SWITCH}{ACCEPTED}hello")).await?;
    let all = backend.brings("frames").await?;
    assert!(all.ends_with("\r\n\r\nframes"), "{all:?}");
    let answer = client.read_until(|read| read.ends_with("hello")).await?;
    assert!(answer.ends_with("\r\n\r\nhello"), "{answer:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_before_its_request_ends_spoils_the_connection() -> anyhow::Result<()> {
    let played = Played::start(&[]).await?;
    let mut client = played
        .client("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc")
        .await?;
    let mut first = played.connection().await?;
    first.brings("abc").await?;
    first
        .says("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nearly")
        .await?;
    let answer = client.read_until(|read| read.ends_with("early")).await?;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let mut probe = played
        .client("GET /probe HTTP/1.1\r\nHost: a\r\n\r\n")
        .await?;
    let mut second = played.connection().await?;
    second.brings("GET /probe ").await?;
    second
        .says("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nprobe")
        .await?;
    probe.read_until(|read| read.ends_with("probe")).await?;
    drop(client);
    let seen = first.closes().await?;
    assert!(!seen.contains("/probe"), "{seen}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_after_too_long_a_pause_is_no_request() -> anyhow::Result<()> {
    let played = Played::start(&[("haldane.dev/proxy-read-timeout", "1")]).await?;
    let mut client = played
        .client("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 30\r\n\r\nabc")
        .await?;
    let mut backend = played.connection().await?;
    backend.brings("abc").await?;
    let answer = client.read_until(|read| read.contains("\r\n\r\n")).await?;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    let late = "GET /smug HTTP/1.1\r\nHost: a\r\n\r\n";
    client.write(late.as_bytes(), Pace::Whole).await;
    let all = client.read_to_end().await?;
    assert_eq!(all.matches("HTTP/1.1 ").count(), 1, "{all}");
    let seen = backend.closes().await?;
    assert!(seen.ends_with("abc"), "{seen}");
    Ok(())
}

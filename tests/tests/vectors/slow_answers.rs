//! Backends that speak when nobody asked, break off, dawdle, or do not listen.

use crate::played::Played;
use haldane_tests::usage::memory;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::interval;

const GET: &str = "GET /first HTTP/1.1\r\nHost: a\r\n\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_on_an_idle_connection_is_lost_with_it() -> anyhow::Result<()> {
    let played = Played::start(&[]).await?;
    let mut client = played.client(GET).await?;
    let mut first = played.connection().await?;
    first.brings("\r\n\r\n").await?;
    let answer = |text: &str| format!("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{text}");
    first.says(&answer("first")).await?;
    client.read_until(|read| read.ends_with("first")).await?;
    first.says(&answer("smug!")).await?;
    let seen = first.closes().await?;
    assert_eq!(seen.matches("HTTP/1.1").count(), 1, "{seen}");
    let mut client = played.client(&GET.replace("/first", "/second")).await?;
    let mut second = played.connection().await?;
    second.brings("GET /second ").await?;
    second.says(&answer("plain")).await?;
    let read = client.read_until(|read| read.ends_with("plain")).await?;
    assert!(!read.contains("smug"), "{read}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_until_the_close_has_no_end_where_it_is_reset() -> anyhow::Result<()> {
    let played = Played::start(&[]).await?;
    // whether the end is a reset
    for reset in [false, true] {
        let mut client = played.client(GET).await?;
        let mut backend = played.connection().await?;
        backend.brings("\r\n\r\n").await?;
        backend.says("HTTP/1.1 200 OK\r\n\r\npart").await?;
        client.read_until(|read| read.contains("part")).await?;
        if reset {
            backend.stream.set_zero_linger()?;
        }
        drop(backend);
        let answer = client
            .read_until(|read| read.ends_with("0\r\n\r\n"))
            .await?;
        assert_eq!(answer.ends_with("0\r\n\r\n"), !reset, "{answer:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_comes_by_the_byte_is_given_up() -> anyhow::Result<()> {
    let played = Played::start(&[("haldane.dev/proxy-read-timeout", "1")]).await?;
    let mut client = played.client(GET).await?;
    let mut backend = played.connection().await?;
    backend.brings("\r\n\r\n").await?;
    backend.says("HTTP/1.1 200 OK\r\nX: ").await?;
    let mut ticks = interval(Duration::from_millis(100));
    let drip = async {
        loop {
            ticks.tick().await;
            // A proxy that has closed is what is waited for.
            let _ = backend.stream.write_all(b"y").await;
        }
    };
    let answer = client.read_until(|read| read.contains("\r\n\r\n"));
    let answer = tokio::select! {
        answer = answer => answer?,
        () = drip => unreachable!("it goes on"),
    };
    assert!(answer.starts_with("HTTP/1.1 504 "), "{answer}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_nobody_reads_is_not_kept() -> anyhow::Result<()> {
    /// More than four sockets keep.
    const BODY: usize = 256 << 20;
    const KEPT: u64 = 8 << 20;
    let played = Played::start(&[("haldane.dev/proxy-read-timeout", "2")]).await?;
    let resident = || memory(played.serve.id()?, "VmHWM");
    let before = resident()?;
    let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {BODY}\r\n\r\n");
    let stream = haldane_tests::client::connect(played.serve.http).await?;
    let (mut read, mut write) = stream.into_split();
    write.write_all(head.as_bytes()).await?;
    let sending = tokio::spawn(async move {
        let chunk = vec![b'.'; 64 << 10];
        let mut sent = 0;
        while sent < BODY && write.write_all(&chunk).await.is_ok() {
            sent += chunk.len();
        }
        sent
    });
    let mut backend = played.connection().await?;
    backend.brings("\r\n\r\n").await?;
    let mut answer = vec![0; 13];
    haldane_tests::within("an answer", read.read_exact(&mut answer)).await??;
    assert_eq!(String::from_utf8_lossy(&answer), "HTTP/1.1 504 ");
    let more = resident()? - before;
    drop(read);
    let sent = haldane_tests::within("the client to be stopped", sending).await??;
    assert!(sent < BODY && more < KEPT, "{sent} bytes sent, {more} kept");
    Ok(())
}

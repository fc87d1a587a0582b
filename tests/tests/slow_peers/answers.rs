//! Clients that ask for much and take little of it.

use crate::{Bench, closed, ticks};
use haldane_tests::backend::{Handler, filler, handler};
use haldane_tests::frames::{
    END_HEADERS, END_STREAM, Frame, Frames, HEADERS, INITIAL_WINDOW_SIZE, RST_STREAM,
    WINDOW_UPDATE, block,
};
use haldane_tests::scale::scaled;
use haldane_tests::within;
use http::Response;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

/// More than any socket keeps.
const ANSWER_BYTES: usize = 32 << 20;
/// What a reset of a stream that nobody takes says (RFC 9113, section 7).
const CANCEL: u32 = 8;

fn large() -> Handler {
    handler(|_| async { Response::new(filler(ANSWER_BYTES)) })
}

fn get_on(stream: u32) -> Frame {
    let fields = [
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", "shop.example.com"),
        (":path", "/"),
    ];
    Frame::new(HEADERS, END_STREAM | END_HEADERS, stream, block(fields))
}

/// A client that has asked and keeps little of what comes.
async fn asked(proxy: SocketAddr) -> anyhow::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(4 << 10)?;
    let mut stream = within("a connection", socket.connect(proxy)).await??;
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: shop.example.com\r\n\r\n")
        .await?;
    Ok(stream)
}

/// Opens a window by a byte now and then until the stream is reset; the code that it is reset with.
async fn drip(client: &mut Frames, stream: u32) -> anyhow::Result<Option<u32>> {
    let mut ticks = ticks();
    loop {
        tokio::select! {
            frame = client.next() => match frame? {
                Some(frame) if frame.kind == RST_STREAM && frame.stream == stream => {
                    return Ok(frame.code());
                }
                Some(_) => {}
                None => return Ok(None),
            },
            _ = ticks.tick() => {
                let more = Frame::new(WINDOW_UPDATE, 0, stream, 1_u32.to_be_bytes());
                client.send(&more.bytes()).await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_takes_a_byte_now_and_then_is_reset() -> anyhow::Result<()> {
    let bench = Bench::before(large(), &["--send-timeout", "2"], &[]).await?;
    let mut client = Frames::with(bench.serve.http, &[(INITIAL_WINDOW_SIZE, 1)]).await?;
    client.send(&get_on(1).bytes()).await;
    let code = within("a reset", drip(&mut client, 1)).await??;
    assert_eq!(code, Some(CANCEL));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_whose_window_is_shut_are_reset_and_the_connection_lives() -> anyhow::Result<()> {
    let bench = Bench::before(large(), &["--send-timeout", "2"], &[]).await?;
    let mut client = Frames::with(bench.serve.http, &[(INITIAL_WINDOW_SIZE, 0)]).await?;
    let count = 50;
    for stream in 0..count {
        client.send(&get_on(2 * stream + 1).bytes()).await;
    }
    let mut reset = 0;
    while reset < count {
        let frame = client.next().await?;
        let frame = frame.ok_or_else(|| anyhow::anyhow!("closed after {reset} resets"))?;
        if frame.kind == RST_STREAM {
            assert_eq!(frame.code(), Some(CANCEL));
            reset += 1;
        }
    }
    let next = 2 * count + 1;
    client.send(&get_on(next).bytes()).await;
    while let Some(frame) = client.next().await? {
        if frame.stream == next && frame.kind == HEADERS {
            // The first field of the answer is its status: 200.
            assert_eq!(frame.payload.first(), Some(&0x88));
            return Ok(());
        }
    }
    anyhow::bail!("the connection was closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_take_nothing_are_given_up_and_hold_little() -> anyhow::Result<()> {
    const EACH: u64 = 192 << 10;
    const SLACK: u64 = 8 << 20;
    let bench = Bench::before(large(), &["--send-timeout", "3"], &[]).await?;
    let before = bench.memory("VmRSS")?;
    let count = scaled(25);
    let (mut h1, mut h2) = (Vec::new(), Vec::new());
    for _ in 0..count {
        h1.push(asked(bench.serve.http).await?);
        let mut client = Frames::with(bench.serve.http, &[(INITIAL_WINDOW_SIZE, 1)]).await?;
        client.send(&get_on(1).bytes()).await;
        h2.push(client);
    }
    for client in &mut h2 {
        assert_eq!(drip(client, 1).await?, Some(CANCEL));
    }
    bench.connected(|open| open <= count).await?;
    let more = bench.memory("VmHWM")?.saturating_sub(before);
    let bound = 2 * count * EACH + SLACK;
    assert!(more <= bound, "{count} of each take {more} bytes");
    for mut client in h1 {
        closed(&mut client).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_takes_a_byte_now_and_then_is_given_up() -> anyhow::Result<()> {
    let bench = Bench::before(large(), &["--send-timeout", "2"], &[]).await?;
    let mut client = asked(bench.serve.http).await?;
    let drip = async {
        let mut ticks = ticks();
        loop {
            ticks.tick().await;
            // Also what was sent before the end must be read by the byte.
            let _ = client.read_u8().await;
        }
    };
    tokio::select! {
        gone = bench.connected(|count| count == 0) => gone,
        () = drip => Ok(()),
    }
}

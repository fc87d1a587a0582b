//! Clients of HTTP/2 that have us say much and listen to none of it.

use crate::Bench;
use haldane_tests::frames::{
    END_HEADERS, END_STREAM, Frame, HEADERS, PING, RST_STREAM, SETTINGS, block, opening,
};
use haldane_tests::manifests::SHOP;
use haldane_tests::within;
use std::net::SocketAddr;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpSocket, TcpStream};

/// More than sockets and a bounded queue keep.
const MOST: usize = 64 << 20;
/// Frames that are written at once.
const AT_ONCE: u32 = 1_000;

fn get(number: u32, host: &str) -> Frame {
    let fields = [
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", host),
        (":path", "/"),
    ];
    let stream = 2 * number + 1;
    Frame::new(HEADERS, END_STREAM | END_HEADERS, stream, block(fields))
}

/// Each is to be answered with something.
type Kind = (&'static str, fn(u32) -> Vec<Frame>);

const KINDS: [Kind; 5] = [
    ("pings", |_| vec![Frame::new(PING, 0, 0, [0; 8])]),
    ("settings", |_| vec![Frame::new(SETTINGS, 0, 0, [])]),
    ("requests", |number| vec![get(number, SHOP)]),
    ("requests for nobody", |number| vec![get(number, "nobody")]),
    ("requests taken back", |number| {
        let back = Frame::new(RST_STREAM, 0, 2 * number + 1, 8_u32.to_be_bytes());
        vec![get(number, SHOP), back]
    }),
];

/// A client whose system keeps little.
async fn deaf(proxy: SocketAddr) -> anyhow::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(4 << 10)?;
    let mut stream = within("a connection", socket.connect(proxy)).await??;
    stream.write_all(&opening(&[])).await?;
    Ok(stream)
}

/// Sends such frames until the proxy closes, or more than it can have kept; how many bytes.
async fn flood(stream: &mut TcpStream, frames: fn(u32) -> Vec<Frame>) -> usize {
    let mut sent = 0;
    for batch in 0.. {
        let numbers = batch * AT_ONCE..(batch + 1) * AT_ONCE;
        let bytes: Vec<u8> = numbers
            .flat_map(frames)
            .flat_map(|frame| frame.bytes())
            .collect();
        if sent > MOST || stream.write_all(&bytes).await.is_err() {
            break;
        }
        sent += bytes.len();
    }
    sent
}

/// A queue of answers that nobody takes must not grow (CVE-2019-9512, CVE-2019-9514, CVE-2019-9515).
#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_listen_is_not_listened_to() -> anyhow::Result<()> {
    const KEPT: u64 = 8 << 20;
    for (kind, frames) in KINDS {
        let bench = Bench::set(&["--send-timeout", "2"]).await?;
        bench.serves().await?;
        let before = bench.memory("VmHWM")?;
        let mut stream = deaf(bench.serve.http).await?;
        let sent = within("the proxy to close", flood(&mut stream, frames)).await?;
        let more = bench.memory("VmHWM")?.saturating_sub(before);
        assert!(
            sent < MOST && more <= KEPT,
            "{kind}: {sent} bytes sent, {more} kept"
        );
        bench.serves().await?;
    }
    Ok(())
}

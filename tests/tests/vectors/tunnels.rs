//! What goes through a tunnel is nobody's business: any bytes, in any number, and each direction ends by itself.

use crate::played::{Connection, Played};
use crate::upgrades::{ACCEPTED, HANDSHAKE, SWITCH};
use haldane_tests::client::connect;
use haldane_tests::scale::scaled;
use haldane_tests::within;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Both ends of a tunnel.
async fn open(played: &Played) -> anyhow::Result<(TcpStream, TcpStream)> {
    let mut client = connect(played.serve.http).await?;
    client.write_all(HANDSHAKE.as_bytes()).await?;
    let mut backend: Connection = played.connection().await?;
    backend.brings("\r\n\r\n").await?;
    backend.says(&format!("{SWITCH}{ACCEPTED}")).await?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(within("the switch", client.read_u8()).await??);
    }
    Ok((client, backend.stream))
}

/// Sends from one end to the other and reads it there.
async fn through(from: &mut TcpStream, to: &mut TcpStream, bytes: &[u8]) -> anyhow::Result<bool> {
    let mut read = vec![0; bytes.len()];
    let both = async { tokio::try_join!(from.write_all(bytes), to.read_exact(&mut read)) };
    within("the bytes", both).await??;
    Ok(read == bytes)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_byte_passes_either_way() -> anyhow::Result<()> {
    let played = Played::start(&[]).await?;
    let (mut client, mut backend) = open(&played).await?;
    let all: Vec<u8> = (0..=u8::MAX).chain((0..=u8::MAX).rev()).collect();
    // Frames that no standard knows: reserved bits and codes, a length that never comes, no mask, an unended close.
    let frames: [&[u8]; 4] = [
        b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\x8b\x00\xf3\x01x",
        b"\x88\x7e\xff\xff",
        b"GET /smug HTTP/1.1\r\nHost: a\r\n\r\n",
    ];
    for bytes in std::iter::once(&all[..]).chain(frames) {
        assert!(through(&mut client, &mut backend, bytes).await?);
        assert!(through(&mut backend, &mut client, bytes).await?);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_message_passes_whole_while_the_other_side_talks() -> anyhow::Result<()> {
    let played = Played::start(&[]).await?;
    let (client, backend) = open(&played).await?;
    let bytes = usize::try_from(scaled(8))? << 20;
    let message: Vec<u8> = (0..bytes).map(|at| (at % 251) as u8).collect();
    let ends = [client.into_split(), backend.into_split()];
    let mut sides = tokio::task::JoinSet::new();
    for (mut read, mut write) in ends {
        let (sent, due) = (message.clone(), message.clone());
        sides.spawn(async move {
            let mut came = vec![0; due.len()];
            let both =
                async { tokio::try_join!(write.write_all(&sent), read.read_exact(&mut came)) };
            within("the message", both).await??;
            anyhow::Ok((came == due, write))
        });
    }
    while let Some(side) = sides.join_next().await {
        assert!(side??.0);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn each_direction_ends_by_itself() -> anyhow::Result<()> {
    let played = Played::start(&[]).await?;
    for client_first in [true, false] {
        let (client, backend) = open(&played).await?;
        let (mut first, mut second) = if client_first {
            (client, backend)
        } else {
            (backend, client)
        };
        first.write_all(b"last").await?;
        first.shutdown().await?;
        let mut read = Vec::new();
        within("the end", second.read_to_end(&mut read)).await??;
        assert_eq!(read, b"last");
        assert!(through(&mut second, &mut first, b"goes on").await?);
        drop(second);
        let mut rest = Vec::new();
        within("the other end", first.read_to_end(&mut rest)).await??;
        assert!(rest.is_empty(), "{rest:?}");
    }
    Ok(())
}

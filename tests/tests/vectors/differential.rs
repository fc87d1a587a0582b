//! What is forwarded means the same to servers that are not ours: nginx, HAProxy, Apache, Node and Python read each
//! message as our own strict recorder does, request for request, with the same method, target and body.
//!
//! Each stands where the recorder stands otherwise and gets the same messages through a proxy of its own. A server may
//! refuse what it does not like; what it must not do is read something else. One that is not installed is not asked.

mod configured;
mod made;
mod script;
mod server;

use self::server::{Reading, Server};
use super::rows::ROWS;
use super::{Bench, Verdict, expand, http2, routes};
use anyhow::Context as _;
use haldane_tests::client::Client;
use haldane_tests::frames::{Frame, Frames};
use haldane_tests::manifests::Manifests;
use haldane_tests::raw::{Pace, Raw};
use haldane_tests::scale::{Sample, scaled};
use haldane_tests::serve::Serve;
use std::net::SocketAddr;

/// Of the messages that are made, how many are sent, where not all are asked for.
const MADE: usize = 150;

/// A server that refuses more than one in so many messages shows little.
const REFUSED_ONE_IN: usize = 4;

/// A message as a client sends it.
enum Message {
    Http1(Vec<u8>),
    Http2(Vec<Frame>),
}

impl Message {
    async fn send(&self, proxy: SocketAddr) -> anyhow::Result<()> {
        match self {
            Self::Http1(bytes) => {
                let mut client = Raw::to(proxy).await?;
                client.write(bytes, Pace::Whole).await;
                client.finish().await;
                client.read_to_end().await?;
            }
            Self::Http2(frames) => {
                let mut client = Frames::to(proxy).await?;
                let bytes: Vec<u8> = frames.iter().flat_map(Frame::bytes).collect();
                client.send(&bytes).await;
                http2::outcome(&mut client, 1).await?;
            }
        }
        Ok(())
    }
}

/// Every message that is to reach a backend, whole or in part, and some of those that are made.
fn messages() -> Vec<(String, Message)> {
    let reaches = |verdict| !matches!(verdict, Verdict::Refuse | Verdict::Own(_));
    let rows = ROWS.iter().filter(|row| reaches(row.verdict));
    let rows = rows.map(|row| (row.id.to_owned(), Message::Http1(expand(row.bytes))));
    let made = made::messages();
    let count = if scaled(1) > 1 { made.len() } else { MADE };
    let made = Sample::new().of(made, count).into_iter();
    let made = made.map(|(id, bytes)| (id, Message::Http1(bytes)));
    let framed = http2::all().into_iter();
    let framed = framed.filter(|(.., verdict)| matches!(verdict, http2::Verdict::Forward(..)));
    let framed = framed.map(|(id, frames, _)| (format!("HTTP/2 {id}"), Message::Http2(frames)));
    rows.chain(made).chain(framed).collect()
}

/// A proxy before a server that is not ours.
struct Subject {
    server: Server,
    serve: Serve,
    _manifests: Manifests,
    /// Readings that were looked at.
    seen: usize,
}

impl Subject {
    async fn set(server: Server) -> anyhow::Result<Self> {
        let manifests = Manifests::of(&routes(server.address()))?;
        Ok(Self {
            serve: Serve::start_with(manifests.path(), &["--workers", "1"]).await?,
            server,
            _manifests: manifests,
            seen: 0,
        })
    }

    /// What the server reads of a message. A request behind it is sent for its sake alone: once the server has read
    /// that one, it has read what came before.
    async fn readings(&mut self, message: &Message) -> anyhow::Result<Vec<Reading>> {
        message.send(self.serve.http).await?;
        let probe = format!("/probe/{}", self.seen);
        let mut client = Client::h1(self.serve.http).await?;
        client.get("a", &probe).await?;
        let mut readings = self
            .server
            .readings_until(&probe)
            .await?
            .split_off(self.seen);
        self.seen += readings.len();
        readings.retain(|reading| !reading.line.ends_with(&probe));
        Ok(readings)
    }
}

/// What our own recorder reads of a message.
async fn recorded(bench: &Bench, message: &Message) -> anyhow::Result<Vec<Reading>> {
    message.send(bench.serve.http).await?;
    let requests = bench.probe().await?.requests.into_iter();
    Ok(requests
        .map(|request| Reading {
            line: request.line(),
            body: request.body,
        })
        .collect())
}

/// Rows whose target Apache's mod_proxy writes otherwise than Apache has read it: it takes slashes at the beginning together
/// when it maps a path to a backend.
const MAPPED_BY_APACHE: &[&str] = &["path with two slashes"];

async fn check(server: Option<Server>, without: &[&str]) -> anyhow::Result<()> {
    let Some(server) = server else { return Ok(()) };
    let bench = Bench::set().await?;
    let mut subject = Subject::set(server).await?;
    let (mut alike, mut refused, mut faults) = (0, Vec::new(), Vec::new());
    let messages = messages().into_iter();
    for (id, message) in messages.filter(|(id, _)| !without.contains(&&**id)) {
        let expected = recorded(&bench, &message).await?;
        let read = subject
            .readings(&message)
            .await
            .with_context(|| id.clone())?;
        if read == expected {
            alike += usize::from(!read.is_empty());
        } else if expected.starts_with(&read) {
            refused.push(id);
        } else {
            faults.push(format!("{id}: read {read:?}, meant was {expected:?}"));
        }
    }
    println!("{alike} read alike, {} refused: {refused:?}", refused.len());
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(refused.len() * REFUSED_ONE_IN < alike, "{refused:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nginx_reads_what_was_meant() -> anyhow::Result<()> {
    check(configured::nginx().await?, &[]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn haproxy_reads_what_was_meant() -> anyhow::Result<()> {
    check(configured::haproxy().await?, &[]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn apache_reads_what_was_meant() -> anyhow::Result<()> {
    check(configured::apache().await?, MAPPED_BY_APACHE).await
}

#[tokio::test(flavor = "multi_thread")]
async fn node_reads_what_was_meant() -> anyhow::Result<()> {
    check(script::node().await?, &[]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn python_reads_what_was_meant() -> anyhow::Result<()> {
    check(script::python().await?, &[]).await
}

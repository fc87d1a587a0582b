//! Bodies that come in by the byte.

use crate::{Bench, ticks};
use bytes::Bytes;
use haldane_tests::backend::naming;
use haldane_tests::client::{Answer, Body, Client, get_with};
use haldane_tests::manifests::SHOP;
use haldane_tests::scale::scaled;
use http::{Method, Request};
use http_body_util::BodyExt as _;
use http_body_util::channel::Channel;
use std::io;
use tokio::task::JoinSet;

/// Bytes that a slow client sends, one each tick: for thrice as long as it may let us wait.
const BYTES: usize = 30;
const GRACE: [&str; 2] = ["--body-grace", "1"];

/// A POST whose body comes by the byte.
fn dripping(headers: &[(&str, &str)]) -> Request<Body> {
    let (mut sender, body) = Channel::<Bytes, io::Error>::new(1);
    tokio::spawn(async move {
        let mut ticks = ticks();
        for _ in 0..BYTES {
            ticks.tick().await;
            if sender.send_data(Bytes::from_static(b".")).await.is_err() {
                return;
            }
        }
    });
    let mut post = get_with(SHOP, "/", headers);
    *post.method_mut() = Method::POST;
    post.map(|_| body.boxed_unsync())
}

#[derive(Clone, Copy, Debug)]
enum Version {
    H1,
    H2,
}
use Version::{H1, H2};

type Fields = &'static [(&'static str, &'static str)];

async fn ask(bench: &Bench, version: Version, headers: Fields) -> anyhow::Result<Answer> {
    let mut client = match version {
        H1 => Client::h1(bench.serve.http).await?,
        H2 => Client::h2(bench.serve.http).await?,
    };
    client.ask(dripping(headers)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_has_a_least_pace_unless_it_is_a_call() -> anyhow::Result<()> {
    let grpc: Fields = &[("content-type", "application/grpc")];
    let whole: Fields = &[("haldane.dev/proxy-request-buffering", "on")];
    let unbounded = [&GRACE[..], &["--body-rate", "0"]].concat();
    // the flags, the annotations, who asks how, the status
    let cases: [(&[&str], Fields, Version, Fields, u16); 6] = [
        (&GRACE, &[], H1, &[], 408),
        (&GRACE, &[], H2, &[], 408),
        (&GRACE, whole, H1, &[], 408),
        (&GRACE, &[], H1, grpc, 200),
        (&unbounded, &[], H1, &[], 200),
        (&unbounded, whole, H2, &[], 200),
    ];
    for (flags, annotations, version, headers, status) in cases {
        let bench = Bench::before(naming("good"), flags, annotations).await?;
        let answer = ask(&bench, version, headers).await?;
        let case = format!("{flags:?} {annotations:?} {version:?} {headers:?}");
        assert_eq!(answer.status, status, "{case}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn many_slow_bodies_leave_nothing_behind() -> anyhow::Result<()> {
    let bench = std::sync::Arc::new(Bench::set(&GRACE).await?);
    let mut clients = JoinSet::new();
    for _ in 0..scaled(40) {
        let bench = bench.clone();
        clients.spawn(async move { ask(&bench, H1, &[]).await });
    }
    while let Some(answer) = clients.join_next().await {
        assert_eq!(answer??.status, 408);
    }
    bench.connected(|count| count == 0).await?;
    let metrics = bench.serve.metrics().await?;
    let busy = metrics.sum("haldane_upstream_connections", &[("state", "busy")]);
    assert_eq!(busy, 0.0);
    bench.serves().await
}

//! HTTP/2 backends made frame by frame: what they may do at any time, and no server can be made to do on purpose.

use ::http::Method;
use haldane_tests::backend::whole;
use haldane_tests::client::{Answer, Body, Client, get};
use haldane_tests::frames::{
    DATA, END_HEADERS, END_STREAM, Frame, Frames, GOAWAY, HEADERS, PING, SETTINGS, block,
};
use haldane_tests::manifests::{Manifests, SHOP, ingress, pod, service};
use haldane_tests::serve::Serve;
use haldane_tests::shop::settled;
use haldane_tests::within;
use tokio::net::TcpListener;

/// A proxy before a backend that the test plays itself.
struct Played {
    serve: Serve,
    listener: TcpListener,
    _manifests: Manifests,
}

impl Played {
    async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let annotations = [("haldane.dev/backend-protocol", "GRPC")];
        let manifests = Manifests::of(&[
            service("web", &[]),
            ingress("web", &annotations, SHOP, "web"),
            pod("web", "1.0", listener.local_addr()?),
        ])?;
        Ok(Self {
            serve: Serve::start(manifests.path()).await?,
            listener,
            _manifests: manifests,
        })
    }

    /// Answers the first request on a new connection with a head, and with nothing more unless `flags` end the stream.
    async fn answer(&self, settings: &[u8], flags: u8) -> anyhow::Result<Frames> {
        let (stream, _) = within("a connection", self.listener.accept()).await??;
        let mut frames = Frames::serving(stream).await?;
        frames
            .send(&Frame::new(SETTINGS, 0, 0, settings).bytes())
            .await;
        let stream = frames.until(HEADERS).await?.stream;
        frames.send(&head(stream, flags).bytes()).await;
        Ok(frames)
    }
}

fn head(stream: u32, flags: u8) -> Frame {
    Frame::new(
        HEADERS,
        END_HEADERS | flags,
        stream,
        block([(":status", "200")]),
    )
}

/// A request whose body cannot be sent twice.
fn post() -> ::http::Request<Body> {
    let mut post = get(SHOP, "/").map(|_| whole("text"));
    *post.method_mut() = Method::POST;
    post
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_goes_away_costs_no_upload() -> anyhow::Result<()> {
    let played = Played::start().await?;
    let mut client = Client::h2(played.serve.http).await?;
    // Its body does not end, so that the connection stays.
    let (held, frames) = tokio::join!(client.send(get(SHOP, "/")), played.answer(&[], 0));
    let (_held, mut frames) = (held?, frames?);
    let last_stream_and_no_error = [0, 0, 0, 1, 0, 0, 0, 0];
    let going = Frame::new(GOAWAY, 0, 0, last_stream_and_no_error);
    frames.send(&going.bytes()).await;
    frames.send(&Frame::new(PING, 0, 0, [0; 8]).bytes()).await;
    frames.until(PING).await?;
    let (answer, again) = tokio::join!(client.send(post()), played.answer(&[], END_STREAM));
    assert_eq!(answer?.status(), 200);
    again?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_to_head_is_over_with_its_head() -> anyhow::Result<()> {
    let played = Played::start().await?;
    let mut client = Client::h1(played.serve.http).await?;
    let mut head = get(SHOP, "/");
    *head.method_mut() = Method::HEAD;
    // The end of the stream is still to come.
    let (answer, frames) = tokio::join!(client.ask(head), played.answer(&[], 0));
    assert_eq!(answer?.status, 200);
    let metrics = settled(&played.serve, 1).await?;
    assert_eq!(metrics.sum("haldane_request_errors_total", &[]), 0.0);
    drop(frames?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_finds_no_stream_free_gets_another_connection() -> anyhow::Result<()> {
    const ONE_STREAM: [u8; 6] = [0, 3, 0, 0, 0, 1];
    let played = Played::start().await?;
    let mut client = Client::h2(played.serve.http).await?;
    let mut held = Vec::new();
    for _ in 0..3 {
        let (answer, frames) = tokio::join!(client.send(post()), played.answer(&ONE_STREAM, 0));
        held.push((answer?, frames?));
    }
    // A stream that is free again is used again.
    let (answer, mut frames) = held.swap_remove(1);
    frames
        .send(&Frame::new(DATA, END_STREAM, 1, []).bytes())
        .await;
    Answer::of(answer).await?;
    let second = async {
        let stream = frames.until(HEADERS).await?.stream;
        frames.send(&head(stream, END_STREAM).bytes()).await;
        anyhow::Ok(())
    };
    let (answer, second) = tokio::join!(client.send(post()), second);
    assert_eq!(answer?.status(), 200);
    second
}

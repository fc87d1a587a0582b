//! Floods that each cost a server much and a client little: the connection ends, and upstreams saw little of it.

use super::messages::Verdict::{Forward, Refuse};
use super::messages::{GET, HOST, POST};
use super::{fault, headers, outcome};
use crate::Bench;
use haldane_tests::frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, Frame, Frames, GOAWAY, HEADERS, PRIORITY,
    RST_STREAM, WINDOW_UPDATE, block,
};

/// Reads until the connection ends; the code of its GOAWAY, if it said one.
async fn ended(client: &mut Frames) -> anyhow::Result<Option<u32>> {
    let mut code = None;
    while let Some(frame) = client.next().await? {
        if frame.kind == GOAWAY {
            code = frame.code();
        }
    }
    Ok(code)
}

/// Streams are odd.
fn stream(number: u32) -> u32 {
    2 * number + 1
}

fn get_on(stream: u32) -> Frame {
    Frame::new(
        HEADERS,
        END_STREAM | END_HEADERS,
        stream,
        block(GET.iter().copied()),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_taken_back_at_once_end_the_connection() -> anyhow::Result<()> {
    let bench = Bench::set().await?;
    let mut client = Frames::to(bench.serve.http).await?;
    for number in 0..10_000 {
        let pair = [
            get_on(stream(number)),
            Frame::new(RST_STREAM, 0, stream(number), 8_u32.to_be_bytes()),
        ];
        client
            .send(&pair.iter().flat_map(Frame::bytes).collect::<Vec<u8>>())
            .await;
    }
    ended(&mut client).await?;
    let forwarded = bench.probe().await?.requests.len();
    assert!(forwarded <= 200, "{forwarded} requests reached the backend");
    bench.leaves_nothing().await
}

/// Six ways to make a server reset a stream that was asked for properly (CVE-2025-8671).
#[tokio::test(flavor = "multi_thread")]
async fn a_server_made_to_reset_its_streams_ends_the_connection() -> anyhow::Result<()> {
    let bench = Bench::set().await?;
    let none = 0_u32.to_be_bytes();
    let overflow = 0x7fff_ffff_u32.to_be_bytes();
    let triggers: [(u8, Vec<u8>); 6] = [
        (WINDOW_UPDATE, none.to_vec()),
        (WINDOW_UPDATE, overflow.to_vec()),
        (PRIORITY, vec![0; 4]),
        (PRIORITY, vec![]),
        (HEADERS, block(GET.iter().copied())),
        (DATA, b"more".to_vec()),
    ];
    for (kind, payload) in triggers {
        let mut client = Frames::to(bench.serve.http).await?;
        for number in 0..2_000 {
            let mut payload = payload.clone();
            if kind == PRIORITY && payload.is_empty() {
                // A stream that depends on itself.
                payload = [&stream(number).to_be_bytes()[..], &[0]].concat();
            }
            let flags = if kind == HEADERS { END_HEADERS } else { 0 };
            let pair = [
                get_on(stream(number)),
                Frame::new(kind, flags, stream(number), payload),
            ];
            client
                .send(&pair.iter().flat_map(Frame::bytes).collect::<Vec<u8>>())
                .await;
        }
        client.send(&Frame::new(GOAWAY, 0, 0, [0; 8]).bytes()).await;
        ended(&mut client).await?;
        bench.probe().await?;
    }
    bench.leaves_nothing().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_never_ends_is_not_read() -> anyhow::Result<()> {
    let bench = Bench::set().await?;
    let mut client = Frames::to(bench.serve.http).await?;
    client
        .send(&Frame::new(HEADERS, END_STREAM, 1, block(GET.iter().copied())).bytes())
        .await;
    for _ in 0..50 {
        let field = block([("x", "y")]);
        client
            .send(&Frame::new(CONTINUATION, 0, 1, field).bytes())
            .await;
    }
    assert!(
        ended(&mut client).await?.is_some(),
        "a GOAWAY says that it is too much"
    );
    assert!(bench.probe().await?.requests.is_empty());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn small_fields_are_counted_crumbs_as_one() -> anyhow::Result<()> {
    let bench = Bench::set().await?;
    let empty: &[u8] = b"";
    let with = |name: &'static str, count: usize| {
        let fields = GET
            .iter()
            .copied()
            .chain(std::iter::repeat_n((name, empty), count));
        headers(END_STREAM, fields)
    };
    let many = fault(&bench, &[with("x", 101)], Refuse).await?;
    assert_eq!(many, None, "101 fields");
    let crumbs = fault(&bench, &[with("cookie", 300)], Forward("GET /", HOST)).await?;
    assert_eq!(crumbs, None, "300 crumbs");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_too_many_is_refused_and_the_others_are_served() -> anyhow::Result<()> {
    const MOST: u32 = 100;
    const REFUSED_STREAM: u32 = 7;
    let bench = Bench::set().await?;
    let mut client = Frames::to(bench.serve.http).await?;
    for number in 0..=MOST {
        let head = block(POST.iter().copied());
        let head = Frame::new(HEADERS, END_HEADERS, stream(number), head);
        client.send(&head.bytes()).await;
    }
    let refused = client.until(RST_STREAM).await?;
    assert_eq!(refused.stream, stream(MOST));
    assert_eq!(refused.code(), Some(REFUSED_STREAM));
    for number in 0..MOST {
        let end = Frame::new(DATA, END_STREAM, stream(number), []);
        client.send(&end.bytes()).await;
    }
    let mut answered = 0;
    while answered < MOST {
        answered += u32::from(client.until(HEADERS).await?.payload.first() == Some(&0x88));
    }
    Ok(())
}

/// They are few bytes a frame, as in an attack, and no attack.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_may_have_many_small_messages() -> anyhow::Result<()> {
    /// A stream's window full of the smallest that gRPC has.
    const MESSAGES: usize = 13_000;
    let bench = Bench::set().await?;
    let mut client = Frames::to(bench.serve.http).await?;
    client.send(&headers(0, POST.iter().copied()).bytes()).await;
    let messages = Frame::new(DATA, 0, 1, [0; 5]).bytes().repeat(MESSAGES);
    client.send(&messages).await;
    client
        .send(&Frame::new(DATA, END_STREAM, 1, []).bytes())
        .await;
    assert_eq!(outcome(&mut client, 1).await?, Some(0x88));
    let recorded = bench.probe().await?;
    assert_eq!(recorded.requests[0].body.len(), 5 * MESSAGES);
    Ok(())
}

//! HTTP/2 backends made of frames by hand: what they take back is asked again, what they cut has no end, what they make up
//! does not reach a client, and what a client takes back they learn at once.

use crate::played::Played;
use haldane_tests::frames::{
    DATA, END_HEADERS, END_STREAM, Frame, Frames, GOAWAY, HEADERS, INITIAL_WINDOW_SIZE, RST_STREAM,
    block,
};

/// Codes of RST_STREAM and GOAWAY (RFC 9113, section 7).
const NO_ERROR: u32 = 0;
const INTERNAL_ERROR: u32 = 2;
const REFUSED_STREAM: u32 = 7;
const CANCEL: u32 = 8;

const CALL: [(&str, &str); 6] = [
    (":method", "POST"),
    (":scheme", "http"),
    (":authority", "a"),
    (":path", "/test.Greeter/Once"),
    ("content-type", "application/grpc"),
    ("te", "trailers"),
];
const GOOD: [(&str, &str); 2] = [(":status", "200"), ("content-type", "application/grpc")];
const TRAILERS: [(&str, &str); 1] = [("grpc-status", "0")];
/// A message of five bytes as gRPC frames it.
const MESSAGE: &[u8] = b"\0\0\0\0\x05hello";

fn headers(stream: u32, flags: u8, fields: &[(&str, &str)]) -> Frame {
    let fields = fields.iter().copied();
    Frame::new(HEADERS, flags | END_HEADERS, stream, block(fields))
}

fn reset(stream: u32, code: u32) -> Frame {
    Frame::new(RST_STREAM, 0, stream, code.to_be_bytes())
}

async fn send(peer: &mut Frames, frames: &[Frame]) {
    let bytes: Vec<u8> = frames.iter().flat_map(Frame::bytes).collect();
    peer.send(&bytes).await;
}

/// The next frame of this kind.
async fn next(peer: &mut Frames, kind: u8) -> anyhow::Result<Frame> {
    while let Some(frame) = peer.next().await? {
        if frame.kind == kind {
            return Ok(frame);
        }
    }
    anyhow::bail!("closed before a frame of kind {kind}");
}

/// A client that has called, and the backend that has the call, with its stream there.
async fn called(played: &Played, flags: u8) -> anyhow::Result<(Frames, Frames, u32)> {
    let mut client = Frames::to(played.serve.http).await?;
    send(&mut client, &[headers(1, flags, &CALL)]).await;
    let mut backend = Frames::serving(played.stream().await?).await?;
    let stream = next(&mut backend, HEADERS).await?.stream;
    Ok((client, backend, stream))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_taken_back_is_taken_back_behind_us_too() -> anyhow::Result<()> {
    // whether the answer has begun
    for begun in [false, true] {
        let played = Played::h2(&[]).await?;
        let (mut client, mut backend, stream) = called(&played, 0).await?;
        if begun {
            let answer = [
                headers(stream, 0, &GOOD),
                Frame::new(DATA, 0, stream, MESSAGE),
            ];
            send(&mut backend, &answer).await;
            next(&mut client, DATA).await?;
        }
        send(&mut client, &[reset(1, CANCEL)]).await;
        let seen = next(&mut backend, RST_STREAM).await?;
        assert_eq!(
            (seen.stream, seen.code()),
            (stream, Some(CANCEL)),
            "{begun}"
        );
    }
    Ok(())
}

/// How an answer is cut behind its first message.
#[derive(Clone, Copy, Debug)]
enum Cut {
    Reset(u32),
    Close,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_cut_has_no_end() -> anyhow::Result<()> {
    for cut in [Cut::Reset(INTERNAL_ERROR), Cut::Reset(NO_ERROR), Cut::Close] {
        let played = Played::h2(&[]).await?;
        let (mut client, mut backend, stream) = called(&played, END_STREAM).await?;
        let answer = [
            headers(stream, 0, &GOOD),
            Frame::new(DATA, 0, stream, MESSAGE),
        ];
        send(&mut backend, &answer).await;
        next(&mut client, DATA).await?;
        match cut {
            Cut::Reset(code) => send(&mut backend, &[reset(stream, code)]).await,
            Cut::Close => drop(backend),
        }
        loop {
            let frame = client.next().await?;
            let frame = frame.ok_or_else(|| anyhow::anyhow!("{cut:?}: closed"))?;
            let ends = matches!(frame.kind, DATA | HEADERS) && frame.flags & END_STREAM != 0;
            assert!(!ends, "{cut:?}: {frame:?}");
            if frame.kind == RST_STREAM {
                break;
            }
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn small_messages_that_wait_for_one_client_end_no_other_call() -> anyhow::Result<()> {
    /// As many as fit into a stream's window.
    const MESSAGES: usize = 6_000;
    let played = Played::h2(&[]).await?;
    let mut deaf = Frames::with(played.serve.http, &[(INITIAL_WINDOW_SIZE, 0)]).await?;
    send(&mut deaf, &[headers(1, END_STREAM, &CALL)]).await;
    let mut backend = Frames::serving(played.stream().await?).await?;
    let stream = next(&mut backend, HEADERS).await?.stream;
    let mut answer = vec![headers(stream, 0, &GOOD)];
    answer.resize(1 + MESSAGES, Frame::new(DATA, 0, stream, MESSAGE));
    send(&mut backend, &answer).await;
    next(&mut deaf, HEADERS).await?;

    let mut other = Frames::to(played.serve.http).await?;
    send(&mut other, &[headers(1, END_STREAM, &CALL)]).await;
    let stream = next(&mut backend, HEADERS).await?.stream;
    let answer = [
        headers(stream, 0, &GOOD),
        Frame::new(DATA, 0, stream, MESSAGE),
        headers(stream, END_STREAM, &TRAILERS),
    ];
    send(&mut backend, &answer).await;
    next(&mut other, DATA).await?;
    let trailers = next(&mut other, HEADERS).await?;
    assert_ne!(trailers.flags & END_STREAM, 0);
    Ok(())
}

/// How a backend says that it has not looked at a stream.
#[derive(Clone, Copy, Debug)]
enum Unseen {
    Refused,
    Above,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_refused_is_asked_again() -> anyhow::Result<()> {
    for unseen in [Unseen::Refused, Unseen::Above] {
        let played = Played::h2(&[]).await?;
        let (mut client, mut backend, stream) = called(&played, END_STREAM).await?;
        let mut second = match unseen {
            Unseen::Refused => {
                send(&mut backend, &[reset(stream, REFUSED_STREAM)]).await;
                backend
            }
            Unseen::Above => {
                // No stream was looked at: the last one is 0.
                send(&mut backend, &[Frame::new(GOAWAY, 0, 0, [0; 8])]).await;
                Frames::serving(played.stream().await?).await?
            }
        };
        let stream = next(&mut second, HEADERS).await?.stream;
        let answer = [
            headers(stream, 0, &GOOD),
            Frame::new(DATA, 0, stream, MESSAGE),
            headers(stream, END_STREAM, &TRAILERS),
        ];
        send(&mut second, &answer).await;
        let head = next(&mut client, HEADERS).await?;
        // The first field of an answer is its status: 200.
        assert_eq!(head.payload.first(), Some(&0x88), "{unseen:?}");
        assert_eq!(next(&mut client, DATA).await?.payload, MESSAGE);
        assert_ne!(next(&mut client, HEADERS).await?.flags & END_STREAM, 0);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_came_with_its_message_is_asked_again_with_it() -> anyhow::Result<()> {
    let played = Played::h2(&[]).await?;
    let mut client = Frames::to(played.serve.http).await?;
    let call = [
        headers(1, 0, &CALL),
        Frame::new(DATA, END_STREAM, 1, MESSAGE),
    ];
    send(&mut client, &call).await;
    let mut backend = Frames::serving(played.stream().await?).await?;
    for attempt in ["first", "second"] {
        let stream = next(&mut backend, HEADERS).await?.stream;
        let message = next(&mut backend, DATA).await?;
        assert_eq!(
            (message.stream, &*message.payload),
            (stream, MESSAGE),
            "{attempt}"
        );
        assert_ne!(message.flags & END_STREAM, 0, "{attempt}");
        if attempt == "first" {
            send(&mut backend, &[reset(stream, REFUSED_STREAM)]).await;
        } else {
            assert_eq!(next_stream(&mut client, &mut backend, stream).await?, 1);
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_may_have_been_looked_at_is_not_asked_again() -> anyhow::Result<()> {
    let played = Played::h2(&[]).await?;
    let (mut client, mut backend, stream) = called(&played, END_STREAM).await?;
    send(&mut backend, &[reset(stream, INTERNAL_ERROR)]).await;
    let head = next(&mut client, HEADERS).await?;
    assert_ne!(head.flags & END_STREAM, 0, "an answer without a message");
    // Whatever comes to the backend next is another call.
    let mut probe = CALL;
    probe[3] = (":path", "/test.Greeter/Probe");
    send(&mut client, &[headers(3, END_STREAM, &probe)]).await;
    let block = next(&mut backend, HEADERS).await?.payload;
    let text = String::from_utf8_lossy(&block).into_owned();
    assert_eq!(
        next_stream(&mut client, &mut backend, stream + 2).await?,
        3,
        "{text:?}"
    );
    Ok(())
}

/// Answers a stream; the client's stream that gets it.
async fn next_stream(
    client: &mut Frames,
    backend: &mut Frames,
    stream: u32,
) -> anyhow::Result<u32> {
    send(backend, &[headers(stream, END_STREAM, &GOOD)]).await;
    Ok(next(client, HEADERS).await?.stream)
}

type Fields = &'static [(&'static str, &'static str)];

/// Answers that HTTP/1.1 clients could understand differently; each is a bad one, or has no end.
const BAD: &[(&str, Fields, &[u8])] = &[
    (
        "line end in a value",
        &[(":status", "200"), ("set-cookie", "a\r\nX-Smug: y")],
        b"ok",
    ),
    (
        "line feed in a value",
        &[(":status", "200"), ("set-cookie", "a\nX-Smug: y")],
        b"ok",
    ),
    (
        "NUL in a value",
        &[(":status", "200"), ("x", "a\0X-Smug: y")],
        b"ok",
    ),
    (
        "line end in a name",
        &[(":status", "200"), ("x\r\nX-Smug", "y")],
        b"ok",
    ),
    (
        "capitals in a name",
        &[(":status", "200"), ("X-Smug", "y")],
        b"ok",
    ),
    (
        "coding",
        &[
            (":status", "200"),
            ("transfer-encoding", "chunked"),
            ("x-smug", "y"),
        ],
        b"ok",
    ),
    (
        "connection",
        &[
            (":status", "200"),
            ("connection", "x-smug"),
            ("x-smug", "y"),
        ],
        b"ok",
    ),
    ("no status", &[("x-smug", "y")], b"ok"),
    (
        "status of two digits",
        &[(":status", "99"), ("x-smug", "y")],
        b"ok",
    ),
    (
        "status twice",
        &[(":status", "200"), (":status", "404"), ("x-smug", "y")],
        b"ok",
    ),
    (
        "status behind a field",
        &[("x-smug", "y"), (":status", "200")],
        b"ok",
    ),
    ("switch", &[(":status", "101"), ("x-smug", "y")], b"ok"),
    (
        "more than announced",
        &[
            (":status", "200"),
            ("content-length", "1"),
            ("x-length", "y"),
        ],
        b"ok",
    ),
    (
        "less than announced",
        &[
            (":status", "200"),
            ("content-length", "3"),
            ("x-length", "y"),
        ],
        b"ok",
    ),
    (
        "two lengths",
        &[
            (":status", "200"),
            ("content-length", "2"),
            ("content-length", "3"),
            ("x-smug", "y"),
        ],
        b"ok",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_answer_in_frames_never_looks_like_a_good_one() -> anyhow::Result<()> {
    let mut faults = Vec::new();
    for (id, fields, body) in BAD {
        let played = Played::h2(&[]).await?;
        let get = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        let mut client = played.client(get).await?;
        let mut backend = Frames::serving(played.stream().await?).await?;
        let stream = next(&mut backend, HEADERS).await?.stream;
        let answer = [
            headers(stream, 0, fields),
            Frame::new(DATA, END_STREAM, stream, *body),
        ];
        send(&mut backend, &answer).await;
        let answer = client.read_to_end().await?;
        let smuggled = answer.to_ascii_lowercase().contains("x-smug");
        // An answer that began well enough is cut, perhaps before its head was written.
        let is_cut = answer.is_empty()
            || (answer.contains("x-length")
                && !answer.ends_with("\r\n\r\nok")
                && !answer.ends_with("0\r\n\r\n"));
        if smuggled || !(answer.starts_with("HTTP/1.1 502 ") || is_cut) {
            faults.push(format!("{id}: {answer:?}"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    Ok(())
}

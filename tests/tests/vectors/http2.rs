//! HTTP/2 messages that must not become HTTP/1.1 ones as they are, made of frames by hand.

mod floods;
mod messages;

pub(crate) use self::messages::Verdict;
use self::messages::Verdict::{Forward, Refuse};
use self::messages::{BODIES, Fields, HEADS, MORE};
pub(crate) use self::messages::{GET, POST};
use super::Bench;
use haldane_tests::frames::{
    DATA, END_HEADERS, END_STREAM, Frame, Frames, GOAWAY, HEADERS, RST_STREAM, block,
};

/// How a stream ended: the first byte of its answer's header block, where there was one. 0x88 stands for 200.
pub(crate) async fn outcome(frames: &mut Frames, stream: u32) -> anyhow::Result<Option<u8>> {
    let mut status = None;
    while let Some(frame) = frames.next().await? {
        let ours = frame.stream == stream;
        match frame.kind {
            HEADERS if ours && status.is_none() => status = frame.payload.first().copied(),
            RST_STREAM if ours => return Ok(status.filter(|_| frame.code() == Some(0))),
            GOAWAY => return Ok(None),
            _ => {}
        }
        if ours && matches!(frame.kind, HEADERS | DATA) && frame.flags & END_STREAM != 0 {
            return Ok(status);
        }
    }
    Ok(None)
}

/// Whether a backend got trailers that it must not see.
fn decides(trailers: &[(String, Vec<u8>)]) -> bool {
    trailers.iter().any(|(name, _)| name != "x")
}

async fn fault(
    bench: &Bench,
    frames: &[Frame],
    verdict: Verdict,
) -> anyhow::Result<Option<String>> {
    let mut client = Frames::to(bench.serve.http).await?;
    let bytes: Vec<u8> = frames.iter().flat_map(Frame::bytes).collect();
    client.send(&bytes).await;
    let ended = outcome(&mut client, 1).await?;
    let recorded = bench.probe().await?;
    let held = match verdict {
        Refuse => ended != Some(0x88) && recorded.requests.is_empty(),
        Forward(line, (name, value)) => {
            let same = matches!(&recorded.requests[..], [request] if request.line() == line
                && request.all(name) == [value] && !decides(&request.trailers));
            same && ended == Some(0x88)
        }
    };
    let held = held && recorded.faults.is_empty();
    Ok((!held).then(|| format!("ended with {ended:x?}, forwarded {recorded:?}")))
}

fn headers(flags: u8, fields: impl IntoIterator<Item = (&'static str, &'static [u8])>) -> Frame {
    Frame::new(HEADERS, flags | END_HEADERS, 1, block(fields))
}

/// All messages: a name, the frames, what has to become of it.
pub(crate) fn all() -> Vec<(&'static str, Vec<Frame>, Verdict)> {
    let behind = |more: Fields| GET.iter().chain(more).copied();
    let more = MORE
        .iter()
        .map(|(id, more, verdict)| (*id, vec![headers(END_STREAM, behind(more))], *verdict));
    let heads = HEADS.iter().map(|(id, head, verdict)| {
        (
            *id,
            vec![headers(END_STREAM, head.iter().copied())],
            *verdict,
        )
    });
    let bodies = BODIES.iter().map(|(id, more, body, trailers, verdict)| {
        let head = headers(0, POST.iter().chain(*more).copied());
        let ends = if trailers.is_empty() { END_STREAM } else { 0 };
        let mut frames = vec![head, Frame::new(DATA, ends, 1, *body)];
        if !trailers.is_empty() {
            frames.push(headers(END_STREAM, trailers.iter().copied()));
        }
        (*id, frames, *verdict)
    });
    more.chain(heads).chain(bodies).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_in_frames_is_forwarded_cleanly_or_not_at_all() -> anyhow::Result<()> {
    let bench = Bench::set().await?;
    let mut faults = Vec::new();
    for (id, frames, verdict) in all() {
        let fault = fault(&bench, &frames, verdict).await?;
        faults.extend(fault.map(|fault| format!("{id}: {fault}")));
    }
    let count = faults.len();
    assert!(faults.is_empty(), "{count} faults:\n{}", faults.join("\n"));
    bench.leaves_nothing().await
}

/// A byte that no field may hold, at the ends of a name or a value of each field that decides.
#[tokio::test(flavor = "multi_thread")]
async fn a_stray_byte_in_a_field_of_frames_is_never_forwarded() -> anyhow::Result<()> {
    let bench = Bench::set().await?;
    let mut faults = Vec::new();
    for (name, value) in [
        ("host", "a"),
        ("content-length", "0"),
        ("cookie", "b"),
        (":path", "/"),
    ] {
        for byte in (0x00..=0x20).chain([0x7f]) {
            let one = |text: &str| [text.as_bytes(), &[byte]].concat();
            let other = |text: &str| [&[byte], text.as_bytes()].concat();
            let plain = |text: &str| text.as_bytes().to_vec();
            let placed = [
                (one(name), plain(value)),
                (other(name), plain(value)),
                (plain(name), one(value)),
                (plain(name), other(value)),
            ];
            for (name, value) in placed {
                let fields = GET
                    .iter()
                    .filter(|(given, _)| given.as_bytes() != name)
                    .map(|(name, value)| (name.as_bytes().to_vec(), value.to_vec()))
                    .chain([(name.clone(), value.clone())]);
                let frame = Frame::new(HEADERS, END_STREAM | END_HEADERS, 1, block(fields));
                let fault = fault(&bench, &[frame], Refuse).await?;
                faults.extend(fault.map(|fault| format!("{name:x?} {value:x?}: {fault}")));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    Ok(())
}

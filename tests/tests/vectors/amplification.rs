//! Nobody gets much for little: whatever is sent costs a proxy no more than ten times the processor time and the memory
//! that plain messages of as many bytes cost. Both are counted by the system, and compared with each other alone.

use crate::rows::ROWS;
use crate::{Bench, answers, expand, http2};
use haldane_tests::frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, Frame, Frames, GOAWAY, HEADERS,
    INITIAL_WINDOW_SIZE, PING, PRIORITY, RST_STREAM, SETTINGS, WINDOW_UPDATE, block,
};
use haldane_tests::raw::{Pace, Raw};
use haldane_tests::scale::scaled;
use haldane_tests::usage;

/// How much more than a plain message one may cost.
const TIMES: u64 = 10;

/// Less processor time than this, in nanoseconds, the system may count with whatever comes next: what a thread has used is
/// written down when it stops or a clock ticks.
const CPU_MIN: u64 = 1_000_000;

/// Less memory than this, in bytes, an allocator takes or keeps by itself.
const MEMORY_MIN: u64 = 1 << 20;

/// How often something is seen to cost too much before it does: what plain messages cost differs by half from one time to
/// the next.
const TRIES_MAX: usize = 3;

/// How often each is sent at once, so that what is counted is not one accident.
const COPIES: u64 = 6;

/// Requests on one connection whose bytes a flood has.
const FLOOD: u32 = 100;

const PLAIN: &str = "GET / HTTP/1.1\r\nHost: a\r\n";

/// What costs too much, and the most that anything did.
struct Meter {
    process: u32,
    /// Memory before anything was asked, in bytes.
    before: u64,
    /// How much more there was at most with plain messages alone.
    plain: u64,
    faults: Vec<String>,
    worst: (f64, &'static str),
}

impl Meter {
    /// `plain` is a plain message as large as any.
    async fn of(
        process: u32,
        plain: impl Future<Output = anyhow::Result<()>>,
    ) -> anyhow::Result<Self> {
        let mut meter = Self {
            process,
            before: usage::memory(process, "VmRSS")?,
            plain: 0,
            faults: Vec::new(),
            worst: (0.0, "nothing"),
        };
        plain.await?;
        meter.plain = meter.grown()?.max(MEMORY_MIN);
        Ok(meter)
    }

    fn grown(&self) -> anyhow::Result<u64> {
        Ok(usage::memory(self.process, "VmHWM")?.saturating_sub(self.before))
    }

    /// What `sending` costs.
    async fn cpu(&self, sending: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<u64> {
        let before = usage::cpu_ns(self.process)?;
        sending.await?;
        Ok(usage::cpu_ns(self.process)?.saturating_sub(before))
    }

    /// Sends plain messages, and then this, which must not cost much more, unless by accident.
    async fn compare(
        &mut self,
        id: &'static str,
        plain: impl AsyncFn() -> anyhow::Result<()>,
        sending: impl AsyncFn() -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let mut fault = None;
        for _ in 0..TRIES_MAX {
            let due = self.cpu(plain()).await?.max(CPU_MIN);
            let spent = self.cpu(sending()).await?;
            fault = self.judge(id, spent, due)?;
            if fault.is_none() {
                break;
            }
        }
        self.faults.extend(fault);
        Ok(())
    }

    fn judge(&mut self, id: &'static str, spent: u64, due: u64) -> anyhow::Result<Option<String>> {
        let times = spent as f64 / due as f64;
        if times > self.worst.0 {
            self.worst = (times, id);
        }
        let (grown, plain) = (self.grown()?, self.plain);
        let bad = spent > TIMES * due || grown > TIMES * plain;
        Ok(bad.then(|| {
            format!("{id}: {spent} ns where {due} are due, {grown} bytes where {plain} are")
        }))
    }

    #[track_caller]
    fn assert_none(&self) {
        let (times, id) = &self.worst;
        println!(
            "at most {times:.2} times, by {id}; {} KiB of memory, {} KiB if all is plain",
            self.grown().unwrap_or(0) >> 10,
            self.plain >> 10
        );
        assert!(self.faults.is_empty(), "{}", self.faults.join("\n"));
    }
}

/// Has all copies open at once, then says that nothing follows and reads what comes back.
async fn send(bench: &Bench, bytes: &[u8]) -> anyhow::Result<()> {
    let mut clients = Vec::new();
    for _ in 0..scaled(COPIES) {
        let mut client = Raw::to(bench.serve.http).await?;
        client.write(bytes, Pace::Whole).await;
        clients.push(client);
    }
    for client in &mut clients {
        client.finish().await;
        client.read_to_end().await?;
    }
    bench.recorder.take();
    Ok(())
}

/// The same for frames.
async fn send_frames(bench: &Bench, bytes: &[u8]) -> anyhow::Result<()> {
    let mut clients = Vec::new();
    for _ in 0..scaled(COPIES) {
        let mut client = Frames::to(bench.serve.http).await?;
        client.send(bytes).await;
        clients.push(client);
    }
    for client in &mut clients {
        client.send(&Frame::new(GOAWAY, 0, 0, [0; 8]).bytes()).await;
        while client.next().await?.is_some() {}
    }
    bench.recorder.take();
    Ok(())
}

/// Has a backend answer so, as often.
async fn play(bench: &answers::Bench, bytes: &[u8]) -> anyhow::Result<()> {
    bench.scripted.say_and_close(bytes, Pace::Whole);
    for _ in 0..scaled(COPIES) {
        bench.answer("POST").await?;
        bench.scripted.quiet().await?;
    }
    Ok(())
}

/// A plain request of so many bytes, or of as few as there can be.
fn plain_request(bytes: usize) -> Vec<u8> {
    let more = bytes.saturating_sub(PLAIN.len() + "X: \r\n\r\n".len());
    format!("{PLAIN}X: {}\r\n\r\n", "y".repeat(more)).into_bytes()
}

fn plain_answer(bytes: usize) -> Vec<u8> {
    let head = |length: usize| format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
    let body = bytes.saturating_sub(head(bytes).len());
    format!("{}{}", head(body), "y".repeat(body)).into_bytes()
}

/// Plain requests, one a stream, of so many bytes in all, or one as short as it can be.
fn plain_frames(bytes: usize) -> Vec<u8> {
    let get = |number: u32, more: usize| {
        let field = "y".repeat(more);
        let fields = [("x", field.as_bytes())];
        let fields = http2::GET.iter().copied().chain(fields);
        request(number, END_STREAM, block(fields)).bytes()
    };
    let shortest = get(0, 0).len();
    let count = (bytes / shortest).clamp(1, FLOOD as usize);
    let more = (bytes / count).saturating_sub(shortest);
    (0..count as u32)
        .flat_map(|number| get(number, more))
        .collect()
}

/// The head of the request of this number.
fn request(number: u32, flags: u8, block: Vec<u8>) -> Frame {
    Frame::new(HEADERS, flags | END_HEADERS, stream(number), block)
}

/// Streams of clients are odd.
fn stream(number: u32) -> u32 {
    2 * number + 1
}

fn get(number: u32) -> Frame {
    request(number, END_STREAM, block(http2::GET.iter().copied()))
}

/// Frames that are cheap to send, as often as fits into the bytes of [`FLOOD`] requests.
fn flood(frames: impl Fn(u32) -> Vec<Frame>) -> Vec<u8> {
    let size = FLOOD as usize * get(0).bytes().len();
    let all = (0..).flat_map(|number| frames(number).into_iter());
    let mut bytes = Vec::new();
    for frame in all {
        let frame = frame.bytes();
        if bytes.len() + frame.len() > size {
            break;
        }
        bytes.extend(frame);
    }
    bytes
}

/// A request whose head is one frame, and more that hold a small field each.
fn continued(number: u32) -> Vec<Frame> {
    let head = block(http2::GET.iter().copied());
    let mut frames = vec![Frame::new(HEADERS, END_STREAM, stream(number), head)];
    for left in (0..4).rev() {
        let ends = if left == 0 { END_HEADERS } else { 0 };
        frames.push(Frame::new(
            CONTINUATION,
            ends,
            stream(number),
            block([("x", "y")]),
        ));
    }
    frames
}

/// A request whose many fields are written once and then named by a byte each (RFC 7541, section 6.1).
fn indexed(name: &str, times: usize) -> impl Fn(u32) -> Vec<Frame> {
    let value = "y".repeat(100);
    let mut literal = block([(name, value)]);
    literal[0] = 0x40;
    move |number| {
        let mut head = block(http2::GET.iter().copied());
        head.extend(&literal);
        head.extend(std::iter::repeat_n(0xbe, times));
        vec![request(number, END_STREAM, head)]
    }
}

/// A flood before a request's body ends.
fn amid_a_body(frame: impl Fn(u32) -> Frame) -> Vec<u8> {
    let head = request(0, 0, block(http2::POST.iter().copied()));
    let end = Frame::new(DATA, END_STREAM, stream(0), []);
    let amid = flood(|number| vec![frame(number)]);
    [head.bytes(), amid, end.bytes()].concat()
}

fn floods() -> Vec<(&'static str, Vec<u8>)> {
    let code = |code: u32| code.to_be_bytes();
    let windows = |number: u32| {
        let [_, _, high, low] = (number % 2 * 0xffff).to_be_bytes();
        [INITIAL_WINDOW_SIZE.to_be_bytes(), [0, 0], [high, low]].concat()
    };
    let taken_back = |number| {
        vec![
            get(number),
            Frame::new(RST_STREAM, 0, stream(number), code(8)),
        ]
    };
    let misused = |number| {
        vec![
            get(number),
            Frame::new(WINDOW_UPDATE, 0, stream(number), code(0)),
        ]
    };
    vec![
        ("taken back", flood(taken_back)),
        ("made to be reset", flood(misused)),
        ("pings", flood(|_| vec![Frame::new(PING, 0, 0, [0; 8])])),
        ("settings", flood(|_| vec![Frame::new(SETTINGS, 0, 0, [])])),
        (
            "windows of all streams",
            amid_a_body(|number| Frame::new(SETTINGS, 0, 0, windows(number))),
        ),
        (
            "windows",
            amid_a_body(|_| Frame::new(WINDOW_UPDATE, 0, 1, code(1))),
        ),
        (
            "priorities",
            flood(|number| vec![Frame::new(PRIORITY, 0, stream(number), [0; 5])]),
        ),
        ("empty data", amid_a_body(|_| Frame::new(DATA, 0, 1, []))),
        (
            "data by the byte",
            amid_a_body(|_| Frame::new(DATA, 0, 1, [b'y'])),
        ),
        (
            "frames of no kind",
            flood(|_| vec![Frame::new(0xff, 0, 0, [])]),
        ),
        ("heads in pieces", flood(continued)),
        ("fields by the byte", flood(indexed("x", 90))),
        ("crumbs by the byte", flood(indexed("cookie", 200))),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_costs_more_than_plain_ones_of_its_size() -> anyhow::Result<()> {
    let bench = Bench::set().await?;
    let largest = ROWS.iter().map(|row| expand(row.bytes).len()).max();
    let largest = plain_request(largest.unwrap_or(0));
    let mut meter = Meter::of(bench.serve.id()?, send(&bench, &largest)).await?;
    for row in ROWS {
        let bytes = expand(row.bytes);
        let plain = plain_request(bytes.len());
        let (plain, sending) = (
            async || send(&bench, &plain).await,
            async || send(&bench, &bytes).await,
        );
        meter.compare(row.id, plain, sending).await?;
    }
    meter.assert_none();
    bench.leaves_nothing().await
}

#[tokio::test(flavor = "multi_thread")]
async fn no_frames_cost_more_than_plain_requests_of_their_size() -> anyhow::Result<()> {
    let bench = Bench::set().await?;
    let largest: Vec<u8> = (0..FLOOD).flat_map(|number| get(number).bytes()).collect();
    let mut meter = Meter::of(bench.serve.id()?, send_frames(&bench, &largest)).await?;
    let messages = http2::all().into_iter().map(|(id, frames, _)| {
        let bytes: Vec<u8> = frames.iter().flat_map(Frame::bytes).collect();
        (id, bytes)
    });
    for (id, bytes) in messages.chain(floods()) {
        let plain = plain_frames(bytes.len());
        let (plain, sending) = (
            async || send_frames(&bench, &plain).await,
            async || send_frames(&bench, &bytes).await,
        );
        meter.compare(id, plain, sending).await?;
    }
    meter.assert_none();
    bench.leaves_nothing().await
}

#[tokio::test(flavor = "multi_thread")]
async fn no_answer_costs_more_than_plain_ones_of_its_size() -> anyhow::Result<()> {
    let bench = answers::Bench::set().await?;
    let largest = answers::all().map(|(_, bytes)| bytes.len()).max();
    let largest = plain_answer(largest.unwrap_or(0));
    let mut meter = Meter::of(bench.serve.id()?, play(&bench, &largest)).await?;
    for (id, bytes) in answers::all() {
        let plain = plain_answer(bytes.len());
        let (plain, sending) = (
            async || play(&bench, &plain).await,
            async || play(&bench, &bytes).await,
        );
        meter.compare(id, plain, sending).await?;
    }
    meter.assert_none();
    Ok(())
}

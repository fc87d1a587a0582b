//! What a bad backend answers: the client gets 502 or a visibly cut message, never a clean end of something else, and
//! the connection is never used again.

use crate::scripted::Scripted;
use haldane_tests::manifests::{Manifests, ingress, pod, service};
use haldane_tests::raw::{Pace, Raw};
use haldane_tests::scale::{Sample, scaled};
use haldane_tests::serve::Serve;

/// What the client has to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    /// Our own 502.
    BadGateway,
    /// The head, and no end: no last chunk, or fewer bytes than announced.
    Cut,
    /// This status with this body; the connection may be used again.
    Whole(u16, &'static str),
    /// The same, and the connection is closed.
    Last(u16, &'static str),
}

use Seen::{BadGateway, Cut, Last, Whole};

/// What the backend writes before it says that nothing follows, and what the client sees.
const ROWS: &[(&str, &[u8], Seen)] = &[
    ("plain", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", Whole(200, "ok")),
    ("plain chunks", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", Whole(200, "ok")),
    ("two lengths", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok!", BadGateway),
    ("length twice", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok", BadGateway),
    ("length as a list", b"HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok", BadGateway),
    ("lengths as a list", b"HTTP/1.1 200 OK\r\nContent-Length: 2, 3\r\n\r\nok!", BadGateway),
    ("length plus", b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok", BadGateway),
    ("length huge", b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nok", BadGateway),
    ("length negative", b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok", BadGateway),
    ("length empty", b"HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\nok", BadGateway),
    ("coding and length", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 30\r\n\r\n0\r\n\r\n", BadGateway),
    ("length and coding", b"HTTP/1.1 200 OK\r\nContent-Length: 30\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", BadGateway),
    ("chunked twice", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", BadGateway),
    ("chunked on two lines", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", BadGateway),
    ("chunked, gzip", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n", BadGateway),
    ("coding unknown and length", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: foobar\r\nContent-Length: 2\r\n\r\nok", BadGateway),
    ("chunked in 1.0", b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", BadGateway),
    ("bytes after the end", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", Last(200, "ok")),
    ("bytes after the last chunk", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n", Last(200, "ok")),
    ("short", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok", Cut),
    ("no last chunk", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", Cut),
    ("chunk size 0x", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x2\r\nok\r\n0\r\n\r\n", Cut),
    ("chunk size LF", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\nok\r\n0\r\n\r\n", Cut),
    ("chunk size overflow", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000002\r\nok\r\n0\r\n\r\n", Cut),
    ("chunk spill", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nokXX0\r\n\r\n", Cut),
    ("chunk extension with LF", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;a\nb\r\nok\r\n0\r\n\r\n", Cut),
    ("bare LF", b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok", BadGateway),
    ("bare LF in a field", b"HTTP/1.1 200 OK\r\nContent-Length: 2\nX: y\r\n\r\nok", BadGateway),
    ("folded", b"HTTP/1.1 200 OK\r\nX: y\r\n z\r\nContent-Length: 2\r\n\r\nok", BadGateway),
    ("NUL in a field", b"HTTP/1.1 200 OK\r\nX: a\x00b\r\nContent-Length: 2\r\n\r\nok", BadGateway),
    ("CR in a field", b"HTTP/1.1 200 OK\r\nX: a\rb\r\nContent-Length: 2\r\n\r\nok", BadGateway),
    ("space before the colon", b"HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok", BadGateway),
    ("status 99", b"HTTP/1.1 99 OK\r\nContent-Length: 2\r\n\r\nok", BadGateway),
    ("status 999", b"HTTP/1.1 999 OK\r\nContent-Length: 2\r\n\r\nok", BadGateway),
    ("status 1000", b"HTTP/1.1 1000 OK\r\nContent-Length: 2\r\n\r\nok", BadGateway),
    ("another protocol", b"SSH-2.0-OpenSSH_9.9\r\n", BadGateway),
    ("another version", b"HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nok", BadGateway),
    ("until the close", b"HTTP/1.1 200 OK\r\n\r\nok", Last(200, "ok")),
    ("204 with a length", b"HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\nok", Last(204, "")),
    ("205 with a body", b"HTTP/1.1 205 Reset Content\r\nContent-Length: 2\r\n\r\nok", Last(205, "")),
    ("304 with a body", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\nok", Last(304, "")),
    ("101 unasked", b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", BadGateway),
    ("early hints", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", Whole(200, "ok")),
    ("interim with fields of the connection", b"HTTP/1.1 100 Continue\r\nConnection: X-Inner\r\nX-Inner: 1\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", Whole(200, "ok")),
    ("fields of the connection", b"HTTP/1.1 200 OK\r\nConnection: X-Inner\r\nX-Inner: 1\r\nKeep-Alive: X-Inner\r\nContent-Length: 2\r\n\r\nok", Whole(200, "ok")),
    ("nothing", b"", BadGateway),
];

/// Places at which an answer is cut in two, where not all of them are asked for.
const CUTS: usize = 3;

/// Rows that are too long to be written down.
fn long_rows() -> Vec<(&'static str, Vec<u8>, Seen)> {
    let of = |begin: &str, part: &str, times: usize, end: &str| {
        format!("{begin}{}{end}", part.repeat(times)).into_bytes()
    };
    let ok = "HTTP/1.1 200 OK\r\n";
    let end = "Content-Length: 2\r\n\r\nok";
    let interim = "HTTP/1.1 102 Processing\r\n\r\n";
    vec![
        (
            "a head of 1 MiB",
            of(&format!("{ok}X: "), "y", 1 << 20, &format!("\r\n{end}")),
            BadGateway,
        ),
        ("10 000 fields", of(ok, "X: y\r\n", 10_000, end), BadGateway),
        (
            "a thousand interim answers",
            of("", interim, 1_000, &format!("{ok}{end}")),
            BadGateway,
        ),
        (
            "a chunk's size of many zeros",
            of(
                &format!("{ok}Transfer-Encoding: chunked\r\n\r\n"),
                "0",
                4096,
                "2\r\nok\r\n0\r\n\r\n",
            ),
            Cut,
        ),
    ]
}

/// The bytes of all rows, with their names.
pub(crate) fn all() -> impl Iterator<Item = (&'static str, Vec<u8>)> {
    let rows = ROWS.iter().map(|(id, bytes, _)| (*id, bytes.to_vec()));
    rows.chain(long_rows().into_iter().map(|(id, bytes, _)| (id, bytes)))
}

/// What of an answer is there: its status, and its body if it has a clean end.
fn read(answer: &str) -> (u16, Option<String>) {
    let status = answer
        .get(9..12)
        .and_then(|status| status.parse().ok())
        .unwrap_or(0);
    let Some((head, body)) = answer.split_once("\r\n\r\n") else {
        return (status, None);
    };
    let head = head.to_ascii_lowercase();
    let length = head
        .split("\r\n")
        .find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
    let whole = match length {
        _ if matches!(status, 204 | 304) => Some(body.to_owned()),
        Some(length) => (body.len() == length).then(|| body.to_owned()),
        None => dechunked(body),
    };
    (status, whole)
}

fn dechunked(mut text: &str) -> Option<String> {
    let mut body = String::new();
    loop {
        let (size, rest) = text.split_once("\r\n")?;
        let size = usize::from_str_radix(size, 16).ok()?;
        body.push_str(rest.get(..size)?);
        text = rest.get(size..)?.strip_prefix("\r\n")?;
        if size == 0 {
            return text.is_empty().then_some(body);
        }
    }
}

fn holds(seen: Seen, answer: &str) -> bool {
    if answer.to_ascii_lowercase().contains("x-inner") {
        return false;
    }
    match (seen, read(answer)) {
        (BadGateway, (status, _)) => status == 502,
        (Cut, (status, body)) => status == 502 || body.is_none(),
        (Whole(status, body) | Last(status, body), read) => read == (status, Some(body.to_owned())),
    }
}

/// A proxy before a backend of a few words.
pub(crate) struct Bench {
    pub(crate) scripted: Scripted,
    pub(crate) serve: Serve,
    _manifests: Manifests,
}

impl Bench {
    pub(crate) async fn set() -> anyhow::Result<Self> {
        let scripted = Scripted::start().await?;
        let manifests = Manifests::of(&[
            service("web", &[]),
            ingress("web", &[], "a", "web"),
            pod("web", "1.0", scripted.address()),
        ])?;
        Ok(Self {
            serve: Serve::start_with(manifests.path(), &["--workers", "1"]).await?,
            scripted,
            _manifests: manifests,
        })
    }

    /// What a request is answered with. A POST is sent once, so that each row is one exchange.
    pub(crate) async fn answer(&self, method: &str) -> anyhow::Result<String> {
        let mut client = Raw::to(self.serve.http).await?;
        let request = format!("{method} / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        client.write(request.as_bytes(), Pace::Whole).await;
        client.read_to_end().await
    }

    /// What is wrong with the way an answer was treated.
    async fn fault(&self, bytes: &[u8], seen: Seen, pace: Pace) -> anyhow::Result<Option<String>> {
        self.scripted.say_and_close(bytes, pace);
        let answer = self.answer("POST").await?;
        self.scripted.quiet().await?;
        Ok((!holds(seen, &answer)).then(|| format!("{pace:?}: {seen:?} was due, {answer:?} came")))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_answer_never_looks_like_a_good_one() -> anyhow::Result<()> {
    let bench = Bench::set().await?;
    let sample = Sample::new();
    let mut faults = Vec::new();
    for (id, bytes, seen) in ROWS {
        let places: Vec<usize> = (1..bytes.len()).collect();
        let count = if scaled(1) > 1 { places.len() } else { CUTS };
        let cuts = sample.of(places, count).into_iter().map(Pace::CutAt);
        for pace in [Pace::Whole, Pace::ByteByByte].into_iter().chain(cuts) {
            let fault = bench.fault(bytes, *seen, pace).await?;
            faults.extend(fault.map(|fault| format!("{id}, {fault}")));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_of_many_bytes_is_cut_by_a_bound() -> anyhow::Result<()> {
    let bench = Bench::set().await?;
    for (id, bytes, seen) in long_rows() {
        let fault = bench.fault(&bytes, seen, Pace::Whole).await?;
        assert_eq!(fault, None, "{id}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_with_a_bad_answer_carries_no_other_request() -> anyhow::Result<()> {
    let bench = Bench::set().await?;
    // Those whose end is the connection's are not asked here.
    let ended = [
        "short",
        "no last chunk",
        "until the close",
        "nothing",
        "another protocol",
        "chunk size overflow",
    ];
    for (id, bytes, seen) in ROWS.iter().filter(|(id, ..)| !ended.contains(id)) {
        bench.scripted.say_and_wait(bytes, Pace::Whole);
        let answer = bench.answer("POST").await?;
        assert!(holds(*seen, &answer), "{id}: {answer}");
        let before = bench.scripted.connections();
        bench.scripted.say_and_wait(
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nprobe",
            Pace::Whole,
        );
        let probe = bench.answer("POST").await?;
        assert!(probe.ends_with("\r\n\r\nprobe"), "{id}: {probe}");
        let opened = bench.scripted.connections() - before;
        assert!(
            matches!(seen, Whole(..)) || opened == 1,
            "{id}: the connection was used again"
        );
        bench.scripted.say_and_close(
            b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
            Pace::Whole,
        );
        bench.answer("POST").await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_in_answer_to_a_head_is_never_sent() -> anyhow::Result<()> {
    let bench = Bench::set().await?;
    bench.scripted.say_and_wait(
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
        Pace::Whole,
    );
    let answer = bench.answer("HEAD").await?;
    assert!(
        answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\r\n\r\n"),
        "{answer}"
    );
    bench.scripted.say_and_wait(
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nprobe",
        Pace::Whole,
    );
    assert!(bench.answer("GET").await?.ends_with("\r\n\r\nprobe"));
    Ok(())
}

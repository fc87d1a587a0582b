//! What a bad backend answers: the client gets 502 or a visibly cut message, never a clean end of something else, and
//! the connection is never used again.

use haldane_tests::manifests::{Manifests, ingress, pod, service};
use haldane_tests::raw::{Pace, Raw};
use haldane_tests::serve::Serve;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What the client has to see.
#[derive(Clone, Copy, Debug)]
enum Seen {
    /// Our own 502.
    BadGateway,
    /// The head, and no end: no last chunk, or fewer bytes than announced.
    Cut,
    /// This status with this body.
    Whole(u16, &'static str),
}

use Seen::{BadGateway, Cut, Whole};

/// What the backend writes before it says that nothing follows, and what the client sees.
const ROWS: &[(&str, &[u8], Seen)] = &[
    ("plain", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", Whole(200, "ok")),
    ("two lengths", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok!", BadGateway),
    ("length twice", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok", BadGateway),
    ("length as a list", b"HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok", BadGateway),
    ("coding and length", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 30\r\n\r\n0\r\n\r\n", BadGateway),
    ("chunked twice", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", BadGateway),
    ("chunked, gzip", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n", BadGateway),
    ("chunked in 1.0", b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", BadGateway),
    ("bytes after the end", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", Whole(200, "ok")),
    ("short", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok", Cut),
    ("no last chunk", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", Cut),
    ("chunk extension with LF", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;a\nb\r\nok\r\n0\r\n\r\n", Cut),
    ("bare LF", b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok", BadGateway),
    ("status 99", b"HTTP/1.1 99 OK\r\nContent-Length: 2\r\n\r\nok", BadGateway),
    ("status 999", b"HTTP/1.1 999 OK\r\nContent-Length: 2\r\n\r\nok", BadGateway),
    ("status 1000", b"HTTP/1.1 1000 OK\r\nContent-Length: 2\r\n\r\nok", BadGateway),
    ("another protocol", b"SSH-2.0-OpenSSH_9.9\r\n", BadGateway),
    ("another version", b"HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nok", BadGateway),
    ("length negative", b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok", BadGateway),
    ("length empty", b"HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\nok", BadGateway),
    ("until the close", b"HTTP/1.1 200 OK\r\n\r\nok", Whole(200, "ok")),
    ("204 with a length", b"HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\nok", Whole(204, "")),
    ("304 with a body", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\nok", Whole(304, "")),
    ("101 unasked", b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", BadGateway),
    ("early hints", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", Whole(200, "ok")),
    ("interim with fields of the connection", b"HTTP/1.1 100 Continue\r\nConnection: X-Inner\r\nX-Inner: 1\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", Whole(200, "ok")),
    ("nothing", b"", BadGateway),
];

/// A backend that answers every request with the bytes it was told last, and closes.
struct Scripted {
    address: SocketAddr,
    script: Arc<Mutex<&'static [u8]>>,
}

impl Scripted {
    async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let scripted = Self {
            address: listener.local_addr()?,
            script: Arc::new(Mutex::new(b"")),
        };
        let script = scripted.script.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let answer = *script.lock().unwrap_or_else(PoisonError::into_inner);
                tokio::spawn(serve(stream, answer));
            }
        });
        Ok(scripted)
    }

    fn say(&self, answer: &'static [u8]) {
        *self.script.lock().unwrap_or_else(PoisonError::into_inner) = answer;
    }
}

async fn serve(mut stream: TcpStream, answer: &[u8]) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
    }
    stream.write_all(answer).await?;
    stream.shutdown().await?;
    // The proxy closes its side in its own time: closing with unread bytes would reset what was just written.
    stream.read_to_end(&mut head).await.map(drop)
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
    match (seen, read(answer)) {
        (BadGateway, (status, _)) => status == 502,
        (Cut, (status, body)) => status == 502 || body.is_none(),
        (Whole(status, body), read) => read == (status, Some(body.to_owned())),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_answer_never_looks_like_a_good_one() -> anyhow::Result<()> {
    let scripted = Scripted::start().await?;
    let manifests = Manifests::of(&[
        service("web", &[]),
        ingress("web", &[], "a", "web"),
        pod("web", "1.0", scripted.address),
    ])?;
    let serve = Serve::start_with(manifests.path(), &["--workers", "1"]).await?;
    let mut faults = Vec::new();
    for (id, bytes, seen) in ROWS {
        scripted.say(bytes);
        let mut client = Raw::to(serve.http).await?;
        // A POST is sent once, so each row is one exchange.
        client
            .write(
                b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
                Pace::Whole,
            )
            .await;
        let answer = client.read_to_end().await?;
        if !holds(*seen, &answer) {
            faults.push(format!("{id}: {seen:?} was due, {answer:?} came"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    Ok(())
}

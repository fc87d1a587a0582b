//! A backend that says given pieces, and one line that tells how an exchange with it went.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::error::Error as _;
use std::fmt::Write;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, Method, Response};
use http_body::Body;
use http_body_util::{BodyExt, Empty};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

use crate::upstream::h1::{Connection, Failure, Limits, Outcome, RequestHead, SendError, send};

/// How a backend stops talking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Close,
    Reset,
}

/// A transport that yields one piece per read, with a pause before each.
#[derive(Debug)]
pub(super) struct Script {
    pieces: VecDeque<Vec<u8>>,
    end: End,
    paused: bool,
    pub(super) written: Rc<RefCell<Vec<u8>>>,
    pub(super) writes: Rc<Cell<usize>>,
}

impl Script {
    pub(super) fn new(pieces: impl IntoIterator<Item = Vec<u8>>, end: End) -> Self {
        Self {
            pieces: pieces
                .into_iter()
                .filter(|piece| !piece.is_empty())
                .collect(),
            end,
            paused: false,
            written: Rc::default(),
            writes: Rc::default(),
        }
    }
}

impl AsyncRead for Script {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.paused = !self.paused;
        if self.paused && !self.pieces.is_empty() {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let Some(mut piece) = self.pieces.pop_front() else {
            return match self.end {
                End::Close => Poll::Ready(Ok(())),
                End::Reset => Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
            };
        };
        let rest = piece.split_off(piece.len().min(buffer.remaining()));
        buffer.put_slice(&piece);
        if !rest.is_empty() {
            self.pieces.push_front(rest);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Script {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.writes.set(self.writes.get() + 1);
        self.written.borrow_mut().extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Every way in which a wire text is cut for the tests: whole, byte by byte, and once at every
/// place.
pub(super) fn all_cuts(wire: &[u8]) -> Vec<Vec<Vec<u8>>> {
    let single = wire.iter().map(|byte| vec![*byte]).collect();
    let halves = (1..wire.len()).map(|at| vec![wire[..at].to_vec(), wire[at..].to_vec()]);
    [vec![wire.to_vec()], single]
        .into_iter()
        .chain(halves)
        .collect()
}

/// Runs a future that needs no reactor.
pub(super) fn run<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.unwrap().block_on(future)
}

/// A request for `/` without fields or body.
pub(super) fn plain<'a>(method: &'a Method, headers: &'a HeaderMap) -> RequestHead<'a> {
    RequestHead {
        method,
        target: "/",
        headers,
        length: None,
        upgrade: None,
    }
}

/// Sends a bodiless request and tells what came of it:
/// `STATUS name=value .. | DATA trailer=value .. end | kept`.
pub(super) async fn tell(script: Script, head: RequestHead<'_>) -> String {
    let kept = Rc::new(Cell::new(0));
    let counter = Rc::clone(&kept);
    let give_back = move |_| counter.set(counter.get() + 1);
    let connection = Connection::new(script, Limits::default());
    let outcome = send(connection, head, Empty::<Bytes>::new(), give_back).await;
    let mut story = match outcome {
        Ok(Outcome::Response(response)) => tell_response(response).await,
        Ok(Outcome::Upgraded {
            response,
            mut io,
            read_ahead,
        }) => {
            let mut said = read_ahead.to_vec();
            io.read_to_end(&mut said).await.unwrap();
            tell_head(&response) + &format!(" | upgraded, then {}", said.escape_ascii())
        }
        Err(error) => tell_error(&error),
    };
    assert!(kept.get() < 2, "given back {} times: {story}", kept.get());
    if kept.get() == 1 {
        story.push_str(" | kept");
    }
    story
}

fn tell_error(error: &SendError<Empty<Bytes>, Infallible>) -> String {
    match &error.failure {
        Failure::BadResponse(bad) => format!("{bad:?}"),
        Failure::ClosedBeforeResponse(_) => String::from("ClosedBeforeResponse"),
        Failure::Io(error) => format!("Io({})", error.kind()),
        other => format!("{other:?}"),
    }
}

fn tell_head<T>(response: &Response<T>) -> String {
    let mut story = response.status().as_u16().to_string();
    for (name, value) in response.headers() {
        write!(story, " {name}={}", value.as_bytes().escape_ascii()).unwrap();
    }
    story
}

async fn tell_response<B>(response: Response<B>) -> String
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::error::Error,
{
    let mut story = tell_head(&response) + " | ";
    let mut body = response.into_body();
    loop {
        let promised = body.size_hint();
        let whole = body.is_end_stream();
        match body.frame().await {
            None => {
                assert!(promised.lower() == 0, "promised {promised:?}");
                story.push_str("end");
                return story;
            }
            Some(_) if whole => panic!("a frame behind the end of stream: {story}"),
            Some(Ok(frame)) => tell_frame(&mut story, frame, &promised),
            Some(Err(error)) => {
                let cause = error.source().map(ToString::to_string);
                let again = body.frame().await;
                assert!(matches!(again, Some(Err(_))), "a cut body ended cleanly");
                assert!(!body.is_end_stream(), "a cut body is no ended one");
                write!(story, "cut: {}", cause.unwrap_or_else(|| error.to_string())).unwrap();
                return story;
            }
        }
    }
}

fn tell_frame(story: &mut String, frame: http_body::Frame<Bytes>, promised: &http_body::SizeHint) {
    match frame.into_data() {
        Ok(data) => {
            assert!(!data.is_empty(), "an empty frame");
            assert!(
                promised
                    .upper()
                    .is_none_or(|upper| data.len() as u64 <= upper)
            );
            write!(story, "{}", data.escape_ascii()).unwrap();
        }
        Err(frame) => {
            for (name, value) in frame.trailers_ref().unwrap() {
                write!(story, " {name}={}", value.to_str().unwrap()).unwrap();
            }
        }
    }
    // Data of one piece and of many must tell the same story, so nothing separates frames.
}

//! One line that tells how an exchange went.

use std::cell::Cell;
use std::convert::Infallible;
use std::error::Error as _;
use std::fmt::Write;
use std::rc::Rc;

use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Method, Response};
use http_body::Body;
use http_body_util::{BodyExt, Empty};
use tokio::io::AsyncReadExt;

use super::transport::Script;
use crate::upstream::h1::{Connection, Failure, Limits, Outcome, RequestHead, SendError, send};

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
        more: None,
        length: None,
        upgrade: None,
    }
}

/// Sends a bodiless request and tells what came of it: the fault, or
/// `STATUS name=value .. | body | trailers | end`, and `kept` if the connection was given back.
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
            tell_head(&response) + &format!(" | then <{}>", said.escape_ascii())
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
    let status = response.status().as_u16().to_string();
    let fields = tell_fields(response.headers());
    [vec![status], fields].concat().join(" ")
}

fn tell_fields(fields: &HeaderMap) -> Vec<String> {
    let tell = |(name, value): (&HeaderName, &HeaderValue)| {
        format!("{name}={}", value.as_bytes().escape_ascii())
    };
    fields.iter().map(tell).collect()
}

async fn tell_response<B>(response: Response<B>) -> String
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::error::Error,
{
    let mut story = tell_head(&response);
    let (data, trailers, end) = read_through(response.into_body()).await;
    for part in [data.escape_ascii().to_string(), trailers, end] {
        if !part.is_empty() {
            write!(story, " | {part}").unwrap();
        }
    }
    story
}

/// The body's data, its trailers and its end, while its promises are held against it.
async fn read_through<B>(mut body: B) -> (Vec<u8>, String, String)
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::error::Error,
{
    let (mut data, mut trailers) = (Vec::new(), Vec::new());
    loop {
        let (promised, whole) = (body.size_hint(), body.is_end_stream());
        match body.frame().await {
            None => {
                assert_eq!(promised.lower(), 0, "data was promised");
                return (data, trailers.join(" "), String::from("end"));
            }
            Some(_) if whole => panic!("a frame behind the end of stream"),
            Some(Err(error)) => return (data, trailers.join(" "), cut(body, &error).await),
            Some(Ok(frame)) => match frame.into_data() {
                Ok(piece) => {
                    let size = piece.len() as u64;
                    assert!(size > 0 && promised.upper().is_none_or(|most| size <= most));
                    data.extend_from_slice(&piece);
                }
                Err(frame) => trailers.extend(tell_fields(frame.trailers_ref().unwrap())),
            },
        }
    }
}

/// Why a body is cut; that it is must not be forgotten by it.
async fn cut<B>(mut body: B, error: &B::Error) -> String
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::error::Error,
{
    assert!(!body.is_end_stream(), "a cut body is no ended one");
    let again = body.frame().await;
    assert!(matches!(again, Some(Err(_))), "a cut body ended cleanly");
    let cause = error.source().map(ToString::to_string);
    format!("cut: {}", cause.unwrap_or_else(|| error.to_string()))
}

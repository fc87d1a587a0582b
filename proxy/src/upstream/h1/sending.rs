//! The future of an answer's head. Dropping it closes the connection.

use std::fmt;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::Body;
use tokio::io::{AsyncRead, AsyncWrite};

use super::Outcome;
use super::connection::{Connection, GiveBack};
use super::error::SendError;
use super::exchange::Exchange;
use super::request::RequestHead;

/// An exchange until the head of its answer is there; see [`send`](super::send).
///
/// Written out, because what an `async fn` was called with stays in its future beside what it made of it: twice the size,
/// for something that every request moves.
#[must_use = "nothing is sent before it is polled"]
pub struct Sending<S, B: Body, G>(Stage<S, B, G>);

enum Stage<S, B: Body, G> {
    Going(Exchange<S, B>, G),
    /// The request cannot be written.
    Refused(SendError<B, B::Error>),
    Done,
}

impl<S, B, G> Sending<S, B, G>
where
    S: AsyncRead + AsyncWrite + Unpin,
    B: Body<Data = Bytes> + Unpin,
    G: GiveBack<S>,
{
    /// Writes the head into the connection's room for it. Nothing is sent yet.
    pub(super) fn start(
        connection: Connection<S>,
        head: &RequestHead<'_>,
        body: B,
        give_back: G,
    ) -> Self {
        Self(match Exchange::start(connection, head, body) {
            Ok(exchange) => Stage::Going(exchange, give_back),
            Err(error) => Stage::Refused(error),
        })
    }
}

/// Nothing in it is ever pinned.
impl<S, B: Body, G> Unpin for Sending<S, B, G> {}

impl<S, B, G> Future for Sending<S, B, G>
where
    S: AsyncRead + AsyncWrite + Unpin,
    B: Body<Data = Bytes> + Unpin,
    G: GiveBack<S>,
{
    type Output = Result<Outcome<S, B, G>, SendError<B, B::Error>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let stage = &mut self.get_mut().0;
        let head = match stage {
            Stage::Going(exchange, _) => Some(ready!(exchange.poll_head(cx))),
            Stage::Refused(_) | Stage::Done => None,
        };
        Poll::Ready(match (mem::replace(stage, Stage::Done), head) {
            (Stage::Going(exchange, give_back), Some(Ok(head))) => {
                Ok(exchange.into_outcome(head, give_back))
            }
            (Stage::Going(exchange, _), Some(Err(failure))) => Err(exchange.into_error(failure)),
            (Stage::Refused(error), _) => Err(error),
            (Stage::Going(..) | Stage::Done, _) => unreachable!("polled after it was done"),
        })
    }
}

impl<S, B: Body, G> fmt::Debug for Sending<S, B, G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sending").finish_non_exhaustive()
    }
}

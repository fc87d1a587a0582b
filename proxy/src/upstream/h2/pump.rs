//! A request on its way: its body is sent by the task that waits for the head of the answer, and goes on without it where
//! the head comes first.

use super::SendError;
use super::body::ResponseBody;
use super::room::Place;
use super::silence::Silence;
use crate::body::RequestBody;
use ::h2::client::ResponseFuture;
use ::h2::{Reason, RecvStream, SendStream};
use bytes::Bytes;
use http::Response;
use http_body::{Body as _, Frame};
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// How long the rest of a request whose answer is over may stand still: a peer that answered early and takes no more of it
/// must not hold its stream for ever. While the answer goes on, a client may be silent as long as it likes.
const REST_IDLE_MAX: Duration = Duration::from_secs(60);

/// A request whose head is sent, until the head of its answer is here.
pub(crate) struct Sending {
    response: ResponseFuture,
    pump: Option<Pump>,
    place: Option<Place>,
}

impl Sending {
    pub(super) const fn new(response: ResponseFuture, pump: Option<Pump>, place: Place) -> Self {
        Self {
            response,
            pump,
            place: Some(place),
        }
    }

    fn answered(&mut self, response: Response<RecvStream>) -> Response<ResponseBody> {
        let place = Rc::new(self.place.take().expect("there is one answer"));
        let rest = self.pump.take();
        let rest = rest.map(|pump| Rest::leave(pump, place.clone()));
        ResponseBody::of(response, rest, place)
    }
}

impl Future for Sending {
    type Output = Result<Response<ResponseBody>, SendError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(pump) = &mut self.pump
            && pump.poll(cx).is_ready()
        {
            self.pump = None;
        }
        Poll::Ready(match ready!(Pin::new(&mut self.response).poll(cx)) {
            Ok(response) => Ok(self.answered(response)),
            Err(fault) => Err(SendError {
                fault,
                unsent: None,
            }),
        })
    }
}

/// What of a request is still to be sent when the head of its answer is here. Given up with the answer, unless that is over.
#[derive(Debug)]
pub(super) struct Rest(JoinHandle<()>);

impl Rest {
    /// The answer holds its place too, until it is over.
    fn leave(mut pump: Pump, place: Rc<Place>) -> Self {
        Self(tokio::task::spawn_local(async move {
            move_rest(async || pump.moved().await, &place).await;
        }))
    }

    /// The stream is reset, unless something else holds it.
    pub(super) fn give_up(self) {
        self.0.abort();
    }
}

/// Moves frames until all are, or none was for too long and nobody else holds the place.
async fn move_rest<T>(mut moved: impl AsyncFnMut() -> Moved, place: &Rc<T>) {
    loop {
        match timeout(REST_IDLE_MAX, moved()).await {
            Ok(Moved::All) => return,
            Err(_) if Rc::strong_count(place) == 1 => return,
            Ok(Moved::More) | Err(_) => {}
        }
    }
}

/// Whether a frame that was moved leaves more to be moved.
#[derive(PartialEq, Eq)]
enum Moved {
    More,
    /// Be it for a fault: the answer tells of that.
    All,
}

/// Moves a request's body into its stream.
pub(super) struct Pump {
    body: RequestBody,
    stream: SendStream<Bytes>,
    /// Data that waits for the peer's window, and whether it is the last.
    held: Option<(Bytes, bool)>,
    silence: Silence,
}

impl Pump {
    /// Sends a body that is here together with the head of its request; the rest of any other is left to be moved.
    pub(super) fn begin(
        body: RequestBody,
        mut stream: SendStream<Bytes>,
        silence: Silence,
    ) -> Option<Self> {
        silence.begins();
        if body.is_end_stream() {
            return None;
        }
        match body.into_whole() {
            Ok(bytes) => {
                // Of a fault the answer tells. What the peer does not take yet waits in the connection.
                let _ = stream.send_data(bytes, true);
                None
            }
            Err(body) => Some(Self {
                body,
                stream,
                held: None,
                silence,
            }),
        }
    }

    /// Ready when there is nothing more to send.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while ready!(self.poll_moved(cx)) == Moved::More {}
        Poll::Ready(())
    }

    async fn moved(&mut self) -> Moved {
        poll_fn(|cx| self.poll_moved(cx)).await
    }

    fn poll_moved(&mut self, cx: &mut Context<'_>) -> Poll<Moved> {
        match self.step(cx) {
            Poll::Ready(Ok(false)) => Poll::Ready(Moved::More),
            Poll::Ready(Ok(true) | Err(_)) => Poll::Ready(Moved::All),
            // Who sends nothing learns only here that the peer wants nothing more.
            Poll::Pending => self.stream.poll_reset(cx).map(|_| Moved::All),
        }
    }

    /// Sends one frame; whether it was the last.
    fn step(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, ::h2::Error>> {
        if self.held.is_some() {
            ready!(self.poll_window(cx))?;
        }
        if let Some((data, last)) = self.held.take() {
            return Poll::Ready(self.send(data, last));
        }
        Poll::Ready(match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
            Some(Ok(frame)) => self.take(frame),
            Some(Err(_)) => {
                self.stream.send_reset(Reason::CANCEL);
                Ok(true)
            }
            None => self.send(Bytes::new(), true),
        })
    }

    fn send(&mut self, data: Bytes, last: bool) -> Result<bool, ::h2::Error> {
        self.silence.begins();
        self.stream.send_data(data, last).map(|()| last)
    }

    fn take(&mut self, frame: Frame<Bytes>) -> Result<bool, ::h2::Error> {
        match frame.into_data() {
            Ok(data) => {
                let last = self.body.is_end_stream();
                if data.is_empty() {
                    return self.send(data, last);
                }
                // One byte opens the way for all: what is not in hand yet must not keep other streams from the window.
                self.stream.reserve_capacity(1);
                self.held = Some((data, last));
                Ok(false)
            }
            Err(frame) => match frame.into_trailers() {
                Ok(trailers) => {
                    self.silence.begins();
                    self.stream.send_trailers(trailers).map(|()| true)
                }
                Err(_) => Ok(false),
            },
        }
    }

    /// Waits until the peer takes at least one byte; the rest of what is held then waits in the connection.
    fn poll_window(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ::h2::Error>> {
        while self.stream.capacity() == 0 {
            match ready!(self.stream.poll_capacity(cx)) {
                Some(granted) => granted?,
                None => return Poll::Ready(Err(Reason::CANCEL.into())),
            };
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::pending;
    use tokio_test::{assert_pending, assert_ready, task};

    #[tokio::test(start_paused = true)]
    async fn a_silent_client_keeps_its_half_of_a_stream_until_the_answer_is_over() {
        let place = Rc::new(());
        let answer = place.clone();
        let mut rest = task::spawn(move_rest(pending::<Moved>, &place));
        assert_pending!(rest.poll());
        for _ in 0..10 {
            tokio::time::advance(REST_IDLE_MAX).await;
            assert_pending!(rest.poll());
        }
        drop(answer);
        assert_pending!(rest.poll());
        tokio::time::advance(REST_IDLE_MAX).await;
        assert_ready!(rest.poll());
    }
}

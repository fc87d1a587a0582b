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
use std::task::{Context, Poll, ready};
use tokio::task::JoinHandle;

/// A request whose head is sent.
pub(super) struct Sending {
    response: ResponseFuture,
    pump: Option<Pump>,
}

impl Sending {
    pub(super) fn new(response: ResponseFuture, pump: Pump) -> Self {
        Self {
            response,
            pump: (!pump.body.is_end_stream()).then_some(pump),
        }
    }

    pub(super) async fn answer(
        mut self,
        place: Place,
    ) -> Result<Response<ResponseBody>, SendError> {
        match poll_fn(|cx| self.poll(cx)).await {
            Ok(response) => {
                let rest = self.pump.map(Rest::leave);
                Ok(ResponseBody::of(response, rest, place))
            }
            Err(fault) => Err(SendError {
                fault,
                unsent: None,
            }),
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Response<RecvStream>, ::h2::Error>> {
        if let Some(pump) = &mut self.pump
            && pump.poll(cx).is_ready()
        {
            self.pump = None;
        }
        Pin::new(&mut self.response).poll(cx)
    }
}

/// What of a request is still to be sent when the head of its answer is here. Given up with the answer, unless that is over.
#[derive(Debug)]
pub(super) struct Rest(JoinHandle<()>);

impl Rest {
    fn leave(mut pump: Pump) -> Self {
        Self(tokio::task::spawn_local(async move {
            poll_fn(|cx| pump.poll(cx)).await;
        }))
    }

    /// The stream is reset, unless something else holds it.
    pub(super) fn give_up(self) {
        self.0.abort();
    }
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
    pub(super) fn new(body: RequestBody, stream: SendStream<Bytes>, silence: Silence) -> Self {
        Self {
            body,
            stream,
            held: None,
            silence,
        }
    }

    /// Ready when there is nothing more to send, be it for a fault: the answer tells of that.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            match self.step(cx) {
                Poll::Ready(Ok(false)) => {}
                Poll::Ready(Ok(true) | Err(_)) => return Poll::Ready(()),
                // Who sends nothing learns only here that the peer wants nothing more.
                Poll::Pending => return self.stream.poll_reset(cx).map(drop),
            }
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
                Ok(trailers) => self.stream.send_trailers(trailers).map(|()| true),
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

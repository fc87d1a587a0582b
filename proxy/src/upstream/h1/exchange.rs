//! One request and its answer under way on one connection, until the answer's head is there.

use std::io;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Method, Response, StatusCode};
use http_body::Body;
use tokio::io::{AsyncRead, AsyncWrite};

use super::Outcome;
use super::body::ResponseBody;
use super::connection::{Connection, GiveBack, Wire};
use super::error::{BadResponse, Failure, RequestBodyError, SendError};
use super::limits::INTERIM_MAX;
use super::request::{RequestFraming, RequestHead, write_head};
use super::response::{self, ResponseHead};
use super::scan::LineScan;
use super::upload::{Upload, UploadFault};
use super::websocket;

/// A request being sent and an answer being awaited, both driven by the same polls.
pub(super) struct Exchange<S, B> {
    pub(super) wire: Box<Wire<S>>,
    upload: Upload<B>,
    /// Why writing stopped. A backend may answer early and stop reading: the answer still counts.
    write_error: Option<io::Error>,
    asked: Asked,
    scan: LineScan,
    interim: u8,
}

/// What of the request the reading of its answer depends on.
#[derive(Debug)]
struct Asked {
    head: bool,
    /// On the heap, for few requests ask for one, and all of them are moved.
    upgrade: Option<Box<AskedUpgrade>>,
}

#[derive(Debug)]
struct AskedUpgrade {
    protocol: HeaderValue,
    websocket_key: Option<HeaderValue>,
}

impl AskedUpgrade {
    fn of(head: &RequestHead<'_>) -> Option<Box<Self>> {
        let protocol = head.upgrade?.clone();
        let websocket_key = head.headers.get(websocket::KEY).cloned();
        Some(Box::new(Self {
            protocol,
            websocket_key,
        }))
    }

    /// Whether the backend has read the key of a WebSocket, where there is one.
    fn is_accepted(&self, head: &ResponseHead) -> bool {
        let Some(key) = &self.websocket_key else {
            return true;
        };
        let accept = head.headers.get(websocket::ACCEPT);
        accept.is_some_and(|accept| websocket::accepts(key.as_bytes(), accept.as_bytes()))
    }
}

impl<S, B> Exchange<S, B>
where
    S: AsyncRead + AsyncWrite + Unpin,
    B: Body<Data = Bytes> + Unpin,
{
    /// Writes the head into the connection's room for it. Nothing is sent yet.
    pub(super) fn start(
        connection: Connection<S>,
        head: &RequestHead<'_>,
        body: B,
    ) -> Result<Self, SendError<B, B::Error>> {
        let framing = RequestFraming::of(head, &body);
        let mut wire = connection.wire;
        let written = write_head(wire.outgoing.text(), head, framing);
        let exchange = Self {
            wire,
            upload: Upload::new(body, framing),
            write_error: None,
            asked: Asked {
                head: *head.method == Method::HEAD,
                upgrade: AskedUpgrade::of(head),
            },
            scan: LineScan::default(),
            interim: 0,
        };
        match written {
            Ok(()) => Ok(exchange),
            Err(fault) => Err(exchange.into_error(Failure::Request(fault))),
        }
    }

    /// Sends on, and reads until the head of the final answer, or a 101, is there.
    pub(super) fn poll_head(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<ResponseHead, Failure<B::Error>>> {
        self.poll_upload(cx).map_err(Failure::RequestBody)?;
        if !self.wire.outgoing.was_accepted()
            && let Some(error) = self.write_error.take()
        {
            return Poll::Ready(Err(Failure::Unsent(error)));
        }
        loop {
            if let Some(head) = self.take_head().map_err(Failure::BadResponse)? {
                return Poll::Ready(Ok(head));
            }
            match ready!(self.wire.poll_fill(cx)) {
                Ok(0) => return Poll::Ready(Err(self.closed(None))),
                Ok(_) => {}
                Err(error) => return Poll::Ready(Err(self.closed(Some(error)))),
            }
        }
    }

    /// Sends what can be sent now. A failure to write is kept for later; one of the body is not
    /// survived.
    pub(super) fn poll_upload(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Result<(), RequestBodyError<B::Error>> {
        if self.write_error.is_some() || self.is_sent() {
            return Ok(());
        }
        let Wire { outgoing, io, .. } = &mut *self.wire;
        match self.upload.poll(outgoing, io, cx) {
            Poll::Pending | Poll::Ready(Ok(())) => Ok(()),
            Poll::Ready(Err(UploadFault::Body(error))) => Err(error),
            Poll::Ready(Err(UploadFault::Write(error))) => {
                self.write_error = Some(error);
                Ok(())
            }
        }
    }

    /// Whether the whole request was written.
    pub(super) fn is_sent(&self) -> bool {
        self.upload.is_ended() && self.wire.outgoing.is_empty()
    }

    /// What became of the request, now that the head of its answer is there.
    pub(super) fn into_outcome<G>(self, head: ResponseHead, give_back: G) -> Outcome<S, B, G>
    where
        G: GiveBack<S>,
    {
        if head.status == StatusCode::SWITCHING_PROTOCOLS {
            return self.into_upgraded(head);
        }
        let body = ResponseBody::start(self, head.framing, head.keep_alive, give_back);
        let mut response = Response::new(body);
        *response.status_mut() = head.status;
        *response.headers_mut() = head.headers;
        Outcome::Response(response)
    }

    /// Gives the request up, keeping its body if it is whole.
    pub(super) fn into_error(self, failure: Failure<B::Error>) -> SendError<B, B::Error> {
        SendError {
            failure,
            body: self.upload.into_untouched(),
            reused: self.wire.served() > 0,
        }
    }

    fn into_upgraded<G>(self, head: ResponseHead) -> Outcome<S, B, G> {
        let mut response = Response::new(());
        *response.status_mut() = head.status;
        *response.headers_mut() = head.headers;
        let (io, read_ahead) = self.wire.into_parts();
        Outcome::Upgraded {
            response,
            io,
            read_ahead,
        }
    }

    /// Takes heads off what was read until one is not interim.
    fn take_head(&mut self) -> Result<Option<ResponseHead>, BadResponse> {
        while let Some(end) = self.find_head_end()? {
            let head = self.wire.incoming.split_to(end).freeze();
            self.scan = LineScan::default();
            let head = response::parse(&head, self.asked.head, &mut self.wire.names)?;
            if head.status == StatusCode::SWITCHING_PROTOCOLS {
                self.check_upgrade(&head)?;
                return Ok(Some(head));
            }
            if !head.status.is_informational() {
                return Ok(Some(head));
            }
            self.interim += 1;
            if self.interim > INTERIM_MAX {
                return Err(BadResponse::TooManyInterim);
            }
        }
        Ok(None)
    }

    fn find_head_end(&mut self) -> Result<Option<usize>, BadResponse> {
        let read = &self.wire.incoming;
        if !response::may_begin(read) {
            return Err(BadResponse::NotHttp1);
        }
        let end = self.scan.find_end(read);
        let end = end.map_err(|_| BadResponse::BareLineFeed)?;
        if end.unwrap_or(read.len()) > self.wire.limits.head_bytes {
            return Err(BadResponse::HeadTooLarge);
        }
        Ok(end)
    }

    /// A switch is taken only to the protocol asked for, and only behind a whole request.
    fn check_upgrade(&self, head: &ResponseHead) -> Result<(), BadResponse> {
        let given = head.headers.get(header::UPGRADE);
        let (Some(asked), Some(given)) = (&self.asked.upgrade, given) else {
            return Err(BadResponse::UnaskedUpgrade);
        };
        let same = asked
            .protocol
            .as_bytes()
            .eq_ignore_ascii_case(given.as_bytes());
        if self.is_sent() && same && asked.is_accepted(head) {
            Ok(())
        } else {
            Err(BadResponse::UnaskedUpgrade)
        }
    }

    /// The failure when the connection ends before a final head.
    fn closed(&mut self, error: Option<io::Error>) -> Failure<B::Error> {
        if self.interim == 0 && self.wire.incoming.is_empty() {
            return Failure::ClosedBeforeResponse(error.or_else(|| self.write_error.take()));
        }
        match error {
            Some(error) => Failure::Io(error),
            None => Failure::BadResponse(BadResponse::Truncated),
        }
    }
}

//! The body of an answer, read from its connection as it is polled.

use std::fmt;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite};

use super::chunked::{Chunked, Piece};
use super::connection::{Connection, GiveBack};
use super::error::{BodyError, ChunkFault};
use super::exchange::Exchange;
use super::framing::ResponseFraming;
use super::limits::Limits;

/// The body of an answer from a backend.
///
/// While it is polled it also goes on sending the request's body, if that is not done. When both
/// are complete and the connection may be used again, the connection is given back at once; when
/// this is dropped before, or the answer ends before the request, the connection is closed. It may
/// be dropped at any time, and a poll that was given up loses nothing.
pub struct ResponseBody<S, B, G> {
    /// Data that came with the head.
    ready: Bytes,
    rest: Rest<S, B, G>,
}

/// What comes behind the ready data.
enum Rest<S, B, G> {
    Nothing,
    Trailers(Box<HeaderMap>),
    Live(Box<Live<S, B, G>>),
    /// The body is cut, by this fault of its coding if any; told as often as asked, so that nobody
    /// takes the end of a cut body for a clean one.
    Failed(Option<ChunkFault>),
}

/// A body that is not read to its end.
struct Live<S, B, G> {
    exchange: Exchange<S, B>,
    decoder: Decoder,
    keep_alive: bool,
    give_back: G,
}

/// Where the end of the body is, and how far it was read.
#[derive(Debug)]
enum Decoder {
    /// Bytes left.
    Length(u64),
    Chunked(Chunked),
    Close,
}

impl<S, B, G> ResponseBody<S, B, G>
where
    S: AsyncRead + AsyncWrite + Unpin,
    B: Body<Data = Bytes> + Unpin,
    G: GiveBack<S>,
{
    /// Begins with what was read behind the head; an answer that is whole already gives the
    /// connection back here.
    pub(super) fn start(
        mut exchange: Exchange<S, B>,
        framing: ResponseFraming,
        keep_alive: bool,
        give_back: G,
    ) -> Self {
        let mut body = Self {
            ready: Bytes::new(),
            rest: Rest::Nothing,
        };
        let Some(mut decoder) = Decoder::new(framing, &exchange.wire.limits) else {
            give_back_if_clean(exchange, keep_alive, give_back);
            return body;
        };
        match decoder.decode(&mut exchange.wire.incoming) {
            Ok(Piece::Data(data)) => body.ready = data,
            Ok(Piece::Trailers(fields)) => body.rest = Rest::Trailers(Box::new(fields)),
            Ok(Piece::End | Piece::More) => {}
            Err(fault) => {
                body.rest = Rest::Failed(Some(fault));
                return body;
            }
        }
        if decoder.is_done() {
            give_back_if_clean(exchange, keep_alive, give_back);
        } else {
            let mut live = Box::new(Live {
                exchange,
                decoder,
                keep_alive,
                give_back,
            });
            live.expect();
            body.rest = Rest::Live(live);
        }
        body
    }

    /// Whether all of it, and no more, came with the head, and the connection is done with.
    pub fn is_here(&self) -> bool {
        matches!(self.rest, Rest::Nothing)
    }

    /// Turns what the connection brought into a frame, and lets go of it at the end.
    fn settle(
        &mut self,
        piece: Result<Piece, BodyError<B::Error>>,
    ) -> Option<Result<Frame<Bytes>, BodyError<B::Error>>> {
        let piece = match piece {
            Ok(piece) => piece,
            Err(error) => {
                self.rest = Rest::Failed(None);
                return Some(Err(error));
            }
        };
        match piece {
            Piece::Data(data) => {
                self.finish_if_done();
                Some(Ok(Frame::data(data)))
            }
            Piece::Trailers(fields) => {
                self.finish();
                Some(Ok(Frame::trailers(fields)))
            }
            Piece::End | Piece::More => {
                self.finish();
                None
            }
        }
    }

    fn finish_if_done(&mut self) {
        if matches!(&self.rest, Rest::Live(live) if live.decoder.is_done()) {
            self.finish();
        }
    }

    fn finish(&mut self) {
        if let Rest::Live(live) = mem::replace(&mut self.rest, Rest::Nothing) {
            live.finish();
        }
    }
}

impl<S, B, G> Live<S, B, G>
where
    S: AsyncRead + AsyncWrite + Unpin,
    B: Body<Data = Bytes> + Unpin,
    G: GiveBack<S>,
{
    fn decode(&mut self) -> Result<Piece, ChunkFault> {
        self.decoder.decode(&mut self.exchange.wire.incoming)
    }

    /// Sends on, and reads until there is a piece; never `More`.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Piece, BodyError<B::Error>>> {
        self.exchange
            .poll_upload(cx)
            .map_err(BodyError::RequestBody)?;
        loop {
            match self.decode().map_err(BodyError::Chunked)? {
                Piece::More => {}
                piece => return Poll::Ready(Ok(piece)),
            }
            let read = ready!(self.exchange.wire.poll_fill(cx)).map_err(BodyError::Io)?;
            if read == 0 {
                return Poll::Ready(self.decoder.at_close());
            }
        }
    }

    fn expect(&mut self) {
        if let Decoder::Length(left) = self.decoder {
            self.exchange.wire.expect(left);
        }
    }

    fn finish(self) {
        give_back_if_clean(self.exchange, self.keep_alive, self.give_back);
    }
}

impl Decoder {
    fn new(framing: ResponseFraming, limits: &Limits) -> Option<Self> {
        match framing {
            ResponseFraming::Empty => None,
            ResponseFraming::Length(length) => Some(Self::Length(length)),
            ResponseFraming::Chunked => Some(Self::Chunked(Chunked::new(limits.trailer_bytes))),
            ResponseFraming::Close => Some(Self::Close),
        }
    }

    fn decode(&mut self, buffer: &mut BytesMut) -> Result<Piece, ChunkFault> {
        match self {
            Self::Chunked(chunked) => chunked.decode(buffer),
            Self::Length(0) => Ok(Piece::End),
            Self::Length(_) | Self::Close if buffer.is_empty() => Ok(Piece::More),
            Self::Length(left) => {
                let here =
                    usize::try_from(*left).map_or(buffer.len(), |left| left.min(buffer.len()));
                *left -= here as u64;
                Ok(Piece::Data(buffer.split_to(here).freeze()))
            }
            Self::Close => Ok(Piece::Data(buffer.split().freeze())),
        }
    }

    fn is_done(&self) -> bool {
        match self {
            Self::Length(left) => *left == 0,
            Self::Chunked(chunked) => chunked.is_done(),
            Self::Close => false,
        }
    }

    /// What the end of the stream means: the end of the body only if nothing else could end it.
    fn at_close<E>(&self) -> Result<Piece, BodyError<E>> {
        match self {
            Self::Close => Ok(Piece::End),
            Self::Length(_) | Self::Chunked(_) => Err(BodyError::Truncated),
        }
    }
}

/// Hands the connection on if nothing of this exchange can reach the next one.
fn give_back_if_clean<S, B>(exchange: Exchange<S, B>, keep_alive: bool, give_back: impl GiveBack<S>)
where
    S: AsyncRead + AsyncWrite + Unpin,
    B: Body<Data = Bytes> + Unpin,
{
    if keep_alive && exchange.is_sent() && exchange.wire.is_clean() {
        let mut wire = exchange.wire;
        wire.renew();
        give_back.give_back(Connection { wire });
    }
}

impl<S, B, G> Body for ResponseBody<S, B, G>
where
    S: AsyncRead + AsyncWrite + Unpin,
    B: Body<Data = Bytes> + Unpin,
    G: GiveBack<S>,
{
    type Data = Bytes;
    type Error = BodyError<B::Error>;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let body = self.get_mut();
        if !body.ready.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(mem::take(&mut body.ready)))));
        }
        match &mut body.rest {
            Rest::Nothing => Poll::Ready(None),
            Rest::Live(live) => {
                let piece = ready!(live.poll_piece(cx));
                Poll::Ready(body.settle(piece))
            }
            Rest::Failed(fault) => {
                let error = fault.map_or(BodyError::Truncated, BodyError::Chunked);
                Poll::Ready(Some(Err(error)))
            }
            Rest::Trailers(fields) => {
                let fields = mem::take(fields.as_mut());
                body.rest = Rest::Nothing;
                Poll::Ready(Some(Ok(Frame::trailers(fields))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ready.is_empty() && matches!(self.rest, Rest::Nothing)
    }

    fn size_hint(&self) -> SizeHint {
        let ready = self.ready.len() as u64;
        match &self.rest {
            Rest::Nothing | Rest::Trailers(_) => SizeHint::with_exact(ready),
            Rest::Live(live) => match live.decoder {
                Decoder::Length(left) => SizeHint::with_exact(ready.saturating_add(left)),
                Decoder::Chunked(_) | Decoder::Close => at_least(ready),
            },
            Rest::Failed(_) => at_least(ready),
        }
    }
}

fn at_least(bytes: u64) -> SizeHint {
    let mut hint = SizeHint::default();
    hint.set_lower(bytes);
    hint
}

impl<S, B, G> fmt::Debug for ResponseBody<S, B, G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rest = match self.rest {
            Rest::Nothing => "nothing",
            Rest::Trailers(_) => "trailers",
            Rest::Live(_) => "live",
            Rest::Failed(_) => "failed",
        };
        let mut body = f.debug_struct("ResponseBody");
        body.field("ready", &self.ready.len())
            .field("rest", &rest)
            .finish()
    }
}

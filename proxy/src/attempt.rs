//! One attempt at one endpoint: a connection, the request on it, the head of the answer, within its time.
//!
//! What failed is told apart by what may be done about it; nothing is tried again here.

use crate::body::{Answer, Progress, RequestBody};
use crate::clock::Timer;
use crate::deadline::Deadline;
use crate::endpoint::Endpoint;
use crate::forwarded;
use crate::metrics::ErrorClass;
use crate::outgoing::Outgoing;
use crate::snapshot::{LiveBackend, Unsent};
use crate::tls::{ClientTlsFault, server_name};
use crate::upstream::connect::{self, ConnectError, Tls};
use crate::upstream::h1::{self, Failure, Outcome, RequestBodyError, RequestHead};
use crate::upstream::pool::Back;
use crate::upstream::{Stream, h2};
use crate::waits::{Wait, Waits};
use crate::worker::Worker;
use bytes::Bytes;
use haldane_routing::spec::Protocol;
use http::header::{CONTENT_LENGTH, HOST};
use http::uri::{self, Scheme};
use http::{HeaderMap, Method, Request, Response, Uri, Version};
use http_body::Body as _;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::time::Instant;

/// A limit from which on the worker's reaper may begin the count, up to half a second late: a tenth of it at most.
const ROUGH_MIN: Duration = Duration::from_secs(5);

/// A request's body, in bytes, that every peer's system takes whole although the peer itself does not read.
const TAKEN_AT_ONCE: u64 = 16 * 1024;

/// Fields that a request gets besides its client's: those of [`forwarded::Told`], and its length.
const FIELDS_ADDED_MAX: usize = 8;

/// An answer's head.
pub(crate) enum Reply {
    Response(Response<Answer>),
    Upgraded {
        response: Response<()>,
        io: Stream,
        read_ahead: Bytes,
    },
}

/// Whether the same request may be sent once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Again {
    /// No: the upstream may have acted on it.
    Never,
    /// No, for the same reason, and the endpoint is not to blame: an idle connection was closed as we used it.
    Unlucky,
    /// Yes: nothing of it was processed.
    Safe,
    /// Yes, and the endpoint is not to blame: an idle connection was closed as we used it.
    Stale,
    /// Yes, and the endpoint is not to blame: the table that led here is out of force.
    Late,
}

/// Why there is no answer.
pub(crate) struct Failed {
    pub(crate) class: ErrorClass,
    pub(crate) again: Again,
    /// The request's body, where nothing of it is gone.
    pub(crate) body: Option<RequestBody>,
}

/// Sends the request to an endpoint and waits for the head of its answer.
///
/// # Errors
/// [`Failed`], with what may be done about it. `fresh` asks for a connection nobody has used.
pub(crate) async fn attempt(
    worker: &Rc<Worker>,
    (backend, endpoint): (&LiveBackend, &Arc<Endpoint>),
    outgoing: &Outgoing<'_>,
    body: RequestBody,
    unsent: &mut Option<Unsent>,
    fresh: bool,
) -> Result<Reply, Failed> {
    let mut exchange = Exchange {
        worker,
        backend,
        endpoint,
        outgoing,
        unsent,
    };
    match backend.protocol() {
        Protocol::Http | Protocol::Https => exchange.over_h1(body, fresh).await,
        // On the heap: with room for it here, the compiler inlines less of HTTP/1.1's way, and small requests pay for it.
        Protocol::H2c | Protocol::H2 => Box::pin(exchange.over_h2(body, fresh)).await,
    }
}

struct Exchange<'a> {
    worker: &'a Rc<Worker>,
    backend: &'a LiveBackend,
    endpoint: &'a Arc<Endpoint>,
    outgoing: &'a Outgoing<'a>,
    unsent: &'a mut Option<Unsent>,
}

/// A request on its way over HTTP/2.
struct OverH2<'a> {
    sending: h2::Sending,
    watch: Watch<'a>,
    /// Whether others went over its connection before.
    reused: bool,
    /// Its body once more, where it is short.
    spare: Option<RequestBody>,
}

impl<'a> Exchange<'a> {
    async fn over_h1(&mut self, body: RequestBody, fresh: bool) -> Result<Reply, Failed> {
        let kept = if fresh {
            None
        } else {
            self.worker.pool.take(self.endpoint.id)
        };
        let (mut connection, body) = match kept {
            Some(connection) => (connection, body),
            None => {
                // On the heap: most requests find a connection and need no room for this.
                let (stream, body) = Box::pin(self.connect(body)).await?;
                (h1::Connection::new(stream, h1::Limits::default()), body)
            }
        };
        if self.is_late() {
            return Err(Failed::late(body));
        }
        let head = RequestHead {
            method: &self.outgoing.method,
            target: &self.outgoing.target,
            headers: &self.outgoing.headers,
            more: self.outgoing.told.map(|told| told as _),
            length: self.outgoing.length,
            upgrade: self.outgoing.upgrade,
        };
        let fits = body
            .size_hint()
            .upper()
            .is_some_and(|bytes| bytes <= TAKEN_AT_ONCE);
        let receipts = fits && self.outgoing.upgrade.is_none();
        connection.io_mut().want_receipts(receipts);
        let back = Back::new(self.worker.clone(), self.endpoint.id);
        let idempotent = self.outgoing.method.is_idempotent();
        let spare = body.duplicate();
        let sending = pin!(h1::send(connection, head, body, back));
        let sent = self.in_time(sending).await?;
        sent.map(from_h1).map_err(|error| {
            let mut failed = h1_failed(error, idempotent);
            failed.body = failed.body.or(spare);
            failed
        })
    }

    async fn over_h2(&mut self, body: RequestBody, fresh: bool) -> Result<Reply, Failed> {
        let kept = if fresh {
            None
        } else {
            self.worker.pool.shared(self.endpoint.id)
        };
        let OverH2 {
            sending,
            mut watch,
            reused,
            spare,
        } = match kept {
            Some(sender) if sender.is_open() => self.send_h2(sender, true, body)?,
            // On the heap: most requests find a connection that takes them and need no room for this.
            kept => Box::pin(self.begin_h2(kept, body)).await?,
        };
        match watch.keep(pin!(sending)).await? {
            Ok(response) => Ok(Reply::Response(response.map(Answer::H2))),
            Err(error) => Err(h2_failed(error, reused, self.outgoing, spare)),
        }
    }

    /// On a connection that has to be opened, or that is full.
    async fn begin_h2(
        &mut self,
        kept: Option<h2::Sender>,
        body: RequestBody,
    ) -> Result<OverH2<'a>, Failed> {
        let reused = kept.is_some();
        let (sender, body) = match kept {
            Some(sender) => (sender, body),
            None => self.connect_h2(body).await?,
        };
        if sender.is_open() {
            return self.send_h2(sender, reused, body);
        }
        let mut watch = self.watch();
        let turn = turn(sender, self.unsent.take());
        let Some((turn, unsent)) = watch.keep(pin!(turn)).await? else {
            return Err(Failed::late(body));
        };
        self.send_by(turn, unsent, (watch, reused, body))
    }

    /// On a connection that takes one more.
    fn send_h2(
        &mut self,
        sender: h2::Sender,
        reused: bool,
        body: RequestBody,
    ) -> Result<OverH2<'a>, Failed> {
        let watch = self.watch();
        if self.is_late() {
            return Err(Failed::late(body));
        }
        let unsent = self.unsent.take();
        self.send_by(sender.turn_now(), unsent, (watch, reused, body))
    }

    fn send_by(
        &self,
        turn: h2::Turn,
        unsent: Option<Unsent>,
        (watch, reused, body): (Watch<'a>, bool, RequestBody),
    ) -> Result<OverH2<'a>, Failed> {
        let request = self.h2_request()?;
        let spare = body.duplicate();
        match turn.send(request, body, unsent) {
            Ok(sending) => Ok(OverH2 {
                sending,
                watch,
                reused,
                spare,
            }),
            Err(error) => Err(h2_failed(error, reused, self.outgoing, spare)),
        }
    }

    fn watch(&self) -> Watch<'a> {
        Watch::new(self.outgoing, &self.worker.waits)
    }

    /// A table that was acknowledged while this request waited for its connection forbids to use it.
    fn is_late(&self) -> bool {
        self.unsent.as_ref().is_some_and(Unsent::is_late)
    }

    fn h2_request(&self) -> Result<Request<()>, Failed> {
        let Ok(uri) = self.h2_uri() else {
            return Err(Failed::never(ErrorClass::Internal));
        };
        let mut request = Request::new(());
        *request.method_mut() = Method::clone(&self.outgoing.method);
        *request.uri_mut() = uri;
        *request.version_mut() = Version::HTTP_2;
        *request.headers_mut() = self.h2_headers();
        Ok(request)
    }

    fn h2_uri(&self) -> Result<Uri, http::Error> {
        let host = self.outgoing.headers.get(HOST);
        let host = host.and_then(|host| host.to_str().ok());
        let mut parts = uri::Parts::default();
        parts.scheme = Some(match self.backend.protocol() {
            Protocol::H2 => Scheme::HTTPS,
            _ => Scheme::HTTP,
        });
        parts.authority = Some(host.unwrap_or(&self.outgoing.host).try_into()?);
        parts.path_and_query = Some(match self.outgoing.asked {
            Some(asked) => asked.clone(),
            None => (*self.outgoing.target).try_into()?,
        });
        Ok(Uri::from_parts(parts)?)
    }

    /// A copy, for there may be another attempt. `:authority` stands for `Host`.
    fn h2_headers(&self) -> HeaderMap {
        let own = &*self.outgoing.headers;
        let mut headers = HeaderMap::with_capacity(own.len() + FIELDS_ADDED_MAX);
        for (name, value) in own {
            if name != HOST {
                headers.append(name, value.clone());
            }
        }
        if let Some(told) = self.outgoing.told {
            told.insert_into(&mut headers);
        }
        forwarded::never_again(&mut headers);
        if let Some(length) = self.outgoing.length {
            headers.insert(CONTENT_LENGTH, length.into());
        }
        headers
    }

    async fn connect_h2(&self, body: RequestBody) -> Result<(h2::Sender, RequestBody), Failed> {
        let (stream, body) = self.connect(body).await?;
        match h2::begin(stream).await {
            Ok(sender) => {
                self.worker.pool.share(self.endpoint.id, sender.clone());
                Ok((sender, body))
            }
            Err(_) => Err(Failed::safe(ErrorClass::ConnectFailed, body)),
        }
    }

    async fn connect(&self, body: RequestBody) -> Result<(Stream, RequestBody), Failed> {
        let Ok(tls) = self.tls() else {
            return Err(Failed::never(ErrorClass::ConnectFailed));
        };
        let opening = connect::connect(
            &self.endpoint.address,
            tls,
            &self.worker.shared.reach,
            self.outgoing.timeouts.connect,
        );
        let opened = Deadline::keep(self.outgoing.deadline, opening).await;
        match opened.map_err(Failed::never)? {
            Ok(transport) => Ok((
                Stream::new(transport, self.worker.metrics.upstream_connected()),
                body,
            )),
            Err(error) => {
                self.worker.metrics.upstream_connect_failed();
                tracing::debug!(endpoint = ?self.endpoint.address, %error, "no connection");
                Err(Failed::safe(connect_class(&error), body))
            }
        }
    }

    fn tls(&self) -> Result<Option<Tls>, ClientTlsFault> {
        let Some(config) = &self.backend.tls else {
            return Ok(None);
        };
        Ok(Some(Tls {
            config: config.clone(),
            server_name: server_name(self.backend.tls_spec(), &self.outgoing.host)?,
        }))
    }

    /// Polls `sending` until it is done or out of time. Once it waits, the head is on the wire or in other hands.
    async fn in_time<T>(
        &mut self,
        mut sending: Pin<&mut impl Future<Output = T>>,
    ) -> Result<T, Failed> {
        let mut watch = self.watch();
        poll_fn(|cx| {
            let polled = sending.as_mut().poll(cx);
            if polled.is_pending() {
                *self.unsent = None;
            }
            watch.limits(polled, cx)
        })
        .await
    }
}

/// The time limits of an answer's head. While the request's body still moves, only silence counts.
struct Watch<'a> {
    outgoing: &'a Outgoing<'a>,
    waits: &'a Waits,
    begun: Begun<'a>,
    timer: Option<Timer>,
}

/// When the wait for an answer's head began.
enum Begun<'a> {
    At(Instant),
    /// Just now: nothing was waited for yet.
    Now,
    /// Since the worker's reaper looked last.
    Lately(Wait<'a>),
}

impl<'a> Watch<'a> {
    fn new(outgoing: &'a Outgoing<'a>, waits: &'a Waits) -> Self {
        let here = |progress: &Rc<Progress>| progress.has_ended();
        let plain = outgoing.progress.as_ref().is_none_or(here) && outgoing.deadline.is_none();
        let begun = if plain && outgoing.timeouts.response_head >= ROUGH_MIN {
            Begun::Now
        } else {
            Begun::At(Instant::now())
        };
        Self {
            outgoing,
            waits,
            begun,
            timer: None,
        }
    }

    /// Polls `work` until it is done or out of time.
    async fn keep<T>(&mut self, mut work: Pin<&mut impl Future<Output = T>>) -> Result<T, Failed> {
        poll_fn(|cx| self.limits(work.as_mut().poll(cx), cx)).await
    }

    /// What was `polled`, unless it waits and is out of time.
    fn limits<T>(&mut self, polled: Poll<T>, cx: &mut Context<'_>) -> Poll<Result<T, Failed>> {
        match polled {
            Poll::Ready(done) => Poll::Ready(Ok(done)),
            Poll::Pending => self.poll(cx).map(|class| Err(Failed::never(class))),
        }
    }

    /// `None` where it is so short a time ago that nothing can be due.
    fn begun(&mut self, waker: &Waker) -> Option<Instant> {
        let seen = match &self.begun {
            Begun::At(at) => return Some(*at),
            Begun::Now => {
                self.begun = Begun::Lately(self.waits.begin(waker));
                return None;
            }
            Begun::Lately(wait) => wait.seen(waker)?.into(),
        };
        self.begun = Begun::At(seen);
        Some(seen)
    }

    fn due(&self, begun: Instant) -> (Instant, ErrorClass) {
        let timeouts = &self.outgoing.timeouts;
        // A body may have come in before this attempt began: what went before is not its silence.
        let last = |progress: &Progress| begun.max(progress.last().into());
        let (by, class) = match &self.outgoing.progress {
            Some(progress) if !progress.has_ended() => {
                body_due(progress, last(progress) + timeouts.idle)
            }
            Some(progress) => (
                last(progress) + timeouts.response_head,
                ErrorClass::ResponseTimeout,
            ),
            None => (begun + timeouts.response_head, ErrorClass::ResponseTimeout),
        };
        match self.outgoing.deadline {
            Some(deadline) if deadline.at() < by => (deadline.at(), deadline.class()),
            _ => (by, class),
        }
    }

    /// When to look at what is due: a body that ends makes the head due, perhaps earlier, and nobody is woken for that.
    fn look_at(&self, begun: Instant) -> Instant {
        let (due, _) = self.due(begun);
        match &self.outgoing.progress {
            Some(progress) if !progress.has_ended() => {
                due.min(Instant::now() + self.outgoing.timeouts.response_head)
            }
            _ => due,
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ErrorClass> {
        let Some(begun) = self.begun(cx.waker()) else {
            return Poll::Pending;
        };
        let kept = self.timer.take();
        let mut timer = kept.unwrap_or_else(|| Timer::at(self.look_at(begun)));
        loop {
            let (due, class) = self.due(begun);
            timer.at_latest(due);
            if timer.poll(cx).is_pending() {
                self.timer = Some(timer);
                return Poll::Pending;
            }
            if Instant::now() >= due {
                return Poll::Ready(class);
            }
            timer.reset_at(self.look_at(begun));
        }
    }
}

/// When a request's body that is not here yet is late, and whose fault it is; `silent` is when it has said nothing for too
/// long.
fn body_due(progress: &Progress, silent: Instant) -> (Instant, ErrorClass) {
    if !progress.is_awaited() {
        return (silent, ErrorClass::BodyTimeout);
    }
    let slow = progress.too_slow_at();
    let due = slow.map_or(silent, |slow| silent.min(slow.into()));
    (due, ErrorClass::RequestTimeout)
}

impl Failed {
    fn never(class: ErrorClass) -> Self {
        Self {
            class,
            again: Again::Never,
            body: None,
        }
    }

    fn late(body: RequestBody) -> Self {
        Self {
            class: ErrorClass::ConnectTimeout,
            again: Again::Late,
            body: Some(body),
        }
    }

    fn safe(class: ErrorClass, body: RequestBody) -> Self {
        Self {
            class,
            again: Again::Safe,
            body: Some(body),
        }
    }
}

fn from_h1(outcome: Outcome<Stream, RequestBody, Back>) -> Reply {
    match outcome {
        Outcome::Response(response) => Reply::Response(response.map(Answer::H1)),
        Outcome::Upgraded {
            response,
            io,
            read_ahead,
        } => Reply::Upgraded {
            response,
            io,
            read_ahead,
        },
    }
}

fn h1_failed(
    error: h1::SendError<RequestBody, crate::body::BodyError>,
    idempotent: bool,
) -> Failed {
    let (class, again) = match &error.failure {
        Failure::ClosedBeforeResponse(Some(fault)) | Failure::Io(fault) if is_gone(fault) => {
            let again = if idempotent && matches!(error.failure, Failure::ClosedBeforeResponse(_)) {
                Again::Safe
            } else {
                Again::Never
            };
            (ErrorClass::ResponseTimeout, again)
        }
        Failure::Unsent(_) if error.reused => (ErrorClass::UpstreamReset, Again::Stale),
        Failure::Unsent(_) => (ErrorClass::UpstreamReset, Again::Safe),
        Failure::ClosedBeforeResponse(_) if idempotent && error.reused => {
            (ErrorClass::UpstreamReset, Again::Stale)
        }
        Failure::ClosedBeforeResponse(_) if idempotent => (ErrorClass::UpstreamReset, Again::Safe),
        Failure::ClosedBeforeResponse(_) | Failure::Io(_) if error.reused => {
            (ErrorClass::UpstreamReset, Again::Unlucky)
        }
        Failure::ClosedBeforeResponse(_) | Failure::Io(_) => {
            (ErrorClass::UpstreamReset, Again::Never)
        }
        Failure::BadResponse(_) => (ErrorClass::BadResponse, Again::Never),
        Failure::RequestBody(RequestBodyError::Body(error)) => (error.class(), Again::Never),
        Failure::RequestBody(_) => (ErrorClass::BadBody, Again::Never),
        Failure::Request(_) => (ErrorClass::Internal, Again::Never),
    };
    tracing::debug!(error = &error as &dyn std::error::Error, "attempt failed");
    Failed {
        class,
        again,
        body: error.body,
    }
}

/// A turn on a shared connection that is full. No table waits for those who wait for others' answers: `None` where another
/// one came into force meanwhile.
async fn turn(sender: h2::Sender, unsent: Option<Unsent>) -> Option<(h2::Turn, Option<Unsent>)> {
    let resting = unsent.map(Unsent::rests);
    let turn = sender.turn().await;
    match resting {
        None => Some((turn, None)),
        Some(resting) => resting.goes_on().map(|unsent| (turn, Some(unsent))),
    }
}

fn h2_failed(
    error: h2::SendError,
    reused: bool,
    outgoing: &Outgoing<'_>,
    spare: Option<RequestBody>,
) -> Failed {
    tracing::debug!(error = %error.fault, "attempt failed");
    let again = match error.is_unprocessed() {
        true if reused && error.is_nobodys_fault() => Again::Stale,
        true => Again::Safe,
        false => Again::Never,
    };
    Failed {
        class: outgoing.body_fault().unwrap_or(ErrorClass::UpstreamReset),
        again,
        body: error.unsent.or(spare),
    }
}

/// Whether the peer's system said nothing at all, unlike one that closed or reset the connection.
fn is_gone(fault: &io::Error) -> bool {
    use io::ErrorKind::{HostUnreachable, NetworkUnreachable, TimedOut};
    matches!(
        fault.kind(),
        TimedOut | HostUnreachable | NetworkUnreachable
    )
}

fn connect_class(error: &ConnectError) -> ErrorClass {
    match error {
        ConnectError::Timeout(_) => ErrorClass::ConnectTimeout,
        ConnectError::Tls(_) => ErrorClass::TlsFailed,
        ConnectError::Forbidden(_) => ErrorClass::EndpointForbidden,
        _ => ErrorClass::ConnectFailed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use haldane_routing::Timeouts;
    use std::borrow::Cow;

    const SECOND: Duration = Duration::from_secs(1);

    fn outgoing(progress: Rc<Progress>) -> Outgoing<'static> {
        Outgoing {
            method: Cow::Owned(Method::POST),
            target: Cow::Borrowed("/"),
            asked: None,
            headers: Cow::Owned(HeaderMap::new()),
            told: None,
            length: None,
            upgrade: None,
            host: Cow::Borrowed("a"),
            timeouts: Timeouts {
                connect: SECOND,
                response_head: 2 * SECOND,
                idle: 3 * SECOND,
                whole: None,
            },
            deadline: None,
            progress: Some(progress),
        }
    }

    /// A body of so many bytes of which the last came five seconds before the attempt.
    #[track_caller]
    fn check(announced: u64, due_after: Duration) {
        let came = std::time::Instant::now();
        let outgoing = outgoing(Progress::new(came, Some(announced), None));
        let waits = Waits::default();
        let begun = Instant::from(came) + 5 * SECOND;
        let (due, _) = Watch::new(&outgoing, &waits).due(begun);
        assert_eq!(due - begun, due_after, "{announced} bytes");
    }

    #[track_caller]
    fn check_again(reused: bool, idempotent: bool, again: Again) {
        let error = h1::SendError {
            failure: Failure::ClosedBeforeResponse(None),
            reused,
            body: None,
        };
        assert_eq!(h1_failed(error, idempotent).again, again);
    }

    #[test]
    fn f03_who_closes_a_kept_connection_is_not_to_blame() {
        check_again(true, true, Again::Stale);
        check_again(true, false, Again::Unlucky);
        check_again(false, true, Again::Safe);
        check_again(false, false, Again::Never);
    }

    #[test]
    fn an_attempt_has_its_whole_time_however_long_ago_the_body_came() {
        check(0, 2 * SECOND);
        check(1, 3 * SECOND);
    }
}

//! A request's life on one page: admit, find the rule, pass its filters, act.
//!
//! Everything here looks at one snapshot, loaded once. What waits (a connection, a response) is further down, in
//! [`crate::forward`]; what is refused on the way is answered by [`crate::respond`].

use crate::body::{Answer, Body};
use crate::connection::Waiting;
use crate::downstream::Connection;
use crate::forward;
use crate::forwarded::{self, Told};
use crate::gate::{self, Passed, Verdict};
use crate::head::{self, Admitted, Refusal};
use crate::local_rule::LocalRule;
use crate::record::Record;
use crate::respond;
use crate::snapshot::{Local, Snapshot, Unsent};
use crate::spare;
use crate::worker::Worker;
use haldane_routing::{Action, By, Country, RequestView, RuleIndex};
use http::header::CONNECTION;
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use std::cell::Cell;
use std::convert::Infallible;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

/// A request on its way.
pub(crate) struct Call {
    pub(crate) worker: Rc<Worker>,
    pub(crate) connection: Rc<Connection>,
    pub(crate) parts: Parts,
    pub(crate) admitted: Admitted,
    body: Option<Incoming>,
    pub(crate) told: Told,
    /// Whether `parts.headers` holds what is told, because somebody must see it there.
    told_shown: bool,
    pub(crate) begun: Instant,
}

/// The rule a request is under, by one worker's view of one snapshot.
pub(crate) struct Routed {
    pub(crate) local: Rc<Local>,
    rule: RuleIndex,
    /// Until the request is on its way, the snapshot is not fully replaced.
    pub(crate) unsent: Cell<Option<Unsent>>,
    /// The path that the upstream sees, where the rule rewrites it.
    pub(crate) rewritten: Cell<Option<String>>,
}

impl Routed {
    /// What the worker keeps of the rule.
    pub(crate) fn rule(&self) -> &LocalRule {
        self.local.kept(self.rule)
    }

    /// The rule's place in the table.
    pub(crate) fn index(&self) -> RuleIndex {
        self.rule
    }
}

/// Why a request that is sound is under no rule.
#[derive(Clone, Copy)]
enum Unrouted {
    /// The table has no rule for it.
    NoRoute,
    /// It asks for a host that the connection was not made for.
    Misdirected,
    /// There is no table yet: whether there is a rule for it, nobody knows.
    NoTable,
}

impl Unrouted {
    fn by(snapshot: &Snapshot) -> Self {
        if snapshot.is_first() {
            Self::NoTable
        } else {
            Self::NoRoute
        }
    }

    const fn status(self) -> StatusCode {
        match self {
            Self::NoRoute => StatusCode::NOT_FOUND,
            Self::Misdirected => StatusCode::MISDIRECTED_REQUEST,
            Self::NoTable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    const fn reason(self) -> &'static str {
        match self {
            Self::NoRoute => "no_route",
            Self::Misdirected => "misdirected",
            Self::NoTable => "no_table",
        }
    }
}

/// Holds a connection busy until the response is over.
pub(crate) struct Active {
    waiting: Arc<Waiting>,
    answered: bool,
}

impl Active {
    fn begin(waiting: &Arc<Waiting>) -> Self {
        waiting.request_begun();
        Self {
            waiting: waiting.clone(),
            answered: false,
        }
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        if !self.answered {
            self.waiting.request_abandoned();
        }
        self.waiting.request_ended();
    }
}

/// Answers one request, always. What needs no waiting is done at once, so that the future holds little.
pub(crate) fn answer(
    worker: &Rc<Worker>,
    connection: &Rc<Connection>,
    request: Request<Incoming>,
) -> impl Future<Output = Result<Response<Body>, Infallible>> + use<> {
    let overloaded = worker.shared.memory.is_short();
    if overloaded {
        connection.waiting.retire();
    }
    let sending = Sending {
        active: Active::begin(&connection.waiting),
        is_head: request.method() == Method::HEAD,
        multiplexed: request.version() == Version::HTTP_2,
    };
    let admitted = if overloaded {
        Err(Unserved::Overloaded)
    } else {
        Call::admit(worker, connection, request).map_err(Unserved::Refused)
    };
    let worker = worker.clone();
    async move {
        let response = match admitted {
            Ok(mut call) => call.answer().await,
            Err(Unserved::Refused(refusal)) => refuse(&worker, refusal),
            Err(Unserved::Overloaded) => overload(&worker),
        };
        Ok(sending.finish(response, &worker))
    }
}

/// Why a request is not looked at.
enum Unserved {
    Refused(Refusal),
    /// Memory is short: see [`crate::limits::memory`].
    Overloaded,
}

/// What every answer to a request must heed, whoever gives it.
struct Sending {
    active: Active,
    is_head: bool,
    multiplexed: bool,
}

impl Sending {
    fn finish(mut self, mut response: Response<Body>, worker: &Worker) -> Response<Body> {
        self.active.answered = true;
        if self.is_head {
            respond::without_body(&mut response);
        }
        if self.is_last(worker) && response.status() != StatusCode::SWITCHING_PROTOCOLS {
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(CONNECTION, close);
        }
        response.body_mut().holds(self.active);
        if self.multiplexed {
            forwarded::never_again(response.headers_mut());
            return response.map(|body| body.watched_by(&worker.streams));
        }
        response
    }

    /// Whether the connection ends with this answer. HTTP/2 has GOAWAY for it.
    fn is_last(&self, worker: &Worker) -> bool {
        let ending = worker.connections.is_draining() || self.active.waiting.is_retired();
        ending && !self.multiplexed
    }
}

fn refuse(worker: &Worker, refusal: Refusal) -> Response<Body> {
    worker.metrics.refused(refusal.reason());
    let mut response = respond::text(refusal.status(), format!("{refusal}\n"));
    // Where the next request begins is in doubt. HTTP/2 has no such header and hyper leaves it out there.
    response
        .headers_mut()
        .insert(CONNECTION, HeaderValue::from_static("close"));
    respond::plain(response)
}

fn overload(worker: &Worker) -> Response<Body> {
    worker.metrics.refused("overloaded");
    let mut response = respond::status(StatusCode::SERVICE_UNAVAILABLE);
    respond::ask_again(&mut response);
    respond::plain(response)
}

impl Call {
    /// On the heap, for everything below works on it where it is.
    fn admit(
        worker: &Rc<Worker>,
        connection: &Rc<Connection>,
        request: Request<Incoming>,
    ) -> Result<Box<Self>, Refusal> {
        let begun = Instant::now();
        let (mut parts, body) = request.into_parts();
        let before = connection.asked_host.take();
        let limits = &worker.shared.config.limits.heads;
        let ended = body.is_end_stream();
        let admitted = head::admit_after(&mut parts, ended, before.as_ref(), limits)?;
        let is_alone = !admitted.framing.has_body() && admitted.upgrade.is_none();
        if !is_alone {
            connection.waiting.turns_opaque();
        }
        connection.waiting.says_no_more(admitted.closes && is_alone);
        connection
            .asked_host
            .set(Some(admitted.host.name().clone()));
        let told = forwarded::settle(
            &mut parts.headers,
            &admitted.host,
            &connection.peer,
            &worker.shared.forwarding,
        );
        Ok(Box::new(Self {
            worker: worker.clone(),
            connection: connection.clone(),
            parts,
            admitted,
            body: Some(body),
            told,
            told_shown: false,
            begun,
        }))
    }

    async fn answer(&mut self) -> Response<Body> {
        if self.is_misdirected() {
            return self.unrouted(Unrouted::Misdirected);
        }
        let routed = match self.route() {
            Ok(routed) => routed,
            Err(unrouted) => return self.unrouted(unrouted),
        };
        let passed = match gate::before(self, &routed).await {
            Verdict::Pass(passed) => passed,
            Verdict::Answer(answer) => return self.own(&routed, *answer, Passed::default()),
        };
        match routed.rule().forward() {
            Some(forward) => forward::forward(self, &routed, forward, passed).await,
            None => self.act(&routed, passed),
        }
    }

    /// RFC 9110, section 7.4: a client that asked for another name in its handshake.
    fn is_misdirected(&self) -> bool {
        let asked = self.connection.server_name.as_deref();
        self.connection.tls.is_some()
            && !self
                .worker
                .shared
                .certificates
                .load()
                .allows(asked, self.admitted.host.as_str())
    }

    fn route(&mut self) -> Result<Routed, Unrouted> {
        let local = self.worker.current();
        if local.snapshot.sees_told {
            self.show_told();
        }
        let Some(found) = local.snapshot.table.find(&self.view(&local)) else {
            return Err(Unrouted::by(&local.snapshot));
        };
        let index = found.index;
        let rule = local.rule(index, &self.worker);
        let rewrite = rule.filters().rewrite();
        let rewritten = rewrite.map(|rewrite| rewrite.apply(self.parts.uri.path(), found.path()));
        if rule.sees_told {
            self.show_told();
        }
        Ok(Routed {
            unsent: Cell::new(Some(local.unsent())),
            rewritten: Cell::new(rewritten),
            rule: index,
            local,
        })
    }

    fn show_told(&mut self) {
        if !self.told_shown {
            self.told.insert_into(&mut self.parts.headers);
            self.told_shown = true;
        }
    }

    /// What the upstream is told, unless it is among the headers.
    pub(crate) fn told_apart(&self) -> Option<&Told> {
        (!self.told_shown).then_some(&self.told)
    }

    fn country(&self) -> Option<Country> {
        let trusted = self.connection.peer.trusted();
        let code = self.worker.shared.country.of(
            &self.parts.headers,
            trusted,
            self.told.origin().client,
        )?;
        std::str::from_utf8(&code).ok()?.parse().ok()
    }

    /// What routing sees of the request.
    pub(crate) fn view(&self, local: &Local) -> RequestView<'_> {
        let wanted = local.snapshot.table.uses_country();
        let country = || self.country();
        RequestView {
            method: &self.parts.method,
            host: self.admitted.host.as_str(),
            path: self.parts.uri.path(),
            query: self.parts.uri.query(),
            headers: &self.parts.headers,
            source: self.told.origin().client,
            country: wanted.then(country).flatten(),
        }
    }

    /// What a rule does that does not forward.
    fn act(&self, routed: &Routed, passed: Passed) -> Response<Body> {
        let answer = match routed.rule().rule().action() {
            Action::Redirect(redirect) => {
                respond::redirect(redirect.status(), self.asked().redirected(redirect))
            }
            Action::Respond { status, body } => respond::text(*status, body.clone()),
            Action::Forward(_) => unreachable!("it has been forwarded"),
        };
        self.own(routed, answer, passed)
    }

    /// An answer that the rule gives itself.
    pub(crate) fn own(
        &self,
        routed: &Routed,
        mut answer: Response<Answer>,
        passed: Passed,
    ) -> Response<Body> {
        let series = routed.rule().series(None, By::Split, &self.worker);
        let mut record = Record::begin(&self.worker, series, self.begun);
        record.counted = passed.counted;
        record.log_request(self, routed.rule().rule(), None, "none");
        gate::after(routed.rule(), passed.marks, answer.headers_mut());
        recorded(answer, record)
    }

    fn unrouted(&self, unrouted: Unrouted) -> Response<Body> {
        self.worker.metrics.refused(unrouted.reason());
        let mut answer = if self.admitted.grpc {
            respond::grpc(unrouted.status(), unrouted.reason())
        } else {
            respond::status(unrouted.status())
        };
        if matches!(unrouted, Unrouted::NoTable) {
            respond::ask_again(&mut answer);
        }
        respond::plain(answer)
    }

    /// Whether there is a body that nobody took.
    pub(crate) fn has_untaken_body(&self) -> bool {
        self.body.as_ref().is_some_and(|body| !body.is_end_stream())
    }

    /// The request's body, which is there once.
    pub(crate) fn take_body(&mut self) -> Option<Incoming> {
        self.body.take()
    }

    /// hyper's promise of the raw connection, behind a 101.
    pub(crate) fn take_upgrade(&mut self) -> Option<OnUpgrade> {
        self.parts.extensions.remove::<OnUpgrade>()
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        spare::keep(std::mem::take(&mut self.parts.headers));
    }
}

/// Puts an answer and its account together.
pub(crate) fn recorded(answer: Response<Answer>, mut record: Box<Record>) -> Response<Body> {
    record.head(answer.status().as_u16(), true);
    answer.map(|answer| Body::new(answer, Some(record), None))
}

//! Passing a request on: version, endpoint, attempts, and the answer on its way back.
//!
//! The version is chosen once. A second attempt goes to another endpoint of the same version as long as the table in
//! force has one, takes no ticket, and happens only where nothing can have been done twice.

use crate::affinity::Affinity;
use crate::answer::{Call, Routed, recorded};
use crate::attempt::{Again, Failed, Reply, attempt};
use crate::balance::{self, Policy};
use crate::body::{Answer, Body, Patience, Progress, RequestBody};
use crate::cookies::Cookies;
use crate::deadline::{Deadline, grpc_timeout};
use crate::endpoint::Endpoint;
use crate::gate::{self, Marks, Passed};
use crate::head::Framing;
use crate::local_rule::LocalRule;
use crate::metrics::{ErrorClass, Side};
use crate::mirror;
use crate::outgoing::{self, Outgoing};
use crate::record::Record;
use crate::respond;
use crate::snapshot::Unsent;
use crate::target::{Followed, Target};
use crate::tunnel;
use crate::upstream::Stream;
use crate::worker::Worker;
use bytes::Bytes;
use haldane_routing::{Balance, By, Choice, Filters, Forward, RuleIndex};
use http::{Response, Version};
use http_body::Body as _;
use hyper::upgrade::OnUpgrade;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

/// Idle connections found closed in a row, before one is opened anew: each costs nothing but a look.
const STALE_MAX: usize = 2;

/// Forwards a request and answers with what came back, or with our own 502, 503 or 504.
pub(crate) async fn forward(
    call: &mut Call,
    routed: &Routed,
    forward: &Forward,
    passed: Passed,
) -> Response<Body> {
    let choice = choose(call, routed, forward);
    let (drawn, by) = choice.as_ref().map_or_else(
        |empty| (empty.drawn, empty.by),
        |choice| (choice.drawn, choice.by),
    );
    let series = routed.rule().series(Some(drawn), by, &call.worker);
    let mut record = Record::begin(&call.worker, series, call.begun);
    record.counted = passed.counted;
    let version = &forward.versions()[drawn.index()];
    record.log_request(call, routed.rule().rule(), Some(version), by.as_str());
    let upgrade = call.take_upgrade();
    let deadline = deadline(call, forward);
    let replied = match choice {
        Ok(choice) => exchange(call, routed, (forward, deadline), &choice, &mut record).await,
        Err(_) => Err(ErrorClass::NoEndpoint),
    };
    let back = Returning {
        grpc: call.admitted.grpc,
        untaken: call.has_untaken_body(),
        worker: &call.worker,
        rule: routed.rule(),
        patience: Patience {
            idle: forward.timeouts().idle,
            deadline,
        },
        marks: passed.marks,
        record,
    };
    match replied {
        Ok((reply, cookies)) => back.answer(reply, cookies, upgrade),
        Err(class) => back.failed(class),
    }
}

/// Sends the request to the version chosen, as often as that is safe and needed.
async fn exchange(
    call: &mut Call,
    routed: &Routed,
    (forward, deadline): (&Forward, Option<Deadline>),
    choice: &Choice,
    record: &mut Record,
) -> Result<(Reply, Cookies), ErrorClass> {
    let mut unsent = routed.unsent.take();
    let affinity = Affinity::of(call, forward);
    let filters = routed.rule().filters();
    let mut body = poll_fn(|cx| Poll::Ready(intake(call, filters, record, cx))).await;
    let mut length = call.admitted.framing.length();
    if filters.buffers_request() {
        // A client may take its time, and no table waits for that: the first attempt goes by the one then in force.
        unsent = None;
        // On the heap: most requests are not read whole and need no room for this.
        let whole = Box::pin(gate::buffer(
            body,
            forward.timeouts().idle,
            record.request.as_deref(),
        ));
        body = Deadline::keep(deadline, whole).await??;
        length = length.or_else(|| body.size_hint().exact().filter(|bytes| *bytes > 0));
    }
    let rewritten = routed.rewritten.take();
    outgoing::edit(call, filters);
    let call = &*call;
    let length = (length, record.request.clone());
    let outgoing = outgoing::prepare(call, (forward, deadline), rewritten, length);
    // Whether a body happens to be here already decides nothing that a person would see.
    if filters.buffers_request() || !call.admitted.framing.has_body() {
        mirror::send(&call.worker, routed, forward, &outgoing, &body);
    }
    let mut route = Route {
        worker: &call.worker,
        rule: routed.rule(),
        index: routed.index(),
        forward,
        choice,
        target: Target::of(routed, forward, choice),
        hash: affinity.hash(),
    };
    let reply = route.attempts(&outgoing, body, unsent, record).await?;
    Ok((reply, Cookies::of(call, forward, choice, affinity)))
}

fn deadline(call: &Call, forward: &Forward) -> Option<Deadline> {
    let grpc = call.admitted.grpc;
    let asked = grpc.then(|| grpc_timeout(&call.parts.headers)).flatten();
    Deadline::of(call.begun.into(), forward.timeouts().whole, asked)
}

fn choose(
    call: &Call,
    routed: &Routed,
    forward: &Forward,
) -> Result<Choice, haldane_routing::Empty> {
    let view = call.view(&routed.local);
    let random = || rand::RngExt::random(&mut *call.worker.rng.borrow_mut());
    forward.choose(&view, &call.worker.shared.ticket_key, random)
}

/// The request's body as it comes in, or whole where it is here. HTTP/1.1's is read only when it is asked for in earnest: hyper
/// then lets a client send it that waits to be told (`100-continue`).
fn intake(
    call: &mut Call,
    filters: &Filters,
    record: &mut Record,
    cx: &mut Context<'_>,
) -> RequestBody {
    if call.admitted.framing == Framing::Absent {
        return RequestBody::empty();
    }
    let pace = (!call.admitted.grpc).then_some(call.worker.shared.config.limits.pace);
    let progress = Progress::new(Instant::now(), call.admitted.framing.length(), pace);
    record.request = Some(progress.clone());
    let Some(incoming) = call.take_body() else {
        return RequestBody::empty();
    };
    let multiplexed = call.parts.version == Version::HTTP_2;
    let body = RequestBody::stream(incoming, multiplexed, filters.body_bytes_max(), progress);
    if multiplexed {
        body.take_what_is_here(cx)
    } else {
        body
    }
}

/// Where a request's attempts may go.
struct Route<'a> {
    worker: &'a Rc<Worker>,
    rule: &'a LocalRule,
    /// The rule's place in the table that the request was routed by.
    index: RuleIndex,
    forward: &'a Forward,
    choice: &'a Choice,
    target: Target,
    hash: Option<u64>,
}

impl Route<'_> {
    /// Attempts until there is an answer, or no safe attempt is left.
    async fn attempts(
        &mut self,
        outgoing: &Outgoing<'_>,
        mut body: RequestBody,
        mut unsent: Option<Unsent>,
        record: &mut Record,
    ) -> Result<Reply, ErrorClass> {
        self.rule.budget.earn(self.forward.retry().budget_percent);
        let mut tried = Vec::new();
        let (mut left, mut stale, mut again) = (self.forward.retry().attempts_max, 0, false);
        loop {
            if unsent.is_none() {
                self.follow(record)?;
                unsent = Some(self.target.unsent());
            }
            let endpoint = self.endpoint(&tried).ok_or(ErrorClass::NoEndpoint)?;
            record.endpoint = Some(endpoint.enter());
            record.log_attempt(endpoint, again);
            let (fresh, began) = (stale >= STALE_MAX, self.now_ms());
            let failed = match attempt(
                self.worker,
                (self.target.backend(), endpoint),
                outgoing,
                body,
                &mut unsent,
                fresh,
            )
            .await
            {
                Ok(reply) => {
                    endpoint.succeeded(began);
                    return Ok(reply);
                }
                Err(failed) => failed,
            };
            match failed.again {
                Again::Stale if stale < STALE_MAX => stale += 1,
                // Nothing was tried, and it takes another table each time.
                Again::Late => {}
                Again::Safe | Again::Stale => {
                    left = self.allow(&failed, endpoint, left)?;
                }
                Again::Never => return Err(self.blame(&failed, endpoint)),
                Again::Unlucky => return Err(failed.class),
            }
            if failed.again == Again::Safe {
                tried.push(endpoint.id);
            }
            body = failed.body.ok_or(failed.class)?;
            again = failed.again != Again::Late;
            if again {
                self.worker.metrics.retried();
            }
            unsent = None;
        }
    }

    /// Where the version that is due takes the request no more, another one's attempt is charged to it.
    fn follow(&mut self, record: &mut Record) -> Result<(), ErrorClass> {
        match self.target.follow(self.worker, self.choice.by) {
            Followed::Stayed => {}
            Followed::Nowhere => return Err(ErrorClass::NoEndpoint),
            Followed::Moved => {
                let drawn = Some(self.choice.drawn);
                let series = self.rule.series(drawn, By::Failover, self.worker);
                record.moves_to(series, By::Failover.as_str());
            }
        }
        Ok(())
    }

    fn endpoint(&self, tried: &[u32]) -> Option<&Arc<Endpoint>> {
        let mut rng = self.worker.rng.borrow_mut();
        let policy = match (self.hash, self.forward.balance()) {
            (Some(key), _) => Policy::Hash(key),
            (None, Balance::RoundRobin) => Policy::RoundRobin(&self.target.backend().turn),
            (None, _) => Policy::LeastLoaded(&mut rng),
        };
        balance::choose(
            &self.target.backend().endpoints,
            policy,
            tried,
            self.now_ms(),
        )
    }

    fn now_ms(&self) -> u64 {
        self.worker.shared.endpoints.now_ms()
    }

    /// Counts a failed attempt; the attempts left after it, if the budget has one more.
    fn allow(&self, failed: &Failed, endpoint: &Endpoint, left: u8) -> Result<u8, ErrorClass> {
        let class = self.blame(failed, endpoint);
        if left <= 1 {
            return Err(class);
        }
        if !self.spend() {
            self.worker.metrics.retry_budget_exhausted();
            return Err(class);
        }
        Ok(left - 1)
    }

    /// Takes one retry from the rule's budget, if there is one: from what is kept of the rule for the newest table, so that
    /// requests under way by older ones spend the same.
    fn spend(&self) -> bool {
        let local = self.worker.current();
        let newest = local.known(self.index);
        let same = newest.filter(|newest| Arc::ptr_eq(newest.rule(), self.rule.rule()));
        same.unwrap_or(self.rule).budget.spend()
    }

    fn blame(&self, failed: &Failed, endpoint: &Endpoint) -> ErrorClass {
        let guilty = failed.again != Again::Late && failed.class.side() == Side::Upstream;
        if guilty && endpoint.failed(self.now_ms()) {
            let backend = self.target.backend().name();
            tracing::warn!(endpoint = ?endpoint.address, backend, "ejected");
            self.worker.metrics.ejected();
        }
        failed.class
    }
}

/// An answer on its way back.
struct Returning<'a> {
    worker: &'a Rc<Worker>,
    grpc: bool,
    /// The request has a body that nobody began to read.
    untaken: bool,
    rule: &'a LocalRule,
    patience: Patience,
    marks: Option<Box<Marks>>,
    record: Box<Record>,
}

impl Returning<'_> {
    fn answer(self, reply: Reply, cookies: Cookies, upgrade: Option<OnUpgrade>) -> Response<Body> {
        match (reply, upgrade) {
            (Reply::Response(answer), _) => self.relay(answer, cookies),
            (
                Reply::Upgraded {
                    response,
                    io,
                    read_ahead,
                },
                Some(upgrade),
            ) => self.switch(response, cookies, upgrade, (io, read_ahead)),
            (Reply::Upgraded { .. }, None) => self.failed(ErrorClass::BadResponse),
        }
    }

    fn relay(mut self, mut answer: Response<Answer>, cookies: Cookies) -> Response<Body> {
        gate::after(self.rule, self.marks, answer.headers_mut());
        cookies.set(answer.headers_mut());
        let whole = answer.body().is_here();
        self.record.head(answer.status().as_u16(), whole);
        answer.map(|answer| Body::new(answer, Some(self.record), Some(self.patience)))
    }

    fn switch(
        mut self,
        mut response: Response<()>,
        cookies: Cookies,
        upgrade: OnUpgrade,
        upstream: (Stream, Bytes),
    ) -> Response<Body> {
        self.record.head(response.status().as_u16(), false);
        gate::after(self.rule, self.marks, response.headers_mut());
        cookies.set(response.headers_mut());
        tunnel::open(self.worker, upgrade, upstream, self.record);
        response.map(|()| Body::new(Answer::Whole(Bytes::new()), None, None))
    }

    /// Our own answer for a request that got none.
    fn failed(mut self, class: ErrorClass) -> Response<Body> {
        self.record.error = Some(class);
        let status = respond::status_of(class);
        let mut answer = if self.grpc {
            respond::grpc(status, class.as_str())
        } else {
            respond::status(status)
        };
        if class == ErrorClass::NoEndpoint {
            respond::ask_again(&mut answer);
        }
        let body = self.record.request.as_ref();
        if body.map_or(self.untaken, |progress| !progress.has_ended()) {
            respond::say_close(&mut answer);
        }
        gate::after(self.rule, self.marks, answer.headers_mut());
        recorded(answer, self.record)
    }
}

//! The filters of a rule, in their order: what a request must pass before it is forwarded, and what its answer carries.
//!
//! Order: https redirect, client address, rates, CORS preflight, password, external authentication. A filter that the
//! rule does not have costs one comparison.

use crate::answer::{Call, Routed};
use crate::ask::Service;
use crate::body::{Answer, Progress, RequestBody};
use crate::filters::basic_auth::{BasicAuth, BasicAuthError, Login, Verifier};
use crate::filters::rate::{Clients, InFlight, Limited, RateLimits};
use crate::filters::{cors, external_auth};
use crate::local_rule::LocalRule;
use crate::metrics::ErrorClass;
use crate::respond;
use crate::worker::Worker;
use bytes::{Bytes, BytesMut};
use haldane_routing::filters::ExternalAuth;
use haldane_routing::spec::{BasicAuthSpec, OriginSpec, RateSpec};
use haldane_routing::{Filters, Rule};
use http::header::{SET_COOKIE, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body::Body as _;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The most of a request body that is held in memory because a rule wants it whole; above it the answer is 413.
const BUFFERED_BYTES_MAX: usize = 8 * 1024 * 1024;

/// What filters remember, for the whole process.
pub(crate) struct FilterStates {
    clients: Arc<Clients>,
    verifier: Verifier,
}

impl FilterStates {
    pub(crate) fn new() -> Self {
        Self {
            clients: Clients::new(Instant::now()),
            verifier: Verifier::new(rand::random()),
        }
    }
}

/// A rule's filters, as far as they need more than the table knows.
pub(crate) struct RuleGate {
    limits: Option<RateLimits>,
    /// `Err` where the users cannot be read: nobody comes in then.
    basic_auth: Option<Result<BasicAuth, BasicAuthError>>,
    auth_service: Option<Service>,
}

impl RuleGate {
    /// `None` where the rule has no such filter.
    pub(crate) fn new(rule: &Rule, worker: &Worker) -> Option<Self> {
        let filters = rule.filters();
        let limits = filters.rate().and_then(|spec| limits(spec, rule.origin()));
        let basic = |spec: &BasicAuthSpec| {
            BasicAuth::new(&spec.realm, spec.users.iter().map(String::as_str))
        };
        let basic_auth = filters.basic_auth().map(basic);
        let auth = filters.external_auth();
        let auth_service = auth.map(|auth| Service::new(worker, auth));
        let any = limits.is_some() || basic_auth.is_some() || auth_service.is_some();
        any.then_some(Self {
            limits,
            basic_auth,
            auth_service,
        })
    }

    fn authenticates(&self) -> bool {
        self.basic_auth.is_some() || self.auth_service.is_some()
    }
}

fn limits(spec: &RateSpec, origin: &OriginSpec) -> Option<RateLimits> {
    RateLimits::new(spec, &format!("{}/{}", origin.namespace, origin.name))
}

/// What became of a request at the gate.
pub(crate) enum Verdict {
    Pass(Passed),
    Answer(Box<Response<Answer>>),
}

impl Verdict {
    fn answer(answer: Response<Answer>) -> Self {
        Self::Answer(Box::new(answer))
    }
}

/// What a request that passed holds until its response is over, and what its response carries. On the heap, for most rules
/// have neither, and it goes through many hands.
#[derive(Debug, Default)]
pub(crate) struct Passed {
    pub(crate) counted: Option<Box<InFlight>>,
    pub(crate) marks: Option<Box<Marks>>,
}

/// What filters add to the response's headers, whoever answers.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    cors: Option<cors::Mark>,
    cookies: Vec<HeaderValue>,
}

/// Asks every filter of the rule.
pub(crate) async fn before(call: &mut Call, routed: &Routed) -> Verdict {
    let filters = routed.rule().filters();
    if let Some(answer) = turned_away(call, filters) {
        return Verdict::answer(answer);
    }
    let gate = routed.rule().gate();
    let counted = match count(call, gate) {
        Ok(counted) => counted,
        Err(limited) => {
            return Verdict::answer(respond::text(
                StatusCode::SERVICE_UNAVAILABLE,
                format!("{limited}\n"),
            ));
        }
    };
    let mut passed = Passed {
        counted: counted.map(Box::new),
        marks: None,
    };
    if let Some(cors) = filters.cors() {
        if let Some(headers) = cors::preflight(cors, &call.parts.method, &call.parts.headers) {
            return Verdict::answer(preflight(headers));
        }
        let mark = cors::Mark::new(cors, &call.parts.headers);
        passed.marks.get_or_insert_default().cors = Some(mark);
    }
    let Some(gate) = gate.filter(|gate| gate.authenticates()) else {
        return Verdict::Pass(passed);
    };
    // On the heap, so that requests without it carry no room for it.
    match Box::pin(authenticate(call, filters, gate, &mut passed.marks)).await {
        Ok(()) => Verdict::Pass(passed),
        Err(answer) => Verdict::answer(answer),
    }
}

/// What needs nothing but the request's head.
fn turned_away(call: &Call, filters: &Filters) -> Option<Response<Answer>> {
    if let Some(status) = filters
        .https_redirect()
        .filter(|_| !call.told.origin().https)
    {
        let port = call.worker.shared.config.https_redirect_port;
        return Some(respond::redirect(status, call.asked().by_https(port)));
    }
    if !filters.admits(call.told.origin().client) {
        return Some(respond::status(StatusCode::FORBIDDEN));
    }
    let announced = call.admitted.framing.length().unwrap_or(0);
    let too_large = filters
        .body_bytes_max()
        .is_some_and(|most| announced > most);
    too_large.then(|| respond::status(StatusCode::PAYLOAD_TOO_LARGE))
}

fn count(call: &Call, gate: Option<&RuleGate>) -> Result<Option<InFlight>, Limited> {
    let Some(limits) = gate.and_then(|gate| gate.limits.as_ref()) else {
        return Ok(None);
    };
    let clients = &call.worker.shared.filters.clients;
    clients.admit(limits, call.told.origin().client, call.begun)
}

fn preflight(headers: HeaderMap) -> Response<Answer> {
    let mut answer = respond::empty(StatusCode::NO_CONTENT);
    *answer.headers_mut() = headers;
    answer
}

async fn authenticate(
    call: &mut Call,
    filters: &Filters,
    gate: &RuleGate,
    marks: &mut Option<Box<Marks>>,
) -> Result<(), Response<Answer>> {
    if let Some(basic_auth) = &gate.basic_auth {
        log_in(call, basic_auth).await?;
    }
    match (filters.external_auth(), &gate.auth_service) {
        (Some(auth), Some(service)) => ask(call, auth, service, marks).await,
        _ => Ok(()),
    }
}

async fn log_in(
    call: &Call,
    basic_auth: &Result<BasicAuth, BasicAuthError>,
) -> Result<(), Response<Answer>> {
    let unavailable = || respond::status(StatusCode::SERVICE_UNAVAILABLE);
    let Ok(basic_auth) = basic_auth else {
        return Err(unavailable());
    };
    match basic_auth
        .check(&call.parts.headers, &call.worker.shared.filters.verifier)
        .await
    {
        Login::Granted => Ok(()),
        Login::Unavailable(_) => Err(unavailable()),
        Login::Challenged(challenge) => {
            let mut answer = respond::status(StatusCode::UNAUTHORIZED);
            answer.headers_mut().insert(WWW_AUTHENTICATE, challenge);
            Err(answer)
        }
    }
}

async fn ask(
    call: &mut Call,
    auth: &ExternalAuth,
    service: &Service,
    marks: &mut Option<Box<Marks>>,
) -> Result<(), Response<Answer>> {
    let mut headers = std::mem::take(&mut call.parts.headers);
    let question = async |question| service.ask(&call.worker, question).await;
    let verdict = external_auth::check(
        auth,
        &call.parts.method,
        &mut headers,
        call.asked(),
        question,
    )
    .await;
    call.parts.headers = headers;
    match verdict {
        external_auth::Verdict::Pass { set_cookie } => {
            if !set_cookie.is_empty() {
                marks.get_or_insert_default().cookies = set_cookie;
            }
            Ok(())
        }
        external_auth::Verdict::Refuse(answer) => Err(answer.map(|()| Answer::Whole(Bytes::new()))),
        external_auth::Verdict::Unavailable(why) => {
            Err(respond::text(why.status(), format!("{why}\n")))
        }
    }
}

/// What the rule changes in any answer.
pub(crate) fn after(rule: &LocalRule, marks: Option<Box<Marks>>, headers: &mut HeaderMap) {
    let filters = rule.filters();
    filters.response_headers().apply(headers);
    let Some(marks) = marks else { return };
    if let (Some(cors), Some(mark)) = (filters.cors(), &marks.cors) {
        mark.apply(cors, headers);
    }
    for cookie in marks.cookies {
        headers.append(SET_COOKIE, cookie);
    }
}

/// Reads a request body whole; a client that is silent for `idle`, takes ten times as long in all, or is slower than
/// `progress` allows, is given up.
pub(crate) async fn buffer(
    body: RequestBody,
    idle: Duration,
    progress: Option<&Progress>,
) -> Result<RequestBody, ErrorClass> {
    let whole = tokio::time::timeout(idle * 10, read_whole(body, idle, progress)).await;
    whole.unwrap_or(Err(ErrorClass::RequestTimeout))
}

async fn read_whole(
    mut body: RequestBody,
    idle: Duration,
    progress: Option<&Progress>,
) -> Result<RequestBody, ErrorClass> {
    let mut whole = BytesMut::new();
    loop {
        let next = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx));
        let patience = progress.and_then(Progress::patience);
        let next = tokio::time::timeout(patience.map_or(idle, |most| most.min(idle)), next).await;
        let Some(frame) = next.map_err(|_| ErrorClass::RequestTimeout)? else {
            return Ok(RequestBody::whole(whole.freeze()));
        };
        let frame = frame.map_err(|error| error.class())?;
        let data = frame.into_data().unwrap_or_default();
        if whole.len() + data.len() > BUFFERED_BYTES_MAX {
            return Err(ErrorClass::BodyTooLarge);
        }
        whole.extend_from_slice(&data);
    }
}

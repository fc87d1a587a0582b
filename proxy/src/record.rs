//! The account of one request: begun when it is routed, closed when its response is over, in metrics and the access log.

use crate::access_log::Entry;
use crate::answer::Call;
use crate::body::{BodyError, Progress};
use crate::endpoint::{Endpoint, InFlight};
use crate::filters::rate::InFlight as Counted;
use crate::metrics::{Cohort, ErrorClass, Outcome, SeriesShard};
use crate::worker::Worker;
use haldane_routing::spec::Address;
use haldane_routing::{Rule, Version};
use http::HeaderMap;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

/// An open account, closed by [`Record::finish`]. One that is dropped before belongs to a client that went away.
pub(crate) struct Record {
    pub(crate) status: u16,
    pub(crate) bytes_out: u64,
    pub(crate) error: Option<ErrorClass>,
    pub(crate) head_after: Option<Duration>,
    /// The whole answer came with its head, so that it is over as soon as that is there.
    whole: bool,
    pub(crate) request: Option<Rc<Progress>>,
    pub(crate) request_bytes: u64,
    pub(crate) endpoint: Option<InFlight>,
    /// The request's place under its client's limit.
    pub(crate) counted: Option<Box<Counted>>,
    pub(crate) log: Option<Box<Entry>>,
    ended: bool,
    series: Rc<SeriesShard>,
    arrived: Cohort,
    begun: Instant,
    worker: Rc<Worker>,
}

impl Record {
    /// On the heap, for it goes with the answer through many hands.
    pub(crate) fn begin(worker: &Rc<Worker>, series: Rc<SeriesShard>, begun: Instant) -> Box<Self> {
        let arrived = series.begin();
        Box::new(Self {
            status: 0,
            bytes_out: 0,
            error: None,
            head_after: None,
            whole: false,
            request: None,
            request_bytes: 0,
            endpoint: None,
            counted: None,
            log: None,
            ended: false,
            series,
            arrived,
            begun,
            worker: worker.clone(),
        })
    }

    /// Notes what the access log says of the request, where there is a log.
    pub(crate) fn log_request(
        &mut self,
        call: &Call,
        rule: &Rule,
        version: Option<&Version>,
        by: &'static str,
    ) {
        if self.worker.shared.access_log.is_none() {
            return;
        }
        let field = |name| call.parts.headers.get(name).cloned();
        self.log = Some(Box::new(Entry {
            time: SystemTime::now() - call.begun.elapsed(),
            request_id: Some(call.told.request_id()),
            client: call.told.origin().client,
            method: call.parts.method.clone(),
            host: call.admitted.host.as_str().to_owned(),
            target: call.parts.uri.path_and_query().cloned(),
            protocol: call.parts.version,
            tls: call.connection.tls,
            user_agent: field("user-agent"),
            rule: rule.id().to_owned(),
            version: version.map_or_else(String::new, |version| version.name().to_owned()),
            by,
            ..Entry::default()
        }));
    }

    /// Notes where an attempt goes.
    pub(crate) fn log_attempt(&mut self, endpoint: &Endpoint, again: bool) {
        if let Some(log) = &mut self.log {
            log.endpoint = match &endpoint.address {
                Address::Socket(address) => address.to_string(),
                Address::Name(name, port) => format!("{name}:{port}"),
            };
            log.retries += u32::from(again);
        }
    }

    /// The request goes on under another account of the same version, because something else decided.
    pub(crate) fn moves_to(&mut self, series: Rc<SeriesShard>, by: &'static str) {
        let arrived = std::mem::replace(&mut self.arrived, series.begin());
        std::mem::replace(&mut self.series, series).withdraw(arrived);
        if let Some(log) = &mut self.log {
            log.by = by;
        }
    }

    /// The response head is there, and with `whole` the response.
    pub(crate) fn head(&mut self, status: u16, whole: bool) {
        self.status = status;
        self.whole = whole;
        self.answer();
        self.head_after = Some(self.begun.elapsed());
    }

    /// The first head is the answer that others wait for.
    fn answer(&self) {
        if self.head_after.is_none() {
            self.series.answered(self.arrived);
        }
    }

    /// gRPC tells its outcome behind the body.
    pub(crate) fn note_trailers(&mut self, trailers: &HeaderMap) {
        if let (Some(log), Some(status)) = (&mut self.log, trailers.get("grpc-status")) {
            log.grpc_status = status.to_str().ok().map(str::to_owned);
        }
    }

    /// The response came to its end, or was cut.
    pub(crate) fn finish(mut self, outcome: Result<(), &BodyError>) {
        if let Err(error) = outcome {
            self.error.get_or_insert(error.class());
        }
        self.ended = true;
    }

    fn close(&mut self) {
        self.answer();
        let at_once = self.head_after.filter(|_| self.whole && self.ended);
        let outcome = Outcome {
            status: self.status,
            error: self.error,
            head: self.head_after,
            total: at_once.unwrap_or_else(|| self.begun.elapsed()),
            bytes_in: self
                .request
                .as_ref()
                .map_or(self.request_bytes, |progress| progress.bytes()),
            bytes_out: self.bytes_out,
        };
        self.series.finish(self.arrived, &outcome);
        if let Some(entry) = self.log.take() {
            self.worker.log(*entry, &outcome);
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        if !self.ended {
            self.error.get_or_insert(ErrorClass::ClientGone);
        }
        self.close();
    }
}

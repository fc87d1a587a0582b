//! Asking the service of external authentication: one request without a body, of whose answer only the head counts.

use crate::answer::Call;
use crate::endpoint::Endpoint;
use crate::metrics::UpstreamState;
use crate::tls::{Alpn, server_name};
use crate::upstream::connect::{self, Tls};
use crate::upstream::h1::{self, Failure, Outcome, RequestHead};
use crate::upstream::{Stream, pool};
use crate::worker::Worker;
use bytes::Bytes;
use haldane_routing::filters::ExternalAuth;
use haldane_routing::spec::{Address, Protocol, UpstreamTlsSpec};
use http::{Request, Response, Uri};
use http_body_util::Empty;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// For one connection attempt to the service.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(2);

/// The service gave no answer. Why, is in the log.
#[derive(Debug)]
pub(crate) struct NoAnswer;

/// Where a rule's service is, made once for each worker.
pub(crate) struct Service {
    endpoint: Arc<Endpoint>,
    tls: Option<UpstreamTlsSpec>,
}

impl Service {
    pub(crate) fn new(worker: &Worker, auth: &ExternalAuth) -> Self {
        let uri = auth.url();
        let https = uri.scheme_str() == Some("https");
        let tls = UpstreamTlsSpec {
            server_name: uri.host().map(str::to_owned),
            verify: true,
            ca_pem: None,
        };
        let protocol = if https {
            Protocol::Https
        } else {
            Protocol::Http
        };
        let address = address(uri, https);
        let name = format!("external authentication {uri}");
        Self {
            endpoint: worker
                .shared
                .endpoints
                .endpoint(protocol, &tls, &name, &address),
            tls: https.then_some(tls),
        }
    }

    /// Sends the question and waits for the head of the answer. A kept connection may be closed as it is used; the question
    /// is then asked once more on a new one.
    pub(crate) async fn ask(
        &self,
        worker: &Rc<Worker>,
        question: Request<Empty<Bytes>>,
    ) -> Result<Response<()>, NoAnswer> {
        let (parts, body) = question.into_parts();
        let head = RequestHead {
            method: &parts.method,
            target: parts
                .uri
                .path_and_query()
                .map_or("/", http::uri::PathAndQuery::as_str),
            headers: &parts.headers,
            more: None,
            length: Some(0),
            upgrade: None,
        };
        let mut kept = worker.pool.take(self.endpoint.id);
        loop {
            let connection = match kept.take() {
                Some(connection) => connection,
                None => self.connect(worker).await?,
            };
            let back = pool::Back::new(worker.clone(), self.endpoint.id);
            match h1::send(connection, head, body, back).await {
                Ok(Outcome::Response(response)) => return Ok(response.map(drop)),
                Ok(Outcome::Upgraded { .. }) => return Err(NoAnswer),
                Err(error) if error.reused && is_unanswered(&error.failure) => {}
                Err(error) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "external authentication"
                    );
                    return Err(NoAnswer);
                }
            }
        }
    }

    async fn connect(&self, worker: &Rc<Worker>) -> Result<h1::Connection<Stream>, NoAnswer> {
        let opened = connect::connect(
            &self.endpoint.address,
            self.tls(worker)?,
            &worker.shared.reach,
            CONNECT_TIME_MAX,
        )
        .await;
        let transport = opened.map_err(|error| {
            tracing::warn!(%error, "external authentication");
            NoAnswer
        })?;
        let mut stream = Stream::new(transport, worker.metrics.upstream_connected());
        stream.is_now(UpstreamState::Busy);
        Ok(h1::Connection::new(stream, h1::Limits::default()))
    }

    fn tls(&self, worker: &Worker) -> Result<Option<Tls>, NoAnswer> {
        let Some(spec) = &self.tls else {
            return Ok(None);
        };
        let config = worker
            .shared
            .client_tls
            .config(spec, Alpn::Http1)
            .map_err(|_| NoAnswer)?;
        let server_name = server_name(spec, "").map_err(|_| NoAnswer)?;
        Ok(Some(Tls {
            config,
            server_name,
        }))
    }
}

fn is_unanswered<E>(failure: &Failure<E>) -> bool {
    matches!(
        failure,
        Failure::Unsent(_) | Failure::ClosedBeforeResponse(_)
    )
}

fn address(uri: &Uri, https: bool) -> Address {
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    let port = uri.port_u16().unwrap_or(if https { 443 } else { 80 });
    match host.parse() {
        Ok(ip) => Address::Socket((std::net::IpAddr::to_canonical(&ip), port).into()),
        Err(_) => Address::Name(host.to_owned(), port),
    }
}

impl Call {
    /// The URL the client asked for.
    pub(crate) fn asked(&self) -> crate::filters::location::Asked<'_> {
        crate::filters::location::Asked {
            https: self.told.origin().https,
            host: self.admitted.host.as_str(),
            port: self.admitted.port,
            uri: &self.parts.uri,
        }
    }
}

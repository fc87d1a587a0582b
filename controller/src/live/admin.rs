//! The admin port: probes, metrics and the standing of things. It only reads, and needs no rights.

use super::board::Board;
use super::metrics::Metrics;
use super::rollouts::Reports;
use haldane_rollout::report::Rollouts;
use http::{Method, Request, Response, StatusCode, Uri, header};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::sleep;

/// Connections answered at once: a scraper, a probe, a person, and some to spare.
const CONNECTIONS_MAX: usize = 64;
/// How long a peer may take to send a request head.
const HEAD_TIME_MAX: Duration = Duration::from_secs(10);
/// How long to leave the socket alone when accepting fails.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What the port shows.
pub(crate) struct Admin {
    pub(crate) board: Board,
    pub(crate) metrics: Metrics,
    pub(crate) rollouts: watch::Receiver<Reports>,
}

impl Admin {
    /// Answers for ever.
    pub(crate) async fn serve(self, listener: TcpListener) {
        let admin = Arc::new(self);
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        while let Ok(place) = places.clone().acquire_owned().await {
            match listener.accept().await {
                Ok((stream, _)) => {
                    let admin = admin.clone();
                    tokio::spawn(async move {
                        admin.connection(stream).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "accepting on the admin port pauses");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    async fn connection(&self, stream: TcpStream) {
        let service = service_fn(|request: Request<Incoming>| {
            let response = self.respond(&request.map(drop));
            async move { Ok::<_, Infallible>(response) }
        });
        let served = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIME_MAX)
            .serve_connection(TokioIo::new(stream), service)
            .await;
        if let Err(error) = served {
            tracing::debug!(%error, "an admin connection ended");
        }
    }

    fn respond(&self, request: &Request<()>) -> Response<Full<Bytes>> {
        if !is_own(request) {
            return answer(
                StatusCode::MISDIRECTED_REQUEST,
                TEXT,
                "not this host\n".to_owned(),
            );
        }
        if request.method() != Method::GET && request.method() != Method::HEAD {
            return answer(
                StatusCode::METHOD_NOT_ALLOWED,
                TEXT,
                "only GET\n".to_owned(),
            );
        }
        match request.uri().path() {
            "/healthz" => answer(StatusCode::OK, TEXT, "ok\n".to_owned()),
            "/readyz" if self.board.synced() => answer(StatusCode::OK, TEXT, "ok\n".to_owned()),
            "/readyz" => {
                let reason = "not everything has been listed\n".to_owned();
                answer(StatusCode::SERVICE_UNAVAILABLE, TEXT, reason)
            }
            "/metrics" => answer(StatusCode::OK, METRICS, self.metrics.text()),
            "/status" => {
                let standing = serde_json::to_string(&self.board.standing());
                answer(StatusCode::OK, JSON, standing.unwrap_or_default())
            }
            "/rollouts" => {
                let rollouts = serde_json::to_string(&self.rollouts());
                answer(StatusCode::OK, JSON, rollouts.unwrap_or_default())
            }
            _ => answer(StatusCode::NOT_FOUND, TEXT, "no such page\n".to_owned()),
        }
    }
}

impl Admin {
    fn rollouts(&self) -> Rollouts {
        Rollouts {
            leader: self.board.leadership.term().is_some(),
            rollouts: self.rollouts.borrow().to_vec(),
        }
    }
}

const TEXT: &str = "text/plain; charset=utf-8";
const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";
const JSON: &str = "application/json";

fn answer(status: StatusCode, kind: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    let kind = header::HeaderValue::from_static(kind);
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// A web page may point a name of its own at our address and read the answers as its own; the browser still sends that
/// name, so only addresses and `localhost` are answered.
fn is_own(request: &Request<()>) -> bool {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return false;
    };
    let host = host.to_str().ok().and_then(|host| host.parse::<Uri>().ok());
    let host = host.and_then(|uri| uri.host().map(str::to_ascii_lowercase));
    host.is_some_and(|host| {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost" || bare.parse::<IpAddr>().is_ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_nobody_else_owns_are_answered() {
        let cases = [
            ("127.0.0.1:9091", true),
            ("10.1.2.3", true),
            ("[::1]:9091", true),
            ("LocalHost:1", true),
            ("evil.example", false),
            ("127.0.0.1.evil.example", false),
            ("localhost.evil.example:80", false),
            ("", false),
        ];
        for (host, own) in cases {
            let request = Request::builder().header(header::HOST, host).body(());
            assert_eq!(is_own(&request.unwrap()), own, "{host}");
        }
        assert!(!is_own(&Request::new(())));
    }
}

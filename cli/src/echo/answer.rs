//! What a backend answers: who it is by default, or what the path asks for.

use super::server::Pod;
use super::{grpc, websocket};
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use serde::Serialize;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll};
use std::time::Duration;

/// The response header that names the version.
pub(crate) const X_VERSION: HeaderName = HeaderName::from_static("x-version");
/// The response header that names the pod.
const X_POD: HeaderName = HeaderName::from_static("x-pod");
/// The longest that `/delay/MS` waits: longer than any timeout somebody tries out by hand.
const DELAY_MAX: Duration = Duration::from_secs(600);
/// How much of `/bytes/N` is written at once: what one HTTP/2 frame carries by default.
const CHUNK: usize = 16_384;

/// The body of every answer.
pub(super) type AnswerBody = UnsyncBoxBody<Bytes, hyper::Error>;

/// Counts and answers one request.
pub(super) async fn answer(pod: &Pod, request: Request<Incoming>) -> Response<AnswerBody> {
    let number = pod.requests.fetch_add(1, Relaxed) + 1;
    let mut response = dispatch(pod, number, request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        (X_VERSION, &pod.identity.version),
        (X_POD, &pod.identity.name),
    ] {
        // A name that no header can carry is told in the body alone.
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    }
    response
}

async fn dispatch(pod: &Pod, number: u64, request: Request<Incoming>) -> Response<AnswerBody> {
    if websocket::is_asked_for(&request) {
        return websocket::accept(request);
    }
    if grpc::is_call(&request) {
        return grpc::echo(request);
    }
    let path = request.uri().path().to_owned();
    if path != "/ready"
        && let Some(refused) = misbehave(pod, number).await
    {
        return refused;
    }
    match path
        .split_once('/')
        .and_then(|(_, rest)| rest.split_once('/'))
    {
        Some(("status", code)) => status(code),
        Some(("bytes", count)) => bytes(count),
        Some(("delay", millis)) => delayed(pod, number, millis, request).await,
        Some(("ready", wanted)) => make_ready(pod, request.method(), wanted),
        _ if path == "/ready" => readiness(pod),
        _ if path == "/body" => Response::new(request.into_body().boxed_unsync()),
        _ => told(pod, number, request).await,
    }
}

/// What the backend was told to do wrong; a probe is answered as ever, else nobody would send it requests.
async fn misbehave(pod: &Pod, number: u64) -> Option<Response<AnswerBody>> {
    let faults = pod.identity.faults;
    if let Some(slow) = faults.slows(number) {
        tokio::time::sleep(slow).await;
    }
    let failed = || {
        text(
            StatusCode::INTERNAL_SERVER_ERROR,
            "out of order\n".to_owned(),
        )
    };
    faults.fails(number).then(failed)
}

fn status(code: &str) -> Response<AnswerBody> {
    match code.parse::<StatusCode>() {
        // 1xx is not a final answer.
        Ok(code) if !code.is_informational() => text(code, format!("{code}\n")),
        _ => text(StatusCode::BAD_REQUEST, "no such status\n".to_owned()),
    }
}

/// What a readiness probe asks.
fn readiness(pod: &Pod) -> Response<AnswerBody> {
    if pod.unready.load(Relaxed) {
        text(StatusCode::SERVICE_UNAVAILABLE, "not ready\n".to_owned())
    } else {
        text(StatusCode::OK, "ready\n".to_owned())
    }
}

/// Turns what [`readiness`] says `on` or `off`: only by POST, since whoever follows links changes nothing.
fn make_ready(pod: &Pod, method: &Method, wanted: &str) -> Response<AnswerBody> {
    let unready = match (method, wanted) {
        (&Method::POST, "on") => false,
        (&Method::POST, "off") => true,
        _ => {
            return text(
                StatusCode::BAD_REQUEST,
                "POST /ready/on or /ready/off\n".to_owned(),
            );
        }
    };
    pod.unready.store(unready, Relaxed);
    readiness(pod)
}

fn bytes(count: &str) -> Response<AnswerBody> {
    match count.parse() {
        Ok(left) => Response::new(
            Filler { left }
                .map_err(|never| match never {})
                .boxed_unsync(),
        ),
        Err(_) => text(StatusCode::BAD_REQUEST, "no such length\n".to_owned()),
    }
}

async fn delayed(
    pod: &Pod,
    number: u64,
    millis: &str,
    request: Request<Incoming>,
) -> Response<AnswerBody> {
    match millis.parse().map(Duration::from_millis) {
        Ok(delay) if delay <= DELAY_MAX => {
            tokio::time::sleep(delay).await;
            told(pod, number, request).await
        }
        _ => text(StatusCode::BAD_REQUEST, "no such delay\n".to_owned()),
    }
}

/// What the backend tells about a request.
#[derive(Debug, Serialize)]
struct Told<'r> {
    pod: &'r str,
    version: &'r str,
    /// This backend's count, this request included.
    requests: u64,
    protocol: String,
    method: &'r str,
    path: &'r str,
    query: Option<&'r str>,
    headers: BTreeMap<&'r str, Vec<String>>,
    body_bytes: u64,
}

/// Who answers; with everything about the request where JSON is asked for.
async fn told(pod: &Pod, number: u64, request: Request<Incoming>) -> Response<AnswerBody> {
    let (head, body) = request.into_parts();
    let body_bytes = match length(body).await {
        Ok(bytes) => bytes,
        Err(error) => return text(StatusCode::BAD_REQUEST, format!("{error}\n")),
    };
    let identity = &pod.identity;
    if !wants_json(&head) {
        let sent = if body_bytes > 0 {
            format!(" body={body_bytes}")
        } else {
            String::new()
        };
        return text(
            StatusCode::OK,
            format!("{} version={}{sent}\n", identity.name, identity.version),
        );
    }
    json(&Told {
        pod: &identity.name,
        version: &identity.version,
        requests: number,
        protocol: format!("{:?}", head.version),
        method: head.method.as_str(),
        path: head.uri.path(),
        query: head.uri.query(),
        headers: headers(&head.headers),
        body_bytes,
    })
}

fn wants_json(head: &http::request::Parts) -> bool {
    let accepts = head
        .headers
        .get(ACCEPT)
        .and_then(|accept| accept.to_str().ok());
    head.uri.path() == "/echo.json"
        || accepts.is_some_and(|accept| accept.contains("application/json"))
}

/// Values that are not text are shown with `\x..` for what is not.
fn headers(headers: &http::HeaderMap) -> BTreeMap<&str, Vec<String>> {
    let mut shown = BTreeMap::<_, Vec<_>>::new();
    for (name, value) in headers {
        shown
            .entry(name.as_str())
            .or_default()
            .push(value.as_bytes().escape_ascii().to_string());
    }
    shown
}

/// Reads a body to its end, keeping none of it.
async fn length(mut body: Incoming) -> Result<u64, hyper::Error> {
    let mut bytes = 0;
    while let Some(frame) = body.frame().await {
        bytes += frame?.data_ref().map_or(0, |data| data.len() as u64);
    }
    Ok(bytes)
}

fn json(told: &Told<'_>) -> Response<AnswerBody> {
    let body = serde_json::to_string_pretty(told).expect("names and numbers can be written");
    let mut response = text(StatusCode::OK, body + "\n");
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

pub(super) fn text(status: StatusCode, body: String) -> Response<AnswerBody> {
    let body = Full::new(Bytes::from(body)).map_err(|never| match never {});
    let mut response = Response::new(body.boxed_unsync());
    *response.status_mut() = status;
    response.headers_mut().insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    response
}

/// So many bytes, without ever holding more than a chunk of them.
struct Filler {
    left: u64,
}

impl Body for Filler {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        static CHUNK_BYTES: [u8; CHUNK] = [b'.'; CHUNK];
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let part = usize::try_from(self.left).map_or(CHUNK, |left| left.min(CHUNK));
        self.left -= part as u64;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(
            &CHUNK_BYTES[..part],
        )))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

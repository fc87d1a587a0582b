//! Answers of our own: refusals, redirects, errors. Short, plain, and in gRPC's terms where the client speaks gRPC.

use crate::body::{Answer, Body};
use crate::metrics::ErrorClass;
use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, LOCATION, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};

/// A plain text answer.
pub(crate) fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Answer> {
    let mut response = Response::new(Answer::Whole(body.into()));
    *response.status_mut() = status;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, plain);
    response
}

/// The answer for a status that needs no more words than its own.
pub(crate) fn status(status: StatusCode) -> Response<Answer> {
    let reason = status.canonical_reason().unwrap_or("");
    text(status, format!("{} {reason}\n", status.as_u16()))
}

/// The status of an answer that stands for one that did not come.
pub(crate) fn status_of(class: ErrorClass) -> StatusCode {
    match class {
        ErrorClass::NoEndpoint | ErrorClass::Overloaded | ErrorClass::AuthFailed => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        ErrorClass::ConnectTimeout
        | ErrorClass::ResponseTimeout
        | ErrorClass::BodyTimeout
        | ErrorClass::WholeTimeout
        | ErrorClass::ClientDeadline => StatusCode::GATEWAY_TIMEOUT,
        ErrorClass::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
        ErrorClass::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorClass::BadBody | ErrorClass::ClientGone => StatusCode::BAD_REQUEST,
        ErrorClass::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        ErrorClass::ConnectFailed
        | ErrorClass::TlsFailed
        | ErrorClass::BadResponse
        | ErrorClass::UpstreamReset
        | ErrorClass::EndpointForbidden => StatusCode::BAD_GATEWAY,
    }
}

/// Says when to ask again, where that is known to be soon: a first table takes less than a second once a controller is
/// followed, and endpoints that are ready again take no longer.
pub(crate) fn ask_again(response: &mut Response<Answer>) {
    let soon = HeaderValue::from_static("1");
    response.headers_mut().insert(RETRY_AFTER, soon);
}

/// Announces the end of a connection on which a part of the request is left unread: where the next one begins is not
/// looked for. HTTP/2 has no such header and hyper leaves it out there.
pub(crate) fn say_close(response: &mut Response<Answer>) {
    let close = HeaderValue::from_static("close");
    response.headers_mut().insert(CONNECTION, close);
}

/// An answer without a body.
pub(crate) fn empty(status: StatusCode) -> Response<Answer> {
    let mut response = Response::new(Answer::Whole(Bytes::new()));
    *response.status_mut() = status;
    response
}

/// A redirect.
pub(crate) fn redirect(status: StatusCode, location: HeaderValue) -> Response<Answer> {
    let mut response = self::status(status);
    response.headers_mut().insert(LOCATION, location);
    response
}

/// The same as gRPC has it: HTTP 200 and a status in the head, without a body ("Trailers-Only").
pub(crate) fn grpc(status: StatusCode, message: &'static str) -> Response<Answer> {
    let mut response = Response::new(Answer::Whole(Bytes::new()));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert("grpc-status", HeaderValue::from(grpc_status(status)));
    headers.insert("grpc-message", HeaderValue::from_static(message));
    response
}

/// gRPC's code for an HTTP status (gRPC, "HTTP to gRPC Status Code Mapping", and 504 as `DEADLINE_EXCEEDED`).
fn grpc_status(status: StatusCode) -> u16 {
    match status.as_u16() {
        400 => 13,
        401 => 16,
        403 => 7,
        404 => 12,
        413 => 8,
        429 | 502 | 503 => 14,
        504 => 4,
        _ => 2,
    }
}

/// The body of an answer to HEAD is not sent, its length is.
pub(crate) fn without_body(response: &mut Response<Body>) {
    if let Some(length) = response.body_mut().discard() {
        response.headers_mut().insert(CONTENT_LENGTH, length.into());
    }
}

/// Puts a response together for the connection.
pub(crate) fn plain(response: Response<Answer>) -> Response<Body> {
    response.map(|answer| Body::new(answer, None, None))
}

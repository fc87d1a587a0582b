//! gRPC, as far as an echo needs it: messages come back as they went, with a status behind them. Nothing is decoded.

use super::answer::AnswerBody;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method, Request, Response};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;

/// Whether this is a call: a POST of `application/grpc`, or of that with a message format behind it.
pub(super) fn is_call(request: &Request<Incoming>) -> bool {
    let content_type = request.headers().get(CONTENT_TYPE);
    request.method() == Method::POST
        && content_type.is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"))
}

/// The same messages, then `grpc-status: 0` as a trailer.
pub(super) fn echo(request: Request<Incoming>) -> Response<AnswerBody> {
    let content_type = request.headers().get(CONTENT_TYPE).cloned();
    let done = async {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from_static("0"));
        Some(Ok(trailers))
    };
    let body = request.into_body().with_trailers(done);
    let mut response = Response::new(body.boxed_unsync());
    if let Some(content_type) = content_type {
        response.headers_mut().insert(CONTENT_TYPE, content_type);
    }
    response
}

//! The gRPC half of the backend: every unary call is answered with one message and `grpc-status: 0`.

use std::convert::Infallible;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;

use crate::answer::{body_of, message_of};
use crate::case::SMALL;

/// Answers calls until the process ends.
pub(super) async fn serve(listener: TcpListener, version: String) -> std::io::Result<()> {
    let message = Bytes::from(message_of(&body_of(&version, SMALL)));
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let message = message.clone();
        let service = service_fn(move |call| answer(call, message.clone()));
        // A connection that fails fails at its client, which reports it.
        tokio::spawn(
            hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(stream), service),
        );
    }
}

async fn answer(
    call: Request<Incoming>,
    message: Bytes,
) -> Result<Response<impl Body<Data = Bytes, Error = Infallible>>, hyper::Error> {
    call.into_body().collect().await?;
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    let body = Full::new(message).with_trailers(std::future::ready(Some(Ok(trailers))));
    let mut response = Response::new(body);
    response.headers_mut().insert(
        http::header::CONTENT_TYPE,
        HeaderValue::from_static("application/grpc"),
    );
    Ok(response)
}

//! Requests and gRPC calls as streams of HTTP/2.

use anyhow::ensure;
use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};

use super::Plan;
use super::tls::Sessions;
use crate::answer::{Check, GRPC_PATH, body_of, message_of};
use crate::case::{Ask, GRPC_HOST, SMALL};

/// What opens streams of a connection.
pub(super) type Sender = SendRequest<Full<Bytes>>;

/// That many connections.
pub(super) async fn connect(plan: &Plan, connections: usize) -> anyhow::Result<Vec<Sender>> {
    let mut senders = Vec::new();
    for _ in 0..connections {
        let stream = Sessions::new(plan)?.connect(plan).await?;
        let (sender, driver) = handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
        // A connection that fails fails its streams, which report it.
        tokio::spawn(driver);
        senders.push(sender);
    }
    Ok(senders)
}

/// One stream, from request to the end of the answer.
pub(super) async fn ask(sender: &mut Sender, plan: &Plan) -> anyhow::Result<usize> {
    let is_call = plan.case.ask == Ask::Grpc;
    let request = if is_call { call() } else { get(plan) };
    sender.ready().await?;
    let response = sender.send_request(request?).await?;
    let status = response.status();
    ensure!(status == StatusCode::OK, "status {status}");
    let mut check = Check::new(&plan.bodies);
    let mut trailers = HeaderMap::new();
    let mut body = response.into_body();
    while let Some(frame) = body.frame().await {
        match frame?.into_data() {
            Ok(data) => check.take(&data)?,
            Err(frame) => trailers.extend(frame.into_trailers().unwrap_or_default()),
        }
    }
    let said_ok = trailers
        .get("grpc-status")
        .is_some_and(|status| status == "0");
    ensure!(said_ok || !is_call, "a call that did not end well");
    check
        .done()
        .ok_or_else(|| anyhow::anyhow!("an answer that ends too soon"))
}

fn get(plan: &Plan) -> http::Result<Request<Full<Bytes>>> {
    let (host, path) = plan.case.stage.place(0);
    let bytes = plan.case.answer_bytes();
    Request::get(format!("https://{host}{path}/items/{bytes}"))
        .header("user-agent", "haldane-bench")
        .header("accept", "*/*")
        .body(Full::default())
}

fn call() -> http::Result<Request<Full<Bytes>>> {
    Request::post(format!("https://{GRPC_HOST}{GRPC_PATH}"))
        .header("user-agent", "haldane-bench")
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(Bytes::from(message_of(&body_of("question", SMALL))).into())
}

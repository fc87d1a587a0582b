//! Asking a running proxy, over its admin port.

use super::Args;
use anyhow::Context as _;
use bytes::Bytes;
use http::header::HOST;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;

/// The largest explanation that is read, in bytes: those of the largest tables name at most a hundred rules.
const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;
/// How long the proxy may take.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(10);

/// What the proxy says, as its admin port has it.
///
/// # Errors
/// When it does not answer, or not with an explanation.
pub(super) fn ask(args: &Args, admin: SocketAddr) -> anyhow::Result<Value> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let asked = runtime.block_on(async {
        tokio::time::timeout(ANSWER_TIME_MAX, fetch(admin, &target(args)?)).await?
    });
    asked.with_context(|| format!("asking {admin}"))
}

fn target(args: &Args) -> anyhow::Result<String> {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("url", &args.url.to_string());
    query.append_pair("method", args.method.as_str());
    query.append_pair("from", &args.from.to_string());
    for (name, value) in &args.headers {
        query.append_pair("header", &format!("{name}: {}", value.to_str()?));
    }
    if let Some(country) = args.country {
        query.append_pair("country", country.as_str());
    }
    Ok(format!("/explain?{}", query.finish()))
}

async fn fetch(admin: SocketAddr, target: &str) -> anyhow::Result<Value> {
    let stream = TcpStream::connect(admin).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::get(target)
        .header(HOST, admin.to_string())
        .body(Empty::<Bytes>::new())?;
    let answered = async {
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX)
            .collect()
            .await;
        let body = body.map_err(|error| anyhow::anyhow!(error))?.to_bytes();
        anyhow::Ok((status, body))
    };
    // The connection ends by itself once the answer is read; until then it is what moves the bytes.
    let (status, body) = tokio::select! {
        answered = answered => answered?,
        ended = connection => anyhow::bail!("the connection ended: {ended:?}"),
    };
    let said = String::from_utf8_lossy(&body);
    anyhow::ensure!(status == StatusCode::OK, "{status}: {}", said.trim());
    Ok(serde_json::from_slice(&body)?)
}

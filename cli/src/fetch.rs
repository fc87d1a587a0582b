//! Asking an admin port, of a proxy or of a controller.

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

/// The largest answer that is read, in bytes: an explanation of the largest table names at most a hundred rules, and the
/// standing of ten thousand objects takes a line each.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;
/// How long the answer may take.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(10);

/// The JSON that stands at `target` on an admin port.
///
/// # Errors
/// When nothing answers there, or not with what was asked for.
pub(crate) async fn json(admin: SocketAddr, target: &str) -> anyhow::Result<Value> {
    let found = json_if_any(admin, target).await?;
    found.with_context(|| format!("asking {admin}: there is no {target}"))
}

/// The same; `None` if there is no such page, as in a program of an earlier version.
///
/// # Errors
/// As [`json`].
pub(crate) async fn json_if_any(admin: SocketAddr, target: &str) -> anyhow::Result<Option<Value>> {
    let fetched = tokio::time::timeout(ANSWER_TIME_MAX, fetch(admin, target)).await;
    let fetched = fetched.unwrap_or_else(|late| Err(late.into()));
    fetched.with_context(|| format!("asking {admin}"))
}

async fn fetch(admin: SocketAddr, target: &str) -> anyhow::Result<Option<Value>> {
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
    if status == StatusCode::NOT_FOUND {
        return Ok(None);
    }
    let said = String::from_utf8_lossy(&body);
    anyhow::ensure!(status == StatusCode::OK, "{status}: {}", said.trim());
    Ok(Some(serde_json::from_slice(&body)?))
}

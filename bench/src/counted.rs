//! What Haldane itself says it has counted: the proof that metrics were on, and right, while it was
//! measured.

use std::net::SocketAddr;

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// The counter of all requests.
const COUNTER: &str = "haldane_requests_total";

/// How many requests the Haldane with this admin address has counted since it started.
///
/// # Errors
/// If its metrics cannot be read.
pub(crate) async fn requests_counted(admin: SocketAddr) -> anyhow::Result<u64> {
    let stream = TcpStream::connect(admin).await?;
    let (mut connection, driver) = handshake(TokioIo::new(stream)).await?;
    tokio::spawn(driver);
    let request = Request::get("/metrics")
        .header(header::HOST, admin.to_string())
        .body(Empty::<Bytes>::new())?;
    let response = connection.send_request(request).await?;
    ensure!(
        response.status() == StatusCode::OK,
        "/metrics answered {}",
        response.status()
    );
    let text = response.into_body().collect().await?.to_bytes();
    sum_of(std::str::from_utf8(&text)?)
}

/// The sum of the counter over its labels, in a metrics text.
fn sum_of(text: &str) -> anyhow::Result<u64> {
    let mut sum = 0;
    for line in text.lines() {
        let Some(rest) = line.strip_prefix(COUNTER) else {
            continue;
        };
        if rest.starts_with(['{', ' ']) {
            let value = rest
                .rsplit(' ')
                .next()
                .context("a counter without a value")?;
            // Text formats may write whole numbers as 12.0 or 1e6.
            sum += value.parse::<f64>()? as u64;
        }
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_counter_itself_is_summed() {
        let text = "# TYPE haldane_requests_total counter\n\
            haldane_requests_total{version=\"stable 1\",by=\"split\"} 90\n\
            haldane_requests_total{version=\"canary\"} 1e1\n\
            haldane_requests_total_bytes 7\n\
            other 5\n";
        assert_eq!(sum_of(text).unwrap(), 100);
        assert_eq!(sum_of("haldane_requests_total 3\n").unwrap(), 3);
        assert_eq!(sum_of("").unwrap(), 0);
    }
}

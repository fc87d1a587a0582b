//! The push port: gRPC over the connections that are let in.

use super::connection;
use super::publisher::Publisher;
use super::session::{Session, Updates};
use super::tls::{CurrentTls, PushTls, PushTlsFault};
use haldane_wire::proto::FromProxy;
use haldane_wire::proto::push_server::{Push, PushServer};
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::net::TcpListener;
use tonic::transport::Server;
use tonic::{Request, Response, Status, Streaming};

/// A peer that is gone without a word is noticed after this and [`PING_ANSWER_MAX`], so in less than 10 s.
const PING_INTERVAL: Duration = Duration::from_secs(4);

/// How long a ping's answer may take: a proxy that builds a large table answers late.
const PING_ANSWER_MAX: Duration = Duration::from_secs(5);

/// Streams on one connection: a proxy has one, and a second while the first ends.
const STREAMS_MAX: u32 = 4;

/// The longest message from a proxy: a report of 1 000 series with long names.
const MESSAGE_BYTES_MAX: usize = 4 << 20;

/// How long streams may take to end once they are told to.
const CLOSE_MAX: Duration = Duration::from_secs(2);

/// Why the push is not served, or not any more.
#[derive(Debug, Error)]
pub enum ServeFault {
    /// There is no certificate to begin with.
    #[error(transparent)]
    Tls(#[from] PushTlsFault),
    /// The server broke off.
    #[error("serving the push failed")]
    Server(#[source] tonic::transport::Error),
}

/// Serves `publisher`'s tables on `listener` until `shutdown`; then it leads no more and streams end.
///
/// # Errors
/// [`ServeFault`]; at start where the certificate cannot be used.
pub async fn serve(
    listener: TcpListener,
    tls: PushTls,
    publisher: Publisher,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeFault> {
    let tls = Arc::new(CurrentTls::load(tls)?);
    let push =
        PushServer::new(Service(publisher.clone())).max_decoding_message_size(MESSAGE_BYTES_MAX);
    let (closing, closed) = tokio::sync::oneshot::channel::<()>();
    let serving = Server::builder()
        .http2_keepalive_interval(Some(PING_INTERVAL))
        .http2_keepalive_timeout(Some(PING_ANSWER_MAX))
        .max_concurrent_streams(STREAMS_MAX)
        .serve_with_incoming_shutdown(push, connection::incoming(listener, tls), async {
            // Sent or dropped, it says the same.
            let _ = closed.await;
        });
    let over = async {
        shutdown.await;
        publisher.lead(None);
        drop(closing);
        tokio::time::sleep(CLOSE_MAX).await;
    };
    tokio::select! {
        served = serving => served.map_err(ServeFault::Server),
        () = over => Ok(()),
    }
}

struct Service(Publisher);

#[tonic::async_trait]
impl Push for Service {
    type FollowStream = Updates;

    async fn follow(
        &self,
        request: Request<Streaming<FromProxy>>,
    ) -> Result<Response<Updates>, Status> {
        let peer = request.remote_addr();
        let session = Session::begin(self.0.clone(), request.into_inner()).await;
        let session = session.inspect_err(|status| {
            tracing::debug!(?peer, reason = status.message(), "a proxy was turned away");
        })?;
        Ok(Response::new(session.updates()))
    }
}

//! A proxy's connection, from the socket to a TLS session, with its place among those there may be.

use super::tls::CurrentTls;
use futures_util::{Stream, StreamExt as _, stream};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tonic::transport::server::{Connected, TcpConnectInfo};

/// Connections at once, in handshakes or after: as many as proxies, and some that are about to end.
const CONNECTIONS_MAX: usize = 1_200;

/// Handshakes at once. Strangers can fill these places, for so long as one may take; streams that stand do not notice.
const HANDSHAKES_MAX: usize = 256;

/// How long a handshake may take.
const HANDSHAKE_MAX: Duration = Duration::from_secs(5);

/// How long to leave the socket alone when accepting fails.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A connection whose peer has proved who it is.
#[derive(Debug)]
pub(super) struct Connection {
    stream: TlsStream<TcpStream>,
    _place: OwnedSemaphorePermit,
}

/// Every connection that comes in and proves who it is, for ever.
pub(super) fn incoming(
    listener: TcpListener,
    tls: Arc<CurrentTls>,
) -> impl Stream<Item = io::Result<Connection>> {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let sockets = stream::unfold((listener, places), |(listener, places)| async {
        let socket = accept(&listener, &places).await?;
        Some((socket, (listener, places)))
    });
    sockets
        .map(move |(socket, place)| shake(socket, place, tls.clone()))
        .buffer_unordered(HANDSHAKES_MAX)
        .filter_map(|connection| async { connection.map(Ok) })
}

/// `None` only if there are no places any more, which nobody takes away.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    let place = places.clone().acquire_owned().await.ok()?;
    loop {
        match listener.accept().await {
            Ok((socket, _)) => return Some((socket, place)),
            Err(error) => {
                tracing::warn!(%error, "accepting proxies pauses");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn shake(
    socket: TcpStream,
    place: OwnedSemaphorePermit,
    tls: Arc<CurrentTls>,
) -> Option<Connection> {
    let peer = socket.peer_addr().ok();
    let shaken = async {
        socket.set_nodelay(true)?;
        TlsAcceptor::from(tls.config()).accept(socket).await
    };
    let refused = match tokio::time::timeout(HANDSHAKE_MAX, shaken).await {
        Ok(Ok(stream)) => {
            let _place = place;
            return Some(Connection { stream, _place });
        }
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("no handshake within {HANDSHAKE_MAX:?}"),
    };
    tracing::warn!(
        ?peer,
        reason = refused,
        "a connection for the push was refused"
    );
    None
}

impl Connected for Connection {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> TcpConnectInfo {
        self.stream.get_ref().0.connect_info()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

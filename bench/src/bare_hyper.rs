//! A reference: a hyper server in front of a pool of hyper client connections on one thread, with
//! the forwarding headers every peer sets and nothing else. It shows what the library alone costs;
//! it never routes, retries or counts.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{Either, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

/// Idle upstream connections, shared by the tasks of one thread. Bounded by the number of
/// downstream connections: each has at most one request under way.
#[derive(Clone)]
struct Pool {
    to: SocketAddr,
    idle: Arc<Mutex<Vec<SendRequest<Incoming>>>>,
}

/// Proxies requests from `listen` to `to` until the process ends.
///
/// # Errors
/// If the address cannot be bound or accepting fails.
pub(crate) async fn serve(listen: SocketAddr, to: SocketAddr) -> anyhow::Result<()> {
    let listener = TcpListener::bind(listen).await?;
    let pool = Pool {
        to,
        idle: Arc::default(),
    };
    loop {
        let (stream, client) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let pool = pool.clone();
        tokio::spawn(async move {
            let service = service_fn(|request| pool.answer(request, client.ip()));
            // A connection that fails fails at its client, which reports it.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

impl Pool {
    async fn answer(
        &self,
        mut request: Request<Incoming>,
        client: IpAddr,
    ) -> Result<Response<Either<Pooled, Empty<Bytes>>>, Infallible> {
        add_forwarding_headers(&mut request, client);
        Ok(match self.forward(request).await {
            Ok(response) => response.map(Either::Left),
            Err(_) => bad_gateway(),
        })
    }

    async fn forward(&self, request: Request<Incoming>) -> anyhow::Result<Response<Pooled>> {
        let mut connection = self.connection().await?;
        let response = connection.send_request(request).await?;
        Ok(response.map(|body| Pooled {
            body,
            pool: self.clone(),
            connection: Some(connection),
        }))
    }

    async fn connection(&self) -> anyhow::Result<SendRequest<Incoming>> {
        while let Some(mut connection) = self.take() {
            if connection.ready().await.is_ok() {
                return Ok(connection);
            }
        }
        let stream = TcpStream::connect(self.to).await?;
        stream.set_nodelay(true)?;
        let (connection, driver) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(driver);
        Ok(connection)
    }

    fn take(&self) -> Option<SendRequest<Incoming>> {
        self.idle
            .lock()
            .expect("no holder of this lock panics")
            .pop()
    }

    fn give_back(&self, connection: SendRequest<Incoming>) {
        self.idle
            .lock()
            .expect("no holder of this lock panics")
            .push(connection);
    }
}

fn add_forwarding_headers(request: &mut Request<Incoming>, client: IpAddr) {
    let address = HeaderValue::try_from(client.to_string()).expect("an address is visible ASCII");
    let headers = request.headers_mut();
    headers.insert("x-real-ip", address.clone());
    headers.insert("x-forwarded-for", address);
    headers.insert("x-forwarded-proto", HeaderValue::from_static("http"));
}

fn bad_gateway() -> Response<Either<Pooled, Empty<Bytes>>> {
    let mut response = Response::new(Either::Right(Empty::new()));
    *response.status_mut() = StatusCode::BAD_GATEWAY;
    response
}

/// An answer's body that gives its connection back when the body is done with.
struct Pooled {
    body: Incoming,
    pool: Pool,
    connection: Option<SendRequest<Incoming>>,
}

impl Body for Pooled {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Pooled {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.pool.give_back(connection);
        }
    }
}

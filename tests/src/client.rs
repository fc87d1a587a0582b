//! A client with one connection: hyper's, over HTTP/1.1 or HTTP/2, in clear or over TLS.

use crate::within;
use anyhow::Context as _;
use bytes::Bytes;
use http::header::HOST;
use http::{HeaderMap, Request, Response, StatusCode, Uri};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::io;
use std::net::SocketAddr;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// The body of a request.
pub type Body = UnsyncBoxBody<Bytes, io::Error>;

/// One connection.
pub struct Client {
    sender: Sender,
}

enum Sender {
    H1(http1::SendRequest<Body>),
    H2(http2::SendRequest<Body>),
}

/// A whole answer.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
    /// What came behind its body.
    pub trailers: HeaderMap,
}

impl Answer {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// A header's value, empty where there is none.
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    /// Reads a response to its end.
    ///
    /// # Errors
    /// When it breaks off.
    pub async fn of(response: Response<Incoming>) -> anyhow::Result<Self> {
        let (head, body) = response.into_parts();
        let body = within("a body", body.collect()).await??;
        Ok(Self {
            status: head.status,
            headers: head.headers,
            trailers: body.trailers().cloned().unwrap_or_default(),
            body: body.to_bytes(),
        })
    }
}

/// A GET without a body; further headers can be set on it.
pub fn get(host: &str, path: &str) -> Request<Body> {
    let mut request = Request::new(nothing());
    *request.uri_mut() = path.parse().expect("tests ask for valid paths");
    let host = host.parse().expect("tests ask for valid hosts");
    request.headers_mut().insert(HOST, host);
    request
}

/// [`get`] with these headers.
pub fn get_with(host: &str, path: &str, headers: &[(&str, &str)]) -> Request<Body> {
    let mut request = get(host, path);
    for (name, value) in headers {
        let name: http::HeaderName = name.parse().expect("tests send valid names");
        request
            .headers_mut()
            .append(name, value.parse().expect("tests send valid values"));
    }
    request
}

/// Whether the server sent the client away before it looked at the request, with a GOAWAY that says NO_ERROR: any method may
/// be tried again over another connection (RFC 9113 section 6.8).
pub fn is_sent_away(error: &anyhow::Error) -> bool {
    let cause = error
        .chain()
        .find_map(|cause| cause.downcast_ref::<h2::Error>());
    cause.is_some_and(|cause| {
        cause.is_go_away() && cause.is_remote() && cause.reason() == Some(h2::Reason::NO_ERROR)
    })
}

/// No body.
pub fn nothing() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

impl Client {
    /// HTTP/1.1 in clear.
    ///
    /// # Errors
    /// When there is no connection.
    pub async fn h1(address: SocketAddr) -> anyhow::Result<Self> {
        Self::h1_over(connect(address).await?).await
    }

    /// HTTP/1.1 over a stream.
    ///
    /// # Errors
    /// When the connection cannot begin.
    pub async fn h1_over(
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    ) -> anyhow::Result<Self> {
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection.with_upgrades());
        Ok(Self {
            sender: Sender::H1(sender),
        })
    }

    /// HTTP/2 in clear, with prior knowledge.
    ///
    /// # Errors
    /// When there is no connection.
    pub async fn h2(address: SocketAddr) -> anyhow::Result<Self> {
        Self::h2_over(connect(address).await?).await
    }

    /// HTTP/2 whose streams may be sent this many bytes of a body, and no more until they are read.
    ///
    /// # Errors
    /// When there is no connection.
    pub async fn h2_with_window(address: SocketAddr, bytes: u32) -> anyhow::Result<Self> {
        let io = TokioIo::new(connect(address).await?);
        let (sender, connection) = http2::Builder::new(TokioExecutor::new())
            .initial_stream_window_size(bytes)
            .handshake(io)
            .await?;
        tokio::spawn(connection);
        Ok(Self {
            sender: Sender::H2(sender),
        })
    }

    /// HTTP/2 over a stream.
    ///
    /// # Errors
    /// When the connection cannot begin.
    pub async fn h2_over(
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    ) -> anyhow::Result<Self> {
        let (sender, connection) =
            http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self {
            sender: Sender::H2(sender),
        })
    }

    /// Whether the connection takes no further request.
    pub fn is_closed(&self) -> bool {
        match &self.sender {
            Sender::H1(sender) => sender.is_closed(),
            Sender::H2(sender) => sender.is_closed(),
        }
    }

    /// Waits until the connection can take a request.
    ///
    /// # Errors
    /// When it is closed instead.
    pub async fn ready(&mut self) -> anyhow::Result<()> {
        match &mut self.sender {
            Sender::H1(sender) => sender.ready().await?,
            Sender::H2(sender) => sender.ready().await?,
        }
        Ok(())
    }

    /// Sends a request with a path and a Host; the head of what comes back.
    ///
    /// # Errors
    /// When none comes in time.
    pub async fn send(&mut self, request: Request<Body>) -> anyhow::Result<Response<Incoming>> {
        let sent = async {
            Ok::<_, anyhow::Error>(match &mut self.sender {
                Sender::H1(sender) => sender.send_request(request).await?,
                Sender::H2(sender) => sender.send_request(absolute(request)?).await?,
            })
        };
        within("an answer's head", sent).await?
    }

    /// Sends a request and reads the whole answer.
    ///
    /// # Errors
    /// When none comes whole and in time.
    pub async fn ask(&mut self, request: Request<Body>) -> anyhow::Result<Answer> {
        Answer::of(self.send(request).await?).await
    }

    /// GETs a path.
    ///
    /// # Errors
    /// As [`Client::ask`].
    pub async fn get(&mut self, host: &str, path: &str) -> anyhow::Result<Answer> {
        self.ask(get(host, path)).await
    }
}

/// A TCP connection.
///
/// # Errors
/// When there is none in time.
pub async fn connect(address: SocketAddr) -> anyhow::Result<TcpStream> {
    let stream = within("a connection", TcpStream::connect(address)).await??;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// HTTP/2 names the host in the target.
fn absolute(mut request: Request<Body>) -> anyhow::Result<Request<Body>> {
    let host = request.headers_mut().remove(HOST).context("a Host")?;
    let path = request.uri().path_and_query().context("a path")?.clone();
    *request.uri_mut() = Uri::builder()
        .scheme("http")
        .authority(host.as_bytes())
        .path_and_query(path)
        .build()?;
    Ok(request)
}

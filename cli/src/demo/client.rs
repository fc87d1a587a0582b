//! One keep-alive HTTP/1.1 connection of a client, over a real socket.

use super::counts::Name;
use bytes::Bytes;
use http::header::{HOST, SET_COOKIE};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// How long an answer may take before it counts as failed: far longer than any in the demo, so that nothing hangs.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// What came back.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reply {
    /// The version that answered with 200; anything else is a failure.
    pub(crate) version: Option<Name>,
    /// The cookie that was set, without its attributes.
    pub(crate) cookie: Option<HeaderValue>,
}

/// A client that asks one thing after the other.
pub(crate) struct Client {
    address: SocketAddr,
    host: HeaderValue,
    versions: [Name; 2],
    connection: Option<Connection>,
}

struct Connection {
    sender: SendRequest<Empty<Bytes>>,
    driver: JoinHandle<()>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Client {
    /// Connects at the first request, and again after a failure.
    pub(crate) fn new(address: SocketAddr, host: HeaderValue, versions: [Name; 2]) -> Self {
        Self {
            address,
            host,
            versions,
            connection: None,
        }
    }

    /// Asks once and reads the whole answer. Nothing is tried twice: a failure is what the demo looks for.
    pub(crate) async fn ask(&mut self, headers: HeaderMap) -> Reply {
        match timeout(ANSWER_MAX, self.exchange(headers)).await {
            Ok(Some(reply)) => reply,
            Ok(None) | Err(_) => {
                self.connection = None;
                Reply::default()
            }
        }
    }

    async fn exchange(&mut self, headers: HeaderMap) -> Option<Reply> {
        let mut request = Request::new(Empty::new());
        *request.headers_mut() = headers;
        request.headers_mut().insert(HOST, self.host.clone());
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => none.insert(connect(self.address).await?),
        };
        connection.sender.ready().await.ok()?;
        let response = connection.sender.send_request(request).await.ok()?;
        self.read(response).await
    }

    async fn read(&self, response: Response<Incoming>) -> Option<Reply> {
        let (head, body) = response.into_parts();
        body.collect().await.ok()?;
        let named = head
            .headers
            .get("x-version")
            .filter(|_| head.status == StatusCode::OK);
        let version = self
            .versions
            .into_iter()
            .find(|version| named.is_some_and(|named| named == version));
        Some(Reply {
            version,
            cookie: head.headers.get(SET_COOKIE).and_then(pair),
        })
    }
}

/// `name=value`, without what follows.
fn pair(cookie: &HeaderValue) -> Option<HeaderValue> {
    let pair = cookie.as_bytes().split(|byte| *byte == b';').next()?;
    HeaderValue::from_bytes(pair.trim_ascii()).ok()
}

async fn connect(address: SocketAddr) -> Option<Connection> {
    let stream = TcpStream::connect(address).await.ok()?;
    stream.set_nodelay(true).ok()?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await.ok()?;
    // An error shows at the request it breaks.
    let driver = tokio::spawn(async { drop(connection.await) });
    Some(Connection { sender, driver })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_sent_back_without_its_attributes() {
        let cases = [
            ("a=b; Path=/; HttpOnly", "a=b"),
            ("a=b", "a=b"),
            (" a=b ;x", "a=b"),
        ];
        for (set, expected) in cases {
            assert_eq!(pair(&HeaderValue::from_static(set)).unwrap(), expected);
        }
    }
}

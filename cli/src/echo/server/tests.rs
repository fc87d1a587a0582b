//! The backend over real sockets, in every protocol that it speaks.

use super::*;
use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use std::net::Ipv4Addr;
use tokio_tungstenite::tungstenite::Message;

async fn start() -> Backend {
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    Backend::start(any, Identity::new("web-canary-1", "canary"))
        .await
        .unwrap()
}

async fn stream(backend: &Backend) -> TcpStream {
    TcpStream::connect(backend.address()).await.unwrap()
}

async fn ask1(backend: &Backend, request: Request<Full<Bytes>>) -> Response<Incoming> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream(backend).await))
        .await
        .unwrap();
    tokio::spawn(connection);
    sender.send_request(request).await.unwrap()
}

async fn ask2(backend: &Backend, request: Request<Full<Bytes>>) -> Response<Incoming> {
    let io = TokioIo::new(stream(backend).await);
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    sender.send_request(request).await.unwrap()
}

/// As a client writes it: to the authority, so that both protocols carry it.
fn request(
    backend: &Backend,
    method: Method,
    path: &str,
    body: &'static str,
) -> Request<Full<Bytes>> {
    let uri = format!("http://{}{path}", backend.address());
    Request::builder()
        .method(method)
        .uri(uri)
        .body(Full::from(body))
        .unwrap()
}

async fn text(response: Response<Incoming>) -> String {
    let body = response.into_body().collect().await.unwrap();
    String::from_utf8(body.to_bytes().to_vec()).unwrap()
}

#[tokio::test]
async fn paths_say_what_is_answered() {
    let backend = start().await;
    let cases = [
        (Method::GET, "/", "", 200, "web-canary-1 version=canary\n"),
        (
            Method::GET,
            "/any/path",
            "",
            200,
            "web-canary-1 version=canary\n",
        ),
        (
            Method::POST,
            "/",
            "12345",
            200,
            "web-canary-1 version=canary body=5\n",
        ),
        (Method::POST, "/body", "12345", 200, "12345"),
        (Method::GET, "/bytes/3", "", 200, "..."),
        (Method::GET, "/bytes/-3", "", 400, "no such length\n"),
        (
            Method::GET,
            "/status/503",
            "",
            503,
            "503 Service Unavailable\n",
        ),
        (Method::GET, "/status/101", "", 400, "no such status\n"),
        (
            Method::GET,
            "/delay/0",
            "",
            200,
            "web-canary-1 version=canary\n",
        ),
        (Method::GET, "/delay/999999999", "", 400, "no such delay\n"),
        (Method::GET, "/ready", "", 200, "ready\n"),
        (
            Method::GET,
            "/ready/off",
            "",
            400,
            "POST /ready/on or /ready/off\n",
        ),
        (Method::POST, "/ready/off", "", 503, "not ready\n"),
        (Method::GET, "/ready", "", 503, "not ready\n"),
        (Method::POST, "/ready/on", "", 200, "ready\n"),
    ];
    let count = cases.len() as u64;
    for (method, path, body, status, expected) in cases {
        let response = ask1(&backend, request(&backend, method, path, body)).await;
        assert_eq!(response.headers()["x-version"], "canary", "{path}");
        assert_eq!(
            (response.status().as_u16(), text(response).await.as_str()),
            (status, expected),
            "{path}"
        );
    }
    assert_eq!(backend.requests(), count);
    assert_eq!(backend.stop().await, count);
}

#[tokio::test]
async fn bytes_are_streamed_to_the_last() {
    let backend = start().await;
    let response = ask1(
        &backend,
        request(&backend, Method::GET, "/bytes/1000000", ""),
    )
    .await;
    assert_eq!(response.headers()["content-length"], "1000000");
    assert_eq!(
        response
            .into_body()
            .collect()
            .await
            .unwrap()
            .to_bytes()
            .len(),
        1_000_000
    );
}

#[tokio::test]
async fn json_tells_everything_about_the_request() {
    let backend = start().await;
    let mut asked = request(&backend, Method::PUT, "/a?b=c", "12345");
    asked
        .headers_mut()
        .insert("accept", "application/json".parse().unwrap());
    asked
        .headers_mut()
        .insert("x-user", "anna".parse().unwrap());
    let told: serde_json::Value =
        serde_json::from_str(&text(ask1(&backend, asked).await).await).unwrap();
    let seen = ["pod", "version", "method", "path", "query", "protocol"]
        .map(|name| told[name].as_str().unwrap());
    assert_eq!(
        seen,
        ["web-canary-1", "canary", "PUT", "/a", "b=c", "HTTP/1.1"]
    );
    assert_eq!(
        (
            told["body_bytes"].as_u64(),
            told["headers"]["x-user"][0].as_str()
        ),
        (Some(5), Some("anna"))
    );
}

#[tokio::test]
async fn http2_with_prior_knowledge_is_spoken_on_the_same_port() {
    let backend = start().await;
    let response = ask2(&backend, request(&backend, Method::GET, "/echo.json", "")).await;
    assert!(text(response).await.contains(r#""protocol": "HTTP/2.0""#));
}

#[tokio::test]
async fn a_grpc_message_comes_back_with_a_status_behind_it() {
    let backend = start().await;
    let mut call = request(
        &backend,
        Method::POST,
        "/demo.Greeter/Greet",
        "\0\0\0\0\x02hi",
    );
    call.headers_mut()
        .insert("content-type", "application/grpc+proto".parse().unwrap());
    let response = ask2(&backend, call).await;
    assert_eq!(response.headers()["content-type"], "application/grpc+proto");
    let body = response.into_body().collect().await.unwrap();
    assert_eq!(body.trailers().unwrap()["grpc-status"], "0");
    assert_eq!(body.to_bytes(), "\0\0\0\0\x02hi");
}

#[tokio::test]
async fn a_websocket_sends_messages_back() {
    let backend = start().await;
    let url = format!("ws://{}/chat", backend.address());
    let (mut socket, response) = tokio_tungstenite::client_async(url, stream(&backend).await)
        .await
        .unwrap();
    assert_eq!(response.status(), 101);
    for message in [Message::text("hi"), Message::binary(vec![0, 255])] {
        socket.send(message.clone()).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), message);
    }
    socket.close(None).await.unwrap();
}

#[tokio::test]
async fn a_request_in_flight_is_answered_when_its_backend_stops() {
    let backend = start().await;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream(&backend).await))
        .await
        .unwrap();
    tokio::spawn(connection);
    // The body is not over before the backend takes no more connections.
    let (mut body, halves) = http_body_util::channel::Channel::<Bytes>::new(1);
    let uri = format!("http://{}/body", backend.address());
    let response = sender
        .send_request(Request::post(uri).body(halves).unwrap())
        .await
        .unwrap();
    let address = backend.address();
    let mut stopping = tokio::spawn(backend.stop());
    while TcpStream::connect(address).await.is_ok() {
        tokio::time::sleep(QUIET / 10).await;
    }
    let early = tokio::time::timeout(QUIET, &mut stopping).await;
    assert!(early.is_err(), "stopped with a request in flight");
    body.send_data(Bytes::from_static(b"late")).await.unwrap();
    drop(body);
    assert_eq!(text(response).await, "late");
    assert_eq!(stopping.await.unwrap(), 1);
}

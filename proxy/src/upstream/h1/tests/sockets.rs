//! Exchanges that take turns: reuse, early answers, closing, and back-pressure.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use bytes::Bytes;
use http::header::{HeaderMap, HeaderValue};
use http::{Method, Response};
use http_body::Body;
use http_body_util::{BodyExt, Empty};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, duplex};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::coop::{consume_budget, has_budget_remaining};

use super::frames::{Frames, Gated, Then};
use super::story::{plain, run};
use crate::upstream::h1::limits::READ_MAX;
use crate::upstream::h1::{
    BadResponse, BodyError, Connection, Failure, Limits, Outcome, Probe, ResponseBody, is_silent,
    send,
};

/// Where a connection goes when it is given back.
type Idle<S> = Rc<RefCell<Vec<Connection<S>>>>;

/// The answer to a request for `/` with this body.
async fn answer<S, B>(
    idle: &Idle<S>,
    connection: Connection<S>,
    body: B,
) -> Response<ResponseBody<S, B, impl FnOnce(Connection<S>) + use<S, B>>>
where
    S: AsyncRead + AsyncWrite + Unpin,
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::fmt::Debug,
{
    let idle = Rc::clone(idle);
    let give_back = move |connection| idle.borrow_mut().push(connection);
    let (headers, method) = (HeaderMap::new(), Method::POST);
    let sent = send(connection, plain(&method, &headers), body, give_back).await;
    match sent.map_err(|error| error.failure).expect("an answer") {
        Outcome::Response(response) => response,
        Outcome::Upgraded { .. } => panic!("upgraded"),
    }
}

impl Probe for DuplexStream {
    fn is_silent(&mut self) -> bool {
        is_silent(self)
    }
}

fn nothing() -> Empty<Bytes> {
    Empty::new()
}

/// A connection and the backend's end of it, with this much room in between.
fn pair(room: usize) -> (Connection<DuplexStream>, DuplexStream) {
    let (near, far) = duplex(room);
    (Connection::new(near, Limits::default()), far)
}

async fn read_until(backend: &mut (impl AsyncRead + Unpin), end: &[u8]) -> Vec<u8> {
    let mut read = Vec::new();
    while !read.ends_with(end) {
        read.push(backend.read_u8().await.expect("more to read"));
    }
    read
}

async fn read_head(backend: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
    read_until(backend, b"\r\n\r\n").await
}

async fn tcp_pair() -> (Connection<TcpStream>, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap());
    let (near, far) = tokio::join!(near, listener.accept());
    let connection = Connection::new(near.unwrap(), Limits::default());
    (connection, far.unwrap().0)
}

/// Runs a test that needs sockets.
fn on_sockets(test: impl Future<Output = ()>) {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_io().build().unwrap().block_on(test);
}

#[test]
fn one_socket_carries_many_requests_and_is_free_before_the_answer_is_told() {
    const ROUNDS: u64 = 100;
    on_sockets(async {
        let (connection, mut backend) = tcp_pair().await;
        let idle = Idle::default();
        idle.borrow_mut().push(connection);
        let served = async {
            for _ in 0..ROUNDS {
                read_head(&mut backend).await;
                let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
                backend.write_all(answer).await.unwrap();
            }
        };
        let asked = async {
            for _ in 0..ROUNDS {
                let mut connection = idle.borrow_mut().pop().expect("an idle connection");
                assert!(connection.is_reusable_now());
                let response = answer(&idle, connection, nothing()).await;
                assert_eq!(idle.borrow().len(), 1, "given back with the whole answer");
                let body = response.into_body();
                assert_eq!(body.size_hint().exact(), Some(2));
                assert_eq!(body.collect().await.unwrap().to_bytes(), "hi");
            }
        };
        tokio::join!(served, asked);
        assert_eq!(idle.borrow()[0].served(), ROUNDS);
    });
}

/// Sends an answer of this much data over TCP and reads it.
fn check_large(head: &str, data: Vec<u8>, tail: &str, kept: usize) {
    on_sockets(async {
        let (connection, mut backend) = tcp_pair().await;
        let idle = Idle::default();
        let wire = [head.as_bytes(), &data, tail.as_bytes()].concat();
        let served = async move {
            read_head(&mut backend).await;
            backend.write_all(&wire).await.unwrap();
            backend.shutdown().await.unwrap();
        };
        let asked = async {
            let mut body = answer(&idle, connection, nothing()).await.into_body();
            let mut read = Vec::new();
            while let Some(frame) = body.frame().await {
                let piece = frame.unwrap().into_data().expect("data");
                assert!(piece.len() <= 2 * READ_MAX, "a frame of {}", piece.len());
                read.extend_from_slice(&piece);
            }
            assert!(read == data, "another body of {} bytes", read.len());
        };
        tokio::join!(served, asked);
        assert_eq!(idle.borrow().len(), kept);
    });
}

#[test]
fn large_bodies_come_whole_and_in_bounded_frames() {
    let data: Vec<u8> = (0..1_000_000_u32).flat_map(u32::to_be_bytes).collect();
    let length = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", data.len());
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let chunk = format!("{chunked}{:x}\r\n", data.len());
    check_large(&length, data.clone(), "", 1);
    check_large(&chunk, data.clone(), "\r\n0\r\n\r\n", 1);
    check_large("HTTP/1.1 200 OK\r\n\r\n", data, "", 0);
}

#[test]
fn an_early_answer_goes_on_while_the_body_is_sent() {
    run(async {
        let (connection, mut backend) = pair(64);
        let idle = Idle::default();
        let data = vec![b'a'; 10_000];
        let served = async {
            read_head(&mut backend).await;
            let early = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nearly\r\n";
            backend.write_all(early).await.unwrap();
            read_until(&mut backend, b"\r\n0\r\n\r\n").await;
            backend.write_all(b"4\r\nlate\r\n0\r\n\r\n").await.unwrap();
        };
        let asked = async {
            let body = Frames::new(vec![data; 3], Then::EndUnannounced);
            let mut answer = answer(&idle, connection, body).await.into_body();
            let early = answer.frame().await.unwrap().unwrap();
            assert_eq!(early.into_data().unwrap(), "early");
            assert_eq!(idle.borrow().len(), 0, "the request is not sent yet");
            assert_eq!(answer.collect().await.unwrap().to_bytes(), "late");
        };
        tokio::join!(served, asked);
        assert_eq!(idle.borrow().len(), 1);
    });
}

#[test]
fn an_answer_that_ends_before_its_request_closes_the_connection() {
    run(async {
        let (connection, mut backend) = pair(1024);
        let idle = Idle::default();
        let refusal = b"HTTP/1.1 413 L\r\nContent-Length: 3\r\n\r\nbig";
        backend.write_all(refusal).await.unwrap();
        let body = Frames::new(["a"], Then::Silence);
        let answer = answer(&idle, connection, body).await;
        assert_eq!(
            answer.into_body().collect().await.unwrap().to_bytes(),
            "big"
        );
        assert_eq!(idle.borrow().len(), 0);
        let mut seen = Vec::new();
        backend.read_to_end(&mut seen).await.unwrap();
        assert!(!seen.ends_with(b"0\r\n\r\n"), "a cut request looks whole");
    });
}

#[test]
fn a_request_body_that_fails_behind_an_early_head_cuts_the_answer() {
    run(async {
        let (connection, mut backend) = pair(1024);
        let idle = Idle::default();
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n";
        backend.write_all(head).await.unwrap();
        let (failing, gate) = Gated::new(Then::Fail);
        let mut body = answer(&idle, connection, failing).await.into_body();
        gate.set(true);
        backend.write_all(b"abc").await.unwrap();
        assert!(body.frame().await.unwrap().is_err());
        assert_eq!(idle.borrow().len(), 0);
    });
}

#[test]
fn a_body_that_is_dropped_closes_the_connection() {
    run(async {
        let (connection, mut backend) = pair(1024);
        let idle = Idle::default();
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\na";
        backend.write_all(head).await.unwrap();
        let mut body = answer(&idle, connection, nothing()).await.into_body();
        assert_eq!(body.size_hint().exact(), Some(3));
        body.frame().await.unwrap().unwrap();
        drop(body);
        read_head(&mut backend).await;
        assert_eq!(backend.read(&mut [0]).await.unwrap(), 0);
        assert_eq!(idle.borrow().len(), 0);
    });
}

#[test]
fn a_switch_before_the_request_was_read_is_refused() {
    run(async {
        let (connection, mut backend) = pair(8);
        let switch = b"HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
        let (headers, protocol) = (HeaderMap::new(), HeaderValue::from_static("websocket"));
        let mut head = plain(&Method::GET, &headers);
        head.upgrade = Some(&protocol);
        let asked = send(connection, head, nothing(), drop);
        let (sent, written) = tokio::join!(asked, backend.write_all(switch));
        written.unwrap();
        let failure = sent.expect_err("no upgrade").failure;
        let unasked = matches!(failure, Failure::BadResponse(BadResponse::UnaskedUpgrade));
        assert!(unasked, "{failure:?}");
    });
}

#[test]
fn a_poll_that_is_given_up_loses_nothing() {
    run(async {
        let (connection, mut backend) = pair(1024);
        let idle = Idle::default();
        backend
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n")
            .await
            .unwrap();
        let mut body = answer(&idle, connection, nothing()).await.into_body();
        for byte in b"abc" {
            let gave_up = poll_fn(|cx| Poll::Ready(pin!(body.frame()).poll(cx).is_pending()));
            assert!(gave_up.await);
            backend.write_all(&[*byte]).await.unwrap();
            let frame = body.frame().await.unwrap().unwrap();
            assert_eq!(*frame.into_data().unwrap(), [*byte]);
        }
        assert_eq!(idle.borrow().len(), 1);
    });
}

#[test]
fn bytes_behind_an_answer_reach_no_other_request() {
    run(async {
        let (connection, mut backend) = pair(1024);
        let idle = Idle::default();
        let two = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\naHTTP/1.1 200 OK\r\n\r\n";
        backend.write_all(two).await.unwrap();
        let response = answer(&idle, connection, nothing()).await;
        assert_eq!(
            response.into_body().collect().await.unwrap().to_bytes(),
            "a"
        );
        assert_eq!(idle.borrow().len(), 0);
    });
}

#[test]
fn an_idle_connection_that_speaks_or_ends_is_not_reusable() {
    on_sockets(async {
        let (mut quiet, _backend) = tcp_pair().await;
        assert!(quiet.is_reusable_now());
        let (mut spoken_on, mut backend) = tcp_pair().await;
        backend.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        spoken_on.io().readable().await.unwrap();
        assert!(!spoken_on.is_reusable_now());
        let (mut closed, backend) = tcp_pair().await;
        drop(backend);
        closed.io().readable().await.unwrap();
        assert!(!closed.is_reusable_now());
    });
}

#[test]
fn a_task_out_of_budget_still_sees_stray_bytes() {
    run(async {
        let (mut connection, mut backend) = pair(64);
        backend.write_all(b"stray").await.unwrap();
        let exhausted = poll_fn(|cx| {
            while has_budget_remaining() {
                let _ = pin!(consume_budget()).poll(cx);
            }
            Poll::Ready(connection.is_reusable_now())
        });
        assert!(!exhausted.await);
    });
}

#[test]
fn a_backend_that_does_not_read_is_sent_one_frame_at_most() {
    run(async {
        let (connection, _backend) = pair(64);
        let taken = Rc::new(Cell::new(0));
        let counter = Rc::clone(&taken);
        let body = Frames::new(vec![vec![b'a'; 5000]; 10], Then::End).map_frame(move |frame| {
            counter.set(counter.get() + 1);
            frame
        });
        let idle = Idle::default();
        let mut sending = pin!(answer(&idle, connection, body));
        for _ in 0..10 {
            let pending = poll_fn(|cx| Poll::Ready(sending.as_mut().poll(cx).is_pending()));
            assert!(pending.await);
        }
        assert_eq!(taken.get(), 1);
    });
}

#[test]
fn a_reset_is_told_apart_from_an_end() {
    on_sockets(async {
        let (connection, backend) = tcp_pair().await;
        let idle = Idle::default();
        let served = async move {
            let mut backend = backend;
            read_head(&mut backend).await;
            backend
                .write_all(b"HTTP/1.1 200 OK\r\n\r\nabc")
                .await
                .unwrap();
            backend.set_zero_linger().unwrap();
        };
        let asked = async {
            let response = answer(&idle, connection, nothing()).await;
            response.into_body().collect().await.map(|_| ())
        };
        let ((), told) = tokio::join!(served, asked);
        let kind = match told.expect_err("a cut body") {
            BodyError::Io(error) => error.kind(),
            other => panic!("{other:?}"),
        };
        assert_eq!(kind, io::ErrorKind::ConnectionReset);
    });
}

//! What a small GET to a backend costs in user time: Haldane's codec beside hyper's client.
//!
//! Both run on the same kind of runtime over loopback TCP, against a backend on another thread
//! that answers from a constant. Run with
//! `cargo run --release -p haldane-proxy --example h1_codec [requests] [connections] [body bytes]`;
//! it prints nanoseconds of this thread's user and system time for one exchange, runs in turn.

use std::cell::RefCell;
use std::env;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::thread;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use haldane_proxy::upstream::h1::{Connection, Limits, Outcome, RequestHead, send};
use http::header::{HeaderMap, HeaderValue};
use http::{Method, Request};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::runtime::LocalRuntime;
use tokio::task::spawn_local;

/// Runs of each, in turn, so that a noisy neighbour meets both.
const ROUNDS: usize = 5;

/// What `/proc` counts time in (`sysconf(_SC_CLK_TCK)`, 100 on every Linux in use).
const NANOSECONDS_PER_TICK: f64 = 1e7;

#[derive(Debug, Clone, Copy)]
struct Load {
    backend: SocketAddr,
    requests: usize,
    connections: usize,
}

fn main() -> Result<()> {
    let mut arguments = env::args().skip(1).map(|argument| argument.parse());
    let mut next = |default: usize| arguments.next().unwrap_or(Ok(default));
    let (requests, connections, body_bytes) = (next(400_000)?, next(16)?, next(256)?);
    let load = Load {
        backend: start_backend(body_bytes)?,
        requests,
        connections,
    };
    let mut ratios = Vec::new();
    for _ in 0..ROUNDS {
        let codec = measure(load, codec_exchanges)?;
        let hyper = measure(load, hyper_exchanges)?;
        println!(
            "user ns: codec {:5.0}  hyper {:5.0}   system ns: codec {:5.0}  hyper {:5.0}",
            codec.user, hyper.user, codec.system, hyper.system
        );
        ratios.push(hyper.user / codec.user);
    }
    ratios.sort_by(f64::total_cmp);
    println!(
        "hyper / codec in user time, median: {:.2}",
        ratios[ROUNDS / 2]
    );
    Ok(())
}

/// Time of one thread, in ticks or per request in nanoseconds.
#[derive(Debug, Clone, Copy)]
struct Spent {
    user: f64,
    system: f64,
}

/// Runs the load on a fresh thread and runtime, and tells the cost of one exchange.
fn measure<F, W>(load: Load, exchanges: F) -> Result<Spent>
where
    F: Fn(SocketAddr, usize) -> W + Send + 'static,
    W: Future<Output = Result<()>> + 'static,
{
    let run = thread::spawn(move || -> Result<Spent> {
        let runtime = LocalRuntime::new()?;
        let before = spent()?;
        runtime.block_on(async {
            let each = load.requests / load.connections;
            let start = |_| spawn_local(exchanges(load.backend, each));
            let tasks: Vec<_> = (0..load.connections).map(start).collect();
            for task in tasks {
                task.await??;
            }
            anyhow::Ok(())
        })?;
        let after = spent()?;
        let scale = NANOSECONDS_PER_TICK / load.requests as f64;
        Ok(Spent {
            user: (after.user - before.user) * scale,
            system: (after.system - before.system) * scale,
        })
    });
    match run.join() {
        Ok(spent) => spent,
        Err(_) => bail!("the measuring thread panicked"),
    }
}

/// This thread's time so far, in ticks.
fn spent() -> Result<Spent> {
    let stat = fs::read_to_string("/proc/thread-self/stat")?;
    let (_, fields) = stat.rsplit_once(") ").context("no name in stat")?;
    let mut times = fields.split(' ').skip(11).map(str::parse);
    let mut next = || times.next().context("too few fields in stat");
    Ok(Spent {
        user: next()??,
        system: next()??,
    })
}

fn some_headers() -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("host", "shop.example.com"),
        ("user-agent", "h1_codec/1"),
        ("accept", "*/*"),
        ("x-forwarded-for", "192.0.2.1"),
        ("x-request-id", "4f2a9c"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers
}

async fn codec_exchanges(backend: SocketAddr, count: usize) -> Result<()> {
    let socket = TcpStream::connect(backend).await?;
    socket.set_nodelay(true)?;
    let idle = Rc::new(RefCell::new(Some(Connection::new(
        socket,
        Limits::default(),
    ))));
    let headers = some_headers();
    for _ in 0..count {
        let mut connection = idle.borrow_mut().take().context("the connection is gone")?;
        if !connection.is_reusable_now() {
            bail!("the backend closed");
        }
        let headers = headers.clone();
        let head = RequestHead {
            method: &Method::GET,
            target: "/index.html",
            headers: &headers,
            more: None,
            length: None,
            upgrade: None,
        };
        let idle = Rc::clone(&idle);
        let give_back = move |connection| *idle.borrow_mut() = Some(connection);
        match send(connection, head, Empty::<Bytes>::new(), give_back).await? {
            Outcome::Response(response) => response.into_body().collect().await?,
            Outcome::Upgraded { .. } => bail!("upgraded"),
        };
    }
    Ok(())
}

async fn hyper_exchanges(backend: SocketAddr, count: usize) -> Result<()> {
    let socket = TcpStream::connect(backend).await?;
    socket.set_nodelay(true)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(socket)).await?;
    spawn_local(connection);
    let headers = some_headers();
    for _ in 0..count {
        sender.ready().await?;
        let mut request = Request::get("/index.html").body(Empty::<Bytes>::new())?;
        *request.headers_mut() = headers.clone();
        sender
            .send_request(request)
            .await?
            .into_body()
            .collect()
            .await?;
    }
    Ok(())
}

/// A backend that answers every head with the same bytes; each connection has its thread.
fn start_backend(body_bytes: usize) -> Result<SocketAddr> {
    let answer = format!(
        "HTTP/1.1 200 OK\r\nserver: constant\r\ndate: Sat, 21 Nov 2026 05:00:00 GMT\r\n\
         content-type: text/plain; charset=utf-8\r\nx-version: canary\r\nvary: accept\r\n\
         cache-control: no-store\r\ncontent-length: {body_bytes}\r\n\r\n{}",
        "a".repeat(body_bytes)
    );
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            let answer = answer.clone();
            thread::spawn(move || answer_all(socket, answer.as_bytes()));
        }
    });
    Ok(address)
}

/// Requests here come one at a time and in one piece.
fn answer_all(mut socket: std::net::TcpStream, answer: &[u8]) -> std::io::Result<()> {
    socket.set_nodelay(true)?;
    let mut request = [0; 4096];
    while socket.read(&mut request)? > 0 {
        socket.write_all(answer)?;
    }
    Ok(())
}

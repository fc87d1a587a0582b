//! A backend that keeps every byte it gets and reads requests as strictly as a standard allows: what it cannot read in
//! one way only is a fault of whoever sent it.
//!
//! It shares no code with the proxy, so that the two cannot be wrong together.

mod strict;

pub use strict::{Fault, Request, parse};

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

/// What came in since the last look.
#[derive(Clone, Default)]
pub struct Recorded {
    /// All bytes, over all connections.
    pub bytes: Vec<u8>,
    /// Whole requests, in the order in which they ended.
    pub requests: Vec<Request>,
    /// What was no request.
    pub faults: Vec<Fault>,
}

impl fmt::Debug for Recorded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} in \"{}\"", self.faults, self.bytes.escape_ascii())
    }
}

/// A recording backend; it stops accepting when dropped.
pub struct Recorder {
    address: SocketAddr,
    recorded: Arc<Mutex<Recorded>>,
    accepting: AbortHandle,
}

impl Recorder {
    /// Answers each request with its own request line.
    ///
    /// # Errors
    /// When there is no free port.
    pub async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let recorded = Arc::new(Mutex::default());
        Ok(Self {
            address: listener.local_addr()?,
            accepting: tokio::spawn(accept(listener, recorded.clone())).abort_handle(),
            recorded,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What came in since the last call.
    pub fn take(&self) -> Recorded {
        std::mem::take(&mut *lock(&self.recorded))
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

fn lock(recorded: &Mutex<Recorded>) -> MutexGuard<'_, Recorded> {
    recorded.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(listener: TcpListener, recorded: Arc<Mutex<Recorded>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let recorded = recorded.clone();
        tokio::spawn(async move {
            // A connection that is broken off leaves what was recorded.
            let _ = serve(stream, &recorded).await;
        });
    }
}

async fn serve(mut stream: TcpStream, recorded: &Mutex<Recorded>) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut unread = Vec::new();
    loop {
        let before = unread.len();
        if stream.read_buf(&mut unread).await? == 0 {
            return Ok(());
        }
        lock(recorded).bytes.extend_from_slice(&unread[before..]);
        while let Some(request) = next(&mut unread, recorded)? {
            let answer = request.line();
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
                answer.len()
            );
            let body = if request.method == "HEAD" {
                ""
            } else {
                &answer
            };
            stream.write_all((head + body).as_bytes()).await?;
        }
    }
}

/// Takes a whole request from the front, if there is one; a fault ends the connection.
fn next(unread: &mut Vec<u8>, recorded: &Mutex<Recorded>) -> std::io::Result<Option<Request>> {
    match parse(unread) {
        Ok(None) => Ok(None),
        Ok(Some((request, consumed))) => {
            unread.drain(..consumed);
            lock(recorded).requests.push(request.clone());
            Ok(Some(request))
        }
        Err(fault) => {
            lock(recorded).faults.push(fault);
            Err(std::io::ErrorKind::InvalidData.into())
        }
    }
}

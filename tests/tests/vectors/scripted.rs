//! A backend that answers every request with the bytes it was told last.

use haldane_tests::raw::{Pace, write};
use haldane_tests::within;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What is answered next, and how.
#[derive(Clone)]
struct Script {
    bytes: Arc<[u8]>,
    pace: Pace,
    closes: bool,
}

/// The backend.
pub(crate) struct Scripted {
    address: SocketAddr,
    script: Arc<Mutex<Script>>,
    connections: Arc<AtomicUsize>,
    /// How many answers are being written, the close behind them included.
    busy: watch::Sender<usize>,
}

impl Scripted {
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let nothing = Script {
            bytes: Arc::new([]),
            pace: Pace::Whole,
            closes: true,
        };
        let scripted = Self {
            address: listener.local_addr()?,
            script: Arc::new(Mutex::new(nothing)),
            connections: Arc::default(),
            busy: watch::Sender::new(0),
        };
        let (script, connections) = (scripted.script.clone(), scripted.connections.clone());
        let busy = scripted.busy.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                connections.fetch_add(1, SeqCst);
                tokio::spawn(serve(stream, script.clone(), busy.clone()));
            }
        });
        Ok(scripted)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections there were.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(SeqCst)
    }

    /// Waits until every close that follows an answer is there: a request sent before could meet it on its way.
    pub(crate) async fn quiet(&self) -> anyhow::Result<()> {
        let mut busy = self.busy.subscribe();
        within("the backend to close", busy.wait_for(|busy| *busy == 0)).await??;
        Ok(())
    }

    /// Answers so, and says that nothing follows.
    pub(crate) fn say_and_close(&self, bytes: &[u8], pace: Pace) {
        self.say(bytes, pace, true);
    }

    /// Answers so, and waits for another request.
    pub(crate) fn say_and_wait(&self, bytes: &[u8], pace: Pace) {
        self.say(bytes, pace, false);
    }

    fn say(&self, bytes: &[u8], pace: Pace, closes: bool) {
        *self.script.lock().unwrap_or_else(PoisonError::into_inner) = Script {
            bytes: bytes.into(),
            pace,
            closes,
        };
    }
}

async fn serve(
    mut stream: TcpStream,
    script: Arc<Mutex<Script>>,
    busy: watch::Sender<usize>,
) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    loop {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            if stream.read_buf(&mut head).await? == 0 {
                return Ok(());
            }
        }
        let script = script
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        busy.send_modify(|busy| *busy += 1);
        write(&mut stream, &script.bytes, script.pace).await;
        let shut = if script.closes {
            stream.shutdown().await
        } else {
            Ok(())
        };
        busy.send_modify(|busy| *busy -= 1);
        shut?;
        if script.closes {
            // The proxy closes its side in its own time: closing with unread bytes would reset what was just written.
            return stream.read_to_end(&mut head).await.map(drop);
        }
    }
}

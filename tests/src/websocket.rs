//! WebSockets with tungstenite: an echo server, and a client of it.

use crate::client::connect;
use crate::within;
use futures_util::{SinkExt as _, StreamExt as _};
use std::net::SocketAddr;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, accept_async, client_async};

/// A server that echoes the first WebSocket it is asked for.
pub struct Echo {
    address: SocketAddr,
    end: oneshot::Receiver<Message>,
}

impl Echo {
    /// Listens.
    ///
    /// # Errors
    /// When there is no free port.
    pub async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (told, end) = oneshot::channel();
        tokio::spawn(async move {
            // Whoever waits for the end learns from its absence that there was none.
            if let Ok(close) = echo(listener).await {
                let _ = told.send(close);
            }
        });
        Ok(Self { address, end })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The close message that the server got.
    ///
    /// # Errors
    /// When none comes in time.
    pub async fn closed(self) -> anyhow::Result<Message> {
        Ok(within("the server's end", self.end).await??)
    }
}

/// A server that echoes every WebSocket it is asked for, for as long as it exists.
pub struct Echoes {
    /// Where it listens.
    pub address: SocketAddr,
    /// Its connections end with it.
    _accepting: JoinSet<()>,
}

impl Echoes {
    /// Listens.
    ///
    /// # Errors
    /// When there is no free port.
    pub async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (address, mut accepting) = (listener.local_addr()?, JoinSet::new());
        accepting.spawn(async move {
            let mut sockets = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                // However it ends: the other end knows.
                sockets.spawn(async move { _ = echo_over(stream).await });
                while sockets.try_join_next().is_some() {}
            }
        });
        Ok(Self {
            address,
            _accepting: accepting,
        })
    }
}

async fn echo(listener: TcpListener) -> anyhow::Result<Message> {
    let (stream, _) = listener.accept().await?;
    echo_over(stream).await
}

async fn echo_over(stream: TcpStream) -> anyhow::Result<Message> {
    let mut socket = accept_async(stream).await?;
    while let Some(message) = socket.next().await {
        let message = message?;
        if message.is_close() {
            // The library answers the close with the next turn.
            let _ = socket.next().await;
            return Ok(message);
        }
        if message.is_text() || message.is_binary() {
            socket.send(message).await?;
        }
    }
    anyhow::bail!("the connection ended without a close")
}

/// A client's end of a WebSocket.
pub struct Socket(WebSocketStream<TcpStream>);

impl Socket {
    /// Opens one at `address` for `host`.
    ///
    /// # Errors
    /// When it is not opened in time.
    pub async fn open(address: SocketAddr, host: &str) -> anyhow::Result<Self> {
        let stream = connect(address).await?;
        let opening = client_async(format!("ws://{host}/chat"), stream);
        let (socket, _) = within("a WebSocket", opening).await??;
        Ok(Self(socket))
    }

    /// Sends a message; the next that comes.
    ///
    /// # Errors
    /// When none comes in time.
    pub async fn turn(&mut self, message: Message) -> anyhow::Result<Message> {
        within("sending", self.0.send(message)).await??;
        let next = within("a message", self.0.next()).await?;
        Ok(next.ok_or_else(|| anyhow::anyhow!("the socket has ended"))??)
    }
}

//! A backend whose connections a test plays itself.

use haldane_tests::manifests::{Manifests, ingress, pod, service, speaking};
use haldane_tests::raw::{Pace, Raw};
use haldane_tests::serve::Serve;
use haldane_tests::within;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// A proxy with one worker, and where it connects to.
pub(crate) struct Played {
    listener: TcpListener,
    pub(crate) serve: Serve,
    _manifests: Manifests,
}

/// One connection of it, and what it has brought.
pub(crate) struct Connection {
    pub(crate) stream: TcpStream,
    read: Vec<u8>,
}

impl Played {
    pub(crate) async fn start(annotations: &[(&str, &str)]) -> anyhow::Result<Self> {
        Self::before(service("web", &[]), annotations).await
    }

    /// The backend speaks HTTP/2.
    pub(crate) async fn h2(annotations: &[(&str, &str)]) -> anyhow::Result<Self> {
        let service = speaking(service("web", &[]), "kubernetes.io/h2c");
        Self::before(service, annotations).await
    }

    async fn before(
        service: serde_json::Value,
        annotations: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address: SocketAddr = listener.local_addr()?;
        let manifests = Manifests::of(&[
            service,
            ingress("web", annotations, "a", "web"),
            pod("web", "1.0", address),
        ])?;
        Ok(Self {
            serve: Serve::start_with(manifests.path(), &["--workers", "1"]).await?,
            listener,
            _manifests: manifests,
        })
    }

    /// A client that has sent this.
    pub(crate) async fn client(&self, bytes: &str) -> anyhow::Result<Raw> {
        let mut client = Raw::to(self.serve.http).await?;
        client.write(bytes.as_bytes(), Pace::Whole).await;
        Ok(client)
    }

    /// The next connection, as it is.
    pub(crate) async fn stream(&self) -> anyhow::Result<TcpStream> {
        let (stream, _) = within("a connection", self.listener.accept()).await??;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    pub(crate) async fn connection(&self) -> anyhow::Result<Connection> {
        Ok(Connection {
            stream: self.stream().await?,
            read: Vec::new(),
        })
    }
}

impl Connection {
    /// Reads until it has brought this; all of it so far.
    pub(crate) async fn brings(&mut self, part: &str) -> anyhow::Result<String> {
        loop {
            let text = String::from_utf8_lossy(&self.read).into_owned();
            if text.contains(part) {
                return Ok(text);
            }
            let read = within(part, self.stream.read_buf(&mut self.read)).await??;
            anyhow::ensure!(read > 0, "closed before {part:?}: {text:?}");
        }
    }

    pub(crate) async fn says(&mut self, text: &str) -> anyhow::Result<()> {
        Ok(self.stream.write_all(text.as_bytes()).await?)
    }

    /// Waits for the other side to close, which it may do with a reset; all that it has brought.
    pub(crate) async fn closes(&mut self) -> anyhow::Result<String> {
        let _ = within("a close", self.stream.read_to_end(&mut self.read)).await?;
        Ok(String::from_utf8_lossy(&self.read).into_owned())
    }
}

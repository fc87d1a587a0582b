//! A controller with good or bad credentials that sends what the test wants, whatever is asked of it.

use crate::controller::Place;
use haldane_tests::within;
use haldane_wire::Credentials;
use haldane_wire::proto::push_server::{Push, PushServer};
use haldane_wire::proto::{FromController, FromProxy, Part, from_controller, from_proxy};
use std::io;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Server;
use tonic::{Request, Response, Status, Streaming};

/// Answers kept for the test.
const HEARD_MAX: usize = 64;

/// One that lies.
pub(crate) struct Liar {
    heard: mpsc::Receiver<from_proxy::Message>,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

impl Liar {
    /// Sends these parts to every proxy that comes.
    pub(crate) fn start(
        place: &Place,
        credentials: &Credentials,
        parts: Vec<Part>,
    ) -> anyhow::Result<Self> {
        let listener = place.listen()?;
        let tls = Arc::new(credentials.server("haldane-proxy")?);
        let (sender, heard) = mpsc::channel(HEARD_MAX);
        let push = PushServer::new(Script {
            parts,
            heard: sender,
        });
        let (stop, stopped) = oneshot::channel::<()>();
        let (connections, incoming) = mpsc::channel(1);
        let accepting = tokio::spawn(accept(listener, tls.into(), connections));
        let serving = tokio::spawn(async move {
            let _ = Server::builder()
                .serve_with_incoming_shutdown(push, ReceiverStream::new(incoming), async {
                    let _ = stopped.await;
                })
                .await;
            accepting.abort();
            // Aborted, it still holds the socket until it is gone.
            let _ = accepting.await;
        });
        Ok(Self {
            heard,
            stop,
            serving,
        })
    }

    /// Why the next table was refused.
    pub(crate) async fn refusal(&mut self) -> anyhow::Result<String> {
        let heard = async {
            while let Some(message) = self.heard.recv().await {
                match message {
                    from_proxy::Message::Rejected(rejected) => return Ok(rejected.reason),
                    from_proxy::Message::Applied(applied) => {
                        anyhow::bail!("{:?} was applied", applied.generation)
                    }
                    _ => {}
                }
            }
            anyhow::bail!("nobody answers")
        };
        within("a refusal", heard).await?
    }

    /// Goes away; its streams break.
    pub(crate) async fn stop(self) {
        drop((self.stop, self.heard));
        let _ = within("the liar to stop", self.serving).await;
    }
}

async fn accept(
    listener: TcpListener,
    tls: TlsAcceptor,
    connections: mpsc::Sender<io::Result<TlsStream<TcpStream>>>,
) {
    while let Ok((socket, _)) = listener.accept().await {
        // Those that see through it are gone.
        if let Ok(stream) = tls.accept(socket).await {
            let _ = connections.send(Ok(stream)).await;
        }
    }
}

struct Script {
    parts: Vec<Part>,
    heard: mpsc::Sender<from_proxy::Message>,
}

#[tonic::async_trait]
impl Push for Script {
    type FollowStream = ReceiverStream<Result<FromController, Status>>;

    async fn follow(
        &self,
        request: Request<Streaming<FromProxy>>,
    ) -> Result<Response<Self::FollowStream>, Status> {
        let (sender, updates) = mpsc::channel(1);
        let (parts, heard) = (self.parts.clone(), self.heard.clone());
        let mut said = request.into_inner();
        tokio::spawn(async move {
            for part in parts {
                let message = Some(from_controller::Message::Part(part));
                if sender.send(Ok(FromController { message })).await.is_err() {
                    break;
                }
            }
            while let Some(Ok(FromProxy { message })) = said.next().await {
                let Some(message) = message else { continue };
                if heard.send(message).await.is_err() {
                    break;
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(updates)))
    }
}

//! Connections that come to a Service's address and go on to one of its endpoints.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::AbortHandle;

/// All addresses that are listened on.
#[derive(Debug, Default)]
pub(super) struct Forwarders(HashMap<SocketAddr, Forwarder>);

/// One address. It is not listened on any more when this is dropped; connections stay.
#[derive(Debug)]
struct Forwarder {
    endpoints: watch::Sender<Vec<SocketAddr>>,
    accepting: AbortHandle,
}

impl Forwarders {
    /// Listens on these addresses and no others.
    pub(super) fn set(&mut self, wanted: BTreeMap<SocketAddr, Vec<SocketAddr>>) {
        self.0.retain(|address, _| wanted.contains_key(address));
        for (address, endpoints) in wanted {
            let forwarder = self
                .0
                .entry(address)
                .or_insert_with(|| Forwarder::start(address));
            forwarder.endpoints.send_replace(endpoints);
        }
    }
}

impl Forwarder {
    fn start(address: SocketAddr) -> Self {
        let (endpoints, receiver) = watch::channel(Vec::new());
        let accepting = tokio::spawn(async move {
            if let Err(error) = accept(address, receiver).await {
                tracing::warn!(%address, %error, "a service's address is not served");
            }
        });
        Self {
            endpoints,
            accepting: accepting.abort_handle(),
        }
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(
    address: SocketAddr,
    endpoints: watch::Receiver<Vec<SocketAddr>>,
) -> io::Result<()> {
    let listener = TcpListener::bind(address).await?;
    let turn = Arc::new(AtomicUsize::new(0));
    loop {
        let (client, _) = listener.accept().await?;
        let turn = turn.fetch_add(1, Relaxed);
        let chosen = {
            let endpoints = endpoints.borrow();
            endpoints.get(turn % endpoints.len().max(1)).copied()
        };
        // Without an endpoint the connection is closed, as kube-proxy refuses it.
        if let Some(endpoint) = chosen {
            tokio::spawn(forward(client, endpoint));
        }
    }
}

async fn forward(mut client: TcpStream, endpoint: SocketAddr) -> io::Result<()> {
    let mut server = TcpStream::connect(endpoint).await?;
    // What was written in small pieces is passed on so.
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}

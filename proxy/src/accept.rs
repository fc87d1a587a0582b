//! Taking connections from a listening socket, and leaving none behind when it closes.

use crate::downstream::{self, Door};
use crate::metrics::Listener;
use crate::worker::Worker;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// How long to leave the socket alone when the process is out of descriptors: long enough not to spin.
const STARVED_PAUSE: Duration = Duration::from_millis(50);

/// Serves a socket until told to stop; those already in the kernel's queue are served still.
pub(crate) async fn run(
    listener: TcpListener,
    side: Listener,
    worker: Rc<Worker>,
    stop: Rc<Notify>,
) {
    let address = listener.local_addr();
    let door = Door {
        side,
        port: address.expect("a listening socket has an address").port(),
    };
    while !worker.connections.is_draining() {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.notified() => break,
        };
        begin_or_pause(accepted, door, &worker).await;
    }
    if let Err(error) = begin_queued(listener, door, &worker) {
        tracing::warn!(%error, "connections still queued are lost");
    }
}

/// Takes what the kernel has queued. Asked directly: tokio knows only what its driver saw at its last turn.
fn begin_queued(listener: TcpListener, door: Door, worker: &Rc<Worker>) -> io::Result<()> {
    let listener = listener.into_std()?;
    loop {
        match listener.accept() {
            Ok((stream, peer)) => {
                stream.set_nonblocking(true)?;
                begin((TcpStream::from_std(stream)?, peer), door, worker);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) if is_about_one_connection(&error) => {}
            Err(error) => return Err(error),
        }
    }
}

async fn begin_or_pause(
    accepted: io::Result<(TcpStream, SocketAddr)>,
    door: Door,
    worker: &Rc<Worker>,
) {
    match accepted {
        Ok(accepted) => begin(accepted, door, worker),
        Err(error) if is_about_one_connection(&error) => {}
        Err(error) => {
            tracing::warn!(%error, "accepting connections pauses");
            tokio::time::sleep(STARVED_PAUSE).await;
        }
    }
}

fn is_about_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    )
}

fn begin((stream, peer): (TcpStream, SocketAddr), door: Door, worker: &Rc<Worker>) {
    if worker.connections.is_full() {
        worker.metrics.refused("connections_full");
        return;
    }
    let held = worker.connections.enter();
    tokio::task::spawn_local(downstream::serve(stream, peer, door, worker.clone(), held));
}

//! Taking connections from a listening socket, and leaving none behind when it closes.

use crate::downstream::{self, Door};
use crate::listener;
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

/// How long a handshake that is under way as we stop may take to its end: a round trip to the other side of the earth.
const HANDSHAKE_GRACE: Duration = Duration::from_millis(300);

/// Serves a socket until told to stop; those that are in the kernel's queue, or on their way to it, are served still.
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
    if !worker.connections.is_draining() {
        tokio::select! {
            () = take(&listener, door, &worker) => {}
            () = stop.notified() => {}
        }
    }
    let_handshakes_end(&listener, door, &worker).await;
    if let Err(error) = begin_queued(listener, door, &worker) {
        tracing::warn!(%error, "connections still queued are lost");
    }
}

/// Takes those that the kernel has begun, and has it begin no more.
async fn let_handshakes_end(listener: &TcpListener, door: Door, worker: &Rc<Worker>) {
    match listener::let_none_begin(listener) {
        // Its end is the time's.
        Ok(()) => drop(tokio::time::timeout(HANDSHAKE_GRACE, take(listener, door, worker)).await),
        Err(error) => tracing::warn!(%error, "connections that begin now may be lost"),
    }
}

async fn take(listener: &TcpListener, door: Door, worker: &Rc<Worker>) {
    loop {
        begin_or_pause(listener.accept().await, door, worker).await;
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

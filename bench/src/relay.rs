//! The floor: a proxy that moves bytes and parses nothing, one upstream connection for each
//! downstream one. No HTTP proxy on the same runtime can be cheaper.

use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpStream};

/// Carries bytes between `listen` and `to` until the process ends.
///
/// # Errors
/// If the address cannot be bound or accepting fails.
pub(crate) async fn serve(listen: SocketAddr, to: SocketAddr) -> anyhow::Result<()> {
    let listener = TcpListener::bind(listen).await?;
    loop {
        let (downstream, _) = listener.accept().await?;
        // A connection that fails fails at its client, which reports it.
        tokio::spawn(carry(downstream, to));
    }
}

async fn carry(mut downstream: TcpStream, to: SocketAddr) -> std::io::Result<()> {
    let mut upstream = TcpStream::connect(to).await?;
    downstream.set_nodelay(true)?;
    upstream.set_nodelay(true)?;
    tokio::io::copy_bidirectional(&mut downstream, &mut upstream).await?;
    Ok(())
}

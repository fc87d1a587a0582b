//! Listening sockets: one for each worker and address, all on the same port, so that the kernel spreads connections.

use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsFd;

/// Connections the kernel keeps for us while the worker is busy; capped by `net.core.somaxconn`.
const BACKLOG: i32 = 4_096;

/// Binds `count` sockets to one address; with port 0 the first decides and the others follow.
///
/// # Errors
/// Those of the system, such as an address in use.
pub(crate) fn bind(address: SocketAddr, count: usize) -> io::Result<Vec<TcpListener>> {
    let first = bind_one(address)?;
    let address = first.local_addr()?;
    let mut listeners = vec![first];
    for _ in 1..count {
        listeners.push(bind_one(address)?);
    }
    Ok(listeners)
}

fn bind_one(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    // Small answers leave at once. Connections take this over from the socket that they came by.
    socket.set_tcp_nodelay(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Lets no connection begin by way of this socket any more; handshakes under way go on.
///
/// A socket that closes resets what it has queued, also where another one listens on its port. A client that finds no answer
/// asks again within a second (RFC 6298 section 2.1), and comes to the other one if this one is closed by then.
///
/// # Errors
/// Those of the system, such as a sandbox that knows no filters.
#[cfg(target_os = "linux")]
pub(crate) fn let_none_begin(listener: impl AsFd) -> io::Result<()> {
    use socket2::SockFilter;
    // Classic BPF, see `filter.txt` of the kernel's documentation: load a byte, mask it, compare it, return.
    const FLAGS_AT: u32 = 13;
    const SYN: u32 = 0x02;
    const ACK: u32 = 0x10;
    socket2::SockRef::from(&listener).attach_filter(&[
        SockFilter::new(0x30, 0, 0, FLAGS_AT),
        SockFilter::new(0x54, 0, 0, SYN | ACK),
        SockFilter::new(0x15, 0, 1, SYN),
        SockFilter::new(0x06, 0, 0, 0),
        SockFilter::new(0x06, 0, 0, u32::MAX),
    ])
}

/// Elsewhere than on Linux a port is not shared in turns.
#[cfg(not(target_os = "linux"))]
pub(crate) fn let_none_begin(_: impl AsFd) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Write as _};
    use std::net::TcpStream;
    use std::time::Duration;

    #[test]
    fn connections_send_small_answers_at_once() {
        let listener = &bind(([127, 0, 0, 1], 0).into(), 1).unwrap()[0];
        let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (connection, _) = listener.accept().unwrap();
        assert!(connection.nodelay().unwrap());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn who_comes_while_a_socket_closes_comes_to_the_other() {
        let first = |mut sockets: Vec<TcpListener>| sockets.pop().unwrap();
        let closes = first(bind(([127, 0, 0, 1], 0).into(), 1).unwrap());
        let address = closes.local_addr().unwrap();
        let_none_begin(&closes).unwrap();
        let early = TcpStream::connect_timeout(&address, Duration::from_millis(50));
        assert_eq!(early.unwrap_err().kind(), io::ErrorKind::TimedOut);
        let client = std::thread::spawn(move || TcpStream::connect(address));
        let stays = first(bind(address, 1).unwrap());
        drop(closes);
        stays.set_nonblocking(false).unwrap();
        let _connection = stays.accept().unwrap();
        client.join().unwrap().unwrap();
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_connection_that_is_there_is_not_kept_from_its_bytes() {
        let listener = &bind(([127, 0, 0, 1], 0).into(), 1).unwrap()[0];
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let_none_begin(listener).unwrap();
        let (mut connection, _) = listener.accept().unwrap();
        client.write_all(b"all").unwrap();
        drop(client);
        let mut read = String::new();
        connection.read_to_string(&mut read).unwrap();
        assert_eq!(read, "all");
    }
}

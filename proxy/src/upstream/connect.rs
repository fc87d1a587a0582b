//! Opening a connection to an endpoint: name look-up, the addresses we never connect to, TCP, TLS.

use super::stream::Transport;
use haldane_routing::address::Special;
use haldane_routing::spec::Address;
use rustls::pki_types::ServerName;
use socket2::{SockRef, TcpKeepalive};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Addresses of one name that are looked at: the first that may be used is, and nobody needs hundreds.
const ADDRESSES_MAX: usize = 16;
/// How often a silent peer's system is asked whether it is still there.
const PROBE_EVERY: Duration = Duration::from_secs(5);
/// How often it may leave that unanswered: it is found out within 20 s.
const PROBES_MAX: u32 = 3;

/// Why there is no connection.
#[derive(Debug, Error)]
pub(crate) enum ConnectError {
    #[error("connecting takes longer than {0:?}")]
    Timeout(Duration),
    #[error("{0} is no address to connect to")]
    Forbidden(SocketAddr),
    #[error("the name {0} has no address")]
    NoAddress(String),
    #[error("connecting failed: {0}")]
    Failed(#[source] io::Error),
    #[error("the TLS handshake failed: {0}")]
    Tls(#[source] io::Error),
}

/// Which addresses are reached.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reach {
    pub(crate) loopback: bool,
    /// Where this proxy itself listens: forwarding there would loop.
    pub(crate) own: Vec<SocketAddr>,
}

impl Reach {
    fn check(&self, address: SocketAddr) -> Result<SocketAddr, ConnectError> {
        let ip = address.ip().to_canonical();
        let own = self.own.iter().any(|o| {
            o.port() == address.port()
                && (o.ip() == ip || o.ip().is_unspecified() && ip.is_loopback())
        });
        if own || !self.admits(ip) {
            Err(ConnectError::Forbidden(address))
        } else {
            Ok(address)
        }
    }

    /// Loopback is reached by its own name only, not through a gateway.
    fn admits(&self, ip: IpAddr) -> bool {
        match Special::of(ip) {
            None => true,
            Some(Special::Loopback) => self.loopback && ip.is_loopback(),
            Some(_) => false,
        }
    }
}

/// How TLS is spoken to an endpoint.
#[derive(Clone, Debug)]
pub(crate) struct Tls {
    pub(crate) config: Arc<rustls::ClientConfig>,
    pub(crate) server_name: ServerName<'static>,
}

/// Opens a connection within `limit`.
///
/// # Errors
/// [`ConnectError`], before anything of a request was sent.
pub(crate) async fn connect(
    address: &Address,
    tls: Option<Tls>,
    reach: &Reach,
    limit: Duration,
) -> Result<Transport, ConnectError> {
    let opened = async {
        let address = reach.check(resolve(address, reach).await?)?;
        let stream = TcpStream::connect(address)
            .await
            .map_err(ConnectError::Failed)?;
        attend(&stream).map_err(ConnectError::Failed)?;
        handshake(stream, tls).await
    };
    tokio::time::timeout(limit, opened)
        .await
        .unwrap_or(Err(ConnectError::Timeout(limit)))
}

/// Small requests leave at once, and a peer that is gone without a word is found out while nothing is sent.
fn attend(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let probes = TcpKeepalive::new()
        .with_time(PROBE_EVERY)
        .with_interval(PROBE_EVERY)
        .with_retries(PROBES_MAX);
    SockRef::from(stream).set_tcp_keepalive(&probes)
}

async fn resolve(address: &Address, reach: &Reach) -> Result<SocketAddr, ConnectError> {
    let (name, port) = match address {
        Address::Socket(address) => return Ok(*address),
        Address::Name(name, port) => (name, *port),
    };
    let found = tokio::net::lookup_host((name.as_str(), port))
        .await
        .map_err(ConnectError::Failed)?;
    let found: Vec<SocketAddr> = found.take(ADDRESSES_MAX).collect();
    let usable = found
        .iter()
        .find(|a| reach.check(**a).is_ok())
        .or(found.first());
    usable
        .copied()
        .ok_or_else(|| ConnectError::NoAddress(name.clone()))
}

async fn handshake(stream: TcpStream, tls: Option<Tls>) -> Result<Transport, ConnectError> {
    let Some(tls) = tls else {
        return Ok(Transport::Clear(stream));
    };
    let connector = TlsConnector::from(tls.config);
    let stream = connector
        .connect(tls.server_name, stream)
        .await
        .map_err(ConnectError::Tls)?;
    Ok(Transport::Tls(Box::new(stream)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(address: &str, loopback: bool, reached: bool) {
        let own = vec!["0.0.0.0:8080".parse().expect("an address")];
        let reach = Reach { loopback, own };
        let address = address.parse().expect("an address");
        assert_eq!(reach.check(address).is_ok(), reached, "{address}");
    }

    /// All of them are told apart where they are known; here is one of each kind and of each form.
    #[test]
    fn some_addresses_are_never_reached() {
        for address in [
            "169.254.169.254:80",
            "168.63.129.16:80",
            "[fe80::1]:80",
            "[fd00:ec2::23]:80",
            "[fd20:ce::254]:80",
            "0.0.0.0:80",
            "0.1.2.3:80",
            "[::]:80",
            "255.255.255.255:80",
            "224.0.0.1:80",
            "[ff02::1]:80",
            "[::ffff:169.254.169.254]:80",
            "[::169.254.169.254]:80",
            "[::7f00:1]:80",
            "[64:ff9b::169.254.169.254]:80",
            "[64:ff9b::127.0.0.1]:80",
            "[64:ff9b:1::169.254.169.254]:80",
            "[64:ff9b:1::127.0.0.1]:80",
            "[2002:a9fe:a9fe::1]:80",
            "[2002:7f00:1::1]:80",
        ] {
            check(address, true, false);
        }
    }

    #[test]
    fn loopback_is_reached_only_where_allowed_and_never_at_our_own_port() {
        for address in [
            "127.0.0.1:9000",
            "127.9.9.9:9000",
            "127.255.255.254:9000",
            "[::1]:9000",
            "[::ffff:127.0.0.1]:9000",
            "[::ffff:7f01:203]:9000",
        ] {
            check(address, true, true);
            check(address, false, false);
        }
        check("127.0.0.1:8080", true, false);
        check("10.0.0.1:80", false, true);
        for address in [
            "[2001:db8::1]:80",
            "[fd00::1]:80",
            "[64:ff9b::10.0.0.1]:80",
            "[2002:a00:1::1]:80",
            "[::ffff:10.0.0.1]:80",
            "100.64.0.1:80",
            "192.168.0.1:80",
        ] {
            check(address, false, true);
        }
    }

    #[tokio::test]
    async fn a_name_is_what_it_resolves_to() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("bound");
        let port = listener.local_addr().expect("an address").port();
        for name in [
            "127.0.0.1",
            "127.1",
            "0x7f000001",
            "0x7f.1",
            "2130706433",
            "0177.0.0.1",
            "localhost",
            "::1",
            "::ffff:127.0.0.1",
            "0",
            "0.0",
            "0.0.0.0",
        ] {
            let address = Address::Name(name.to_owned(), port);
            let reach = Reach::default();
            let connected = connect(&address, None, &reach, Duration::from_secs(5)).await;
            assert!(
                matches!(connected, Err(ConnectError::Forbidden(_))),
                "{name}"
            );
        }
        let accepted = tokio::time::timeout(Duration::ZERO, listener.accept()).await;
        assert!(accepted.is_err(), "nobody came");
    }
}

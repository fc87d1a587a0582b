//! Opening a connection to an endpoint: name look-up, the addresses we never connect to, TCP, TLS.

use super::stream::Transport;
use haldane_routing::spec::Address;
use rustls::pki_types::ServerName;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Addresses of one name that are looked at: the first that may be used is, and nobody needs hundreds.
const ADDRESSES_MAX: usize = 16;

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
        let forbidden = own || (ip.is_loopback() && !self.loopback) || is_never_an_endpoint(ip);
        if forbidden {
            Err(ConnectError::Forbidden(address))
        } else {
            Ok(address)
        }
    }
}

/// Link-local addresses include cloud metadata services (169.254.169.254, fd00:ec2::254 beside them).
fn is_never_an_endpoint(ip: IpAddr) -> bool {
    const METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);
    ip.is_unspecified()
        || ip.is_multicast()
        || match ip {
            IpAddr::V4(v4) => v4.is_link_local() || v4.is_broadcast() || v4.octets()[0] == 0,
            IpAddr::V6(v6) => {
                v6.is_unicast_link_local()
                    || v6 == METADATA_V6
                    || v6.to_ipv4().is_some_and(|v4| v4.is_loopback())
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
        stream.set_nodelay(true).map_err(ConnectError::Failed)?;
        handshake(stream, tls).await
    };
    tokio::time::timeout(limit, opened)
        .await
        .unwrap_or(Err(ConnectError::Timeout(limit)))
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

    #[test]
    fn some_addresses_are_never_reached() {
        for address in [
            "169.254.169.254:80",
            "[fe80::1]:80",
            "[fd00:ec2::254]:80",
            "0.0.0.0:80",
            "[::]:80",
            "224.0.0.1:80",
            "255.255.255.255:80",
            "0.1.2.3:80",
            "[::ffff:169.254.169.254]:80",
            "[::7f00:1]:80",
        ] {
            check(address, true, false);
        }
    }

    #[test]
    fn loopback_is_reached_only_where_allowed_and_never_at_our_own_port() {
        for address in [
            "127.0.0.1:9000",
            "127.9.9.9:9000",
            "[::1]:9000",
            "[::ffff:127.0.0.1]:9000",
        ] {
            check(address, true, true);
            check(address, false, false);
        }
        check("127.0.0.1:8080", true, false);
        check("10.0.0.1:80", false, true);
        check("[2001:db8::1]:80", false, true);
    }
}

//! Opening a connection to an endpoint: name look-up, the addresses we never connect to, TCP, TLS.

use super::stream::Transport;
use haldane_routing::spec::Address;
use rustls::pki_types::ServerName;
use socket2::{SockRef, TcpKeepalive};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
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
        let forbidden = own || (ip.is_loopback() && !self.loopback) || is_never_an_endpoint(ip);
        if forbidden {
            Err(ConnectError::Forbidden(address))
        } else {
            Ok(address)
        }
    }
}

/// Where clouds tell machines their secrets, beside the link-local addresses that most of them use.
const METADATA_V4: [Ipv4Addr; 3] = [
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(168, 63, 129, 16),
    Ipv4Addr::new(192, 0, 0, 192),
];
const METADATA_V6: [Ipv6Addr; 2] = [
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
];

fn is_never_an_endpoint(ip: IpAddr) -> bool {
    ip.is_unspecified()
        || ip.is_multicast()
        || match ip {
            IpAddr::V4(v4) => is_never_an_endpoint_v4(v4),
            IpAddr::V6(v6) => {
                v6.is_unicast_link_local()
                    || METADATA_V6.contains(&v6)
                    || embedded(v6)
                        .is_some_and(|v4| v4.is_loopback() || is_never_an_endpoint_v4(v4))
            }
        }
}

fn is_never_an_endpoint_v4(ip: Ipv4Addr) -> bool {
    ip.is_link_local()
        || ip.is_broadcast()
        || ip.is_multicast()
        || ip.octets()[0] == 0
        || METADATA_V4.contains(&ip)
}

/// The IPv4 address that a gateway would make of an IPv6 address: IPv4-compatible (RFC 4291, section 2.5.5.1), NAT64
/// (RFC 6052) or 6to4 (RFC 3056). Those that are mapped are taken for what they map before.
fn embedded(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    let octets = ip.octets();
    let at = |from: usize| {
        Ipv4Addr::new(
            octets[from],
            octets[from + 1],
            octets[from + 2],
            octets[from + 3],
        )
    };
    match ip.segments() {
        // Loopback, which is allowed or not by itself.
        [0, 0, 0, 0, 0, 0, 0, 1] => None,
        [0, 0, 0, 0, 0, 0, _, _] | [0x64, 0xff9b, 0, 0, 0, 0, _, _] => Some(at(12)),
        [0x2002, ..] => Some(at(2)),
        _ => None,
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

    #[test]
    fn some_addresses_are_never_reached() {
        for address in [
            // Link-local, metadata services.
            "169.254.169.254:80",
            "169.254.170.2:80",
            "169.254.0.0:80",
            "169.254.255.255:80",
            "100.100.100.200:80",
            "168.63.129.16:80",
            "192.0.0.192:80",
            "[fe80::1]:80",
            "[fe80::a9fe:a9fe]:80",
            "[febf::1]:80",
            "[fd00:ec2::254]:80",
            "[fd20:ce::254]:80",
            // Unspecified, "this network", broadcast, multicast.
            "0.0.0.0:80",
            "0.0.0.1:80",
            "0.1.2.3:80",
            "0.255.255.255:80",
            "[::]:80",
            "255.255.255.255:80",
            "224.0.0.1:80",
            "239.255.255.255:80",
            "[ff02::1]:80",
            "[ff0e::1]:80",
            // The same in IPv6's clothes: mapped, compatible, NAT64, 6to4.
            "[::ffff:169.254.169.254]:80",
            "[::ffff:0.0.0.0]:80",
            "[::ffff:224.0.0.1]:80",
            "[::ffff:255.255.255.255]:80",
            "[::ffff:100.100.100.200]:80",
            "[::ffff:a9fe:a9fe]:80",
            "[::169.254.169.254]:80",
            "[::224.0.0.1]:80",
            "[::7f00:1]:80",
            "[64:ff9b::169.254.169.254]:80",
            "[64:ff9b::127.0.0.1]:80",
            "[64:ff9b::0.0.0.0]:80",
            "[2002:a9fe:a9fe::1]:80",
            "[2002:7f00:1::1]:80",
            "[2002:e000:1::1]:80",
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

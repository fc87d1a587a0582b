//! The PROXY protocol, versions 1 and 2: a load balancer in front says whose connection this is.
//!
//! The header is read from the socket to its last byte and not one further, so that what follows
//! (a TLS handshake, an HTTP request) finds the socket as if nothing had stood before it. A listener
//! that expects the header takes nothing else: a connection without it is closed, because guessing
//! would let any client claim any address. Whoever can reach such a listener is believed; this
//! module never decides who may.
//!
//! There is no time limit here; the caller sets one for everything up to the first request.

use proxy_header::{ParseConfig, ProxyHeader};
use std::io;
use std::net::SocketAddr;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

/// The longest header of version 1, with its line end (section 2.1 of the protocol's text).
const V1_BYTES_MAX: usize = 107;

/// The most bytes after the fixed part of version 2. Addresses need 216 at most, and the extensions
/// that load balancers add (TLS details, an endpoint's name) some hundred more.
const V2_PAYLOAD_BYTES_MAX: usize = 4096;

/// The shortest header of all, `PROXY UNKNOWN` and a line end: so much can be read unseen.
const HEADER_BYTES_MIN: usize = 15;

const V1_START: &[u8] = b"PROXY ";
const V2_START: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// The fixed part of version 2: the start, version and command, family, two bytes of length.
const V2_FIXED_BYTES: usize = 16;

/// Version 2 with the command `LOCAL`: the load balancer speaks for itself, whatever stands in the rest.
const V2_LOCAL: u8 = 0x20;

/// Who is connected, by the load balancer's word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proxied {
    /// A client of the load balancer.
    For {
        /// The client's address.
        source: SocketAddr,
        /// Where the client connected to.
        destination: SocketAddr,
    },
    /// The load balancer itself (a health check), or somebody without an IP address: the socket's own peer counts.
    Local,
}

/// Why a connection is closed before anything was served.
#[derive(Debug, thiserror::Error)]
pub enum ProxyHeaderFault {
    /// The connection failed or ended inside the header.
    #[error("reading the PROXY protocol header")]
    Read(#[source] io::Error),
    /// Not a header of version 1 or 2.
    #[error("connection does not begin with a PROXY protocol header")]
    Malformed,
    /// Longer than any honest header.
    #[error("PROXY protocol header is too long")]
    TooLong,
}

/// Reads the header that must stand at the start of `stream`.
///
/// # Errors
/// The connection must be closed then: how much of it was read is not told.
pub async fn read_header(stream: &mut TcpStream) -> Result<Proxied, ProxyHeaderFault> {
    let mut header = vec![0; HEADER_BYTES_MIN];
    stream
        .read_exact(&mut header)
        .await
        .map_err(ProxyHeaderFault::Read)?;
    if header.starts_with(V1_START) {
        read_line(stream, &mut header).await?;
        parse(&header)
    } else if header.starts_with(V2_START) {
        read_payload(stream, &mut header).await?;
        if header[V2_START.len()] == V2_LOCAL {
            Ok(Proxied::Local)
        } else {
            parse(&header)
        }
    } else {
        Err(ProxyHeaderFault::Malformed)
    }
}

/// Version 1 ends with its line, and where that is, only looking tells: what was looked at and holds
/// no line end belongs to the header as a whole.
async fn read_line(stream: &mut TcpStream, header: &mut Vec<u8>) -> Result<(), ProxyHeaderFault> {
    while header.last() != Some(&b'\n') {
        let mut seen = [0; V1_BYTES_MAX];
        let room = V1_BYTES_MAX.saturating_sub(header.len());
        if room == 0 {
            return Err(ProxyHeaderFault::TooLong);
        }
        let count = stream
            .peek(&mut seen[..room])
            .await
            .map_err(ProxyHeaderFault::Read)?;
        if count == 0 {
            return Err(ProxyHeaderFault::Read(io::ErrorKind::UnexpectedEof.into()));
        }
        let end = seen[..count].iter().position(|byte| *byte == b'\n');
        read_more(stream, header, end.map_or(count, |at| at + 1)).await?;
    }
    Ok(())
}

/// Version 2 says how long it is.
async fn read_payload(
    stream: &mut TcpStream,
    header: &mut Vec<u8>,
) -> Result<(), ProxyHeaderFault> {
    read_more(stream, header, V2_FIXED_BYTES - HEADER_BYTES_MIN).await?;
    let length = u16::from_be_bytes([header[V2_FIXED_BYTES - 2], header[V2_FIXED_BYTES - 1]]);
    let length = usize::from(length);
    if length > V2_PAYLOAD_BYTES_MAX {
        return Err(ProxyHeaderFault::TooLong);
    }
    read_more(stream, header, length).await
}

async fn read_more(
    stream: &mut TcpStream,
    header: &mut Vec<u8>,
    bytes: usize,
) -> Result<(), ProxyHeaderFault> {
    let start = header.len();
    header.resize(start + bytes, 0);
    stream
        .read_exact(&mut header[start..])
        .await
        .map(|_| ())
        .map_err(ProxyHeaderFault::Read)
}

/// `header` is as long as it says, so that a header that is too short for its family is malformed.
fn parse(header: &[u8]) -> Result<Proxied, ProxyHeaderFault> {
    let config = ParseConfig {
        include_tlvs: false,
        ..ParseConfig::default()
    };
    let (parsed, _) =
        ProxyHeader::parse(header, config).map_err(|_| ProxyHeaderFault::Malformed)?;
    Ok(parsed
        .proxied_address()
        .map_or(Proxied::Local, |address| Proxied::For {
            source: address.source,
            destination: address.destination,
        }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    /// What follows every header: it must be left in the socket.
    const REST: &[u8] = b"GET / HTTP/1.1\r\n";

    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        client.set_nodelay(true).unwrap();
        (client, listener.accept().await.unwrap().0)
    }

    /// What is read when `bytes` arrive in pieces of `step`, and what is left behind; then the client ends.
    async fn outcome(bytes: &[u8], step: usize) -> (String, Vec<u8>) {
        let (mut client, mut server) = pair().await;
        let writes = async move {
            for piece in bytes.chunks(step) {
                // The reader may have refused already.
                if client.write_all(piece).await.is_err() {
                    break;
                }
                tokio::task::yield_now().await;
            }
        };
        let reads = async move {
            let text = match read_header(&mut server).await {
                Ok(Proxied::For {
                    source,
                    destination,
                }) => format!("{source} to {destination}"),
                Ok(Proxied::Local) => "local".to_owned(),
                Err(ProxyHeaderFault::Malformed) => return ("malformed".to_owned(), Vec::new()),
                Err(ProxyHeaderFault::TooLong) => return ("too long".to_owned(), Vec::new()),
                Err(ProxyHeaderFault::Read(_)) => return ("cut".to_owned(), Vec::new()),
            };
            let mut rest = Vec::new();
            server.read_to_end(&mut rest).await.unwrap();
            (text, rest)
        };
        tokio::join!(reads, writes).0
    }

    async fn check(header: &[u8], expected: &str) {
        let whole = [header, REST].concat();
        let served = expected == "local" || expected.contains(" to ");
        let rest = if served { REST } else { b"" };
        for step in [1, 2, 7, whole.len()] {
            let (text, left) = outcome(&whole, step).await;
            assert_eq!(
                text,
                expected,
                "{} in steps of {step}",
                header.escape_ascii()
            );
            assert_eq!(left, rest, "{} in steps of {step}", header.escape_ascii());
        }
    }

    #[tokio::test]
    async fn version_1() {
        check(
            b"PROXY TCP4 1.2.3.4 5.6.7.8 1000 443\r\n",
            "1.2.3.4:1000 to 5.6.7.8:443",
        )
        .await;
        check(
            b"PROXY TCP6 2001:db8::1 2001:db8::2 1000 443\r\n",
            "[2001:db8::1]:1000 to [2001:db8::2]:443",
        )
        .await;
        check(b"PROXY UNKNOWN\r\n", "local").await;
        check(b"PROXY UNKNOWN whatever follows\r\n", "local").await;
        let longest = [&b"PROXY UNKNOWN "[..], &[b'a'; 91], b"\r\n"].concat();
        assert_eq!(longest.len(), V1_BYTES_MAX);
        check(&longest, "local").await;
    }

    #[tokio::test]
    async fn version_1_that_is_none() {
        check(
            &[&b"PROXY UNKNOWN "[..], &[b'a'; 92], b"\r\n"].concat(),
            "too long",
        )
        .await;
        check(&[&b"PROXY TCP4 "[..], &[b'1'; 200]].concat(), "too long").await;
        for header in [
            &b"PROXY TCP4 1.2.3.4 5.6.7.8 1000\r\n"[..],
            b"PROXY TCP4 1.2.3.4 5.6.7.8 1000 65536\r\n",
            b"PROXY TCP4 1.2.3.4 5.6.7.8 1000 443\n",
            b"PROXY TCP4 1.2.3.4 5.6.7.8 1000 443 \r\n",
            b"PROXY TCP4 1.2.3.400 5.6.7.8 1000 443\r\n",
            b"PROXY TCP4 2001:db8::1 2001:db8::2 1000 443\r\n",
            b"PROXY UDP4 1.2.3.4 5.6.7.8 1000 443\r\n",
            b"proxy TCP4 1.2.3.4 5.6.7.8 1000 443\r\n",
            b"",
        ] {
            check(header, "malformed").await;
        }
    }

    /// A header of version 2 with this command and family; its length is that of `payload`.
    fn v2(command: u8, family: u8, payload: &[u8]) -> Vec<u8> {
        let length = u16::try_from(payload.len()).unwrap().to_be_bytes();
        [V2_START, &[command, family], &length, payload].concat()
    }

    const V4: &[u8] = &[1, 2, 3, 4, 5, 6, 7, 8, 3, 232, 1, 187];

    #[tokio::test]
    async fn version_2() {
        check(&v2(0x21, 0x11, V4), "1.2.3.4:1000 to 5.6.7.8:443").await;
        let v6 = [&[0x20; 16][..], &[0x30; 16], &[3, 232, 1, 187]].concat();
        let expected = "[2020:2020:2020:2020:2020:2020:2020:2020]:1000 to [3030:3030:3030:3030:3030:3030:3030:3030]:443";
        check(&v2(0x21, 0x21, &v6), expected).await;
        check(
            &v2(0x21, 0x11, &[V4, &[4, 0, 1, 0]].concat()),
            "1.2.3.4:1000 to 5.6.7.8:443",
        )
        .await;
        check(&v2(0x21, 0x00, b""), "local").await;
        check(&v2(0x21, 0x31, &[0; 216]), "local").await;
        check(&v2(0x20, 0x00, b""), "local").await;
        check(&v2(0x20, 0x11, b""), "local").await;
        check(&v2(0x20, 0x11, V4), "local").await;
        check(
            &v2(0x21, 0x11, &[V4, &[0; V2_PAYLOAD_BYTES_MAX - 12]].concat()),
            "1.2.3.4:1000 to 5.6.7.8:443",
        )
        .await;
    }

    #[tokio::test]
    async fn version_2_that_is_none() {
        check(&v2(0x21, 0x11, &[0; V2_PAYLOAD_BYTES_MAX + 1]), "too long").await;
        check(&v2(0x21, 0x11, &V4[..11]), "malformed").await;
        check(&v2(0x21, 0x21, V4), "malformed").await;
        check(&v2(0x22, 0x11, V4), "malformed").await;
        check(&v2(0x11, 0x11, V4), "malformed").await;
        check(&v2(0x21, 0x41, V4), "malformed").await;
        let mut odd = v2(0x21, 0x11, V4);
        odd[11] = b'\r';
        check(&odd, "malformed").await;
    }

    #[tokio::test]
    async fn a_header_that_is_cut_off() {
        let v1 = b"PROXY TCP4 1.2.3.4 5.6.7.8 1000 443\r\n";
        let v2 = v2(0x21, 0x11, V4);
        for header in [&v1[..], &v2] {
            for bytes in 0..header.len() {
                assert_eq!(
                    outcome(&header[..bytes], header.len()).await.0,
                    "cut",
                    "after {bytes}"
                );
            }
        }
    }
}

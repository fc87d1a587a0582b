//! What a WebSocket server must say to show that it read the handshake (RFC 6455, section 4.2.2).

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::HeaderName;
use sha1::{Digest as _, Sha1};

/// The client's nonce.
pub(super) const KEY: HeaderName = HeaderName::from_static("sec-websocket-key");
/// The server's answer to it.
pub(super) const ACCEPT: HeaderName = HeaderName::from_static("sec-websocket-accept");

/// The constant of RFC 6455, section 1.3.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Whether `accept` answers `key`. Only a server that speaks the protocol can say it; a cache or a misled server cannot.
pub(super) fn accepts(key: &[u8], accept: &[u8]) -> bool {
    let digest = Sha1::new().chain_update(key).chain_update(GUID).finalize();
    BASE64_STANDARD.encode(digest).as_bytes() == accept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_standard_holds() {
        let key = b"dGhlIHNhbXBsZSBub25jZQ==";
        assert!(accepts(key, b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
        assert!(!accepts(key, b"s3pPLMBiTxaQ9kYGzzhZRbK+xOp="));
        assert!(!accepts(b"", b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    }
}

//! A proxy made of Pingora, as its guide describes one: one host and path, one backend, the
//! forwarding headers that every peer of the benchmark sets. HTTP/1.1 in clear only.

use std::net::SocketAddr;

use async_trait::async_trait;
use clap::Parser;
use pingora_core::Result;
use pingora_core::server::Server;
use pingora_core::server::configuration::ServerConf;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_http::RequestHeader;
use pingora_proxy::{ProxyHttp, Session, http_proxy_service};

/// Idle upstream connections: as many as other peers may keep.
const POOL: usize = 256;

#[derive(Parser)]
#[command(version = "of Pingora 0.8.1", about)]
struct Options {
    /// Where to listen.
    #[arg(long)]
    listen: SocketAddr,
    /// The backend.
    #[arg(long)]
    to: SocketAddr,
}

struct Shop {
    to: SocketAddr,
}

#[async_trait]
impl ProxyHttp for Shop {
    type CTX = ();

    fn new_ctx(&self) {}

    /// Whether the request is answered here, as one that has no route is.
    async fn request_filter(&self, session: &mut Session, _: &mut ()) -> Result<bool> {
        let request = session.req_header();
        let host = request.headers.get("host").map(|host| host.as_bytes());
        if host == Some(b"shop.example.com") && request.uri.path().starts_with("/shop") {
            return Ok(false);
        }
        session.respond_error(404).await?;
        Ok(true)
    }

    async fn upstream_peer(&self, _: &mut Session, _: &mut ()) -> Result<Box<HttpPeer>> {
        Ok(Box::new(HttpPeer::new(self.to, false, String::new())))
    }

    async fn upstream_request_filter(
        &self,
        session: &mut Session,
        request: &mut RequestHeader,
        _: &mut (),
    ) -> Result<()> {
        let client = session.client_addr().and_then(|client| client.as_inet());
        let client = client
            .map(|client| client.ip().to_string())
            .unwrap_or_default();
        request.insert_header("X-Real-IP", &client)?;
        request.insert_header("X-Forwarded-For", &client)?;
        request.insert_header("X-Forwarded-Proto", "http")
    }
}

fn main() {
    let options = Options::parse();
    let configuration = ServerConf {
        threads: 1,
        upstream_keepalive_pool_size: POOL,
        ..ServerConf::default()
    };
    let mut server = Server::new_with_opt_and_conf(None, configuration);
    server.bootstrap();
    let mut proxy = http_proxy_service(&server.configuration, Shop { to: options.to });
    proxy.add_tcp(&options.listen.to_string());
    server.add_service(proxy);
    server.run_forever();
}

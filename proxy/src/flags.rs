//! What a command line says about a proxy, the same in every program that holds one.

mod limits;

use crate::config::{AccessLogTarget, Config};
use ipnet::IpNet;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The port of https where none is named: a redirect to it leaves it out.
const HTTPS_PORT: u16 = 443;

/// Flags of a proxy.
#[derive(Clone, Debug, clap::Args)]
pub struct Flags {
    /// Where HTTP is served.
    #[arg(long, default_value = "127.0.0.1:8080")]
    http: SocketAddr,
    /// Where HTTPS is served.
    #[arg(long)]
    https: Option<SocketAddr>,
    /// The port that redirects to HTTPS name, where clients see another one than that of `--https`.
    #[arg(long)]
    https_redirect_port: Option<u16>,
    /// Where metrics, probes and explanations are served.
    #[arg(long, default_value = "127.0.0.1:9900")]
    admin: SocketAddr,
    /// Worker threads; one for each core where not given.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    workers: Option<u16>,
    /// Networks whose forwarding headers are believed.
    #[arg(long, value_delimiter = ',')]
    trusted: Vec<IpNet>,
    /// Every connection starts with a PROXY protocol header.
    #[arg(long)]
    proxy_protocol: bool,
    /// The header in which trusted peers name the client's country.
    #[arg(long)]
    country_header: Option<http::HeaderName>,
    /// A GeoIP country database (.mmdb).
    #[arg(long)]
    geoip: Option<PathBuf>,
    /// `off`, `-` for standard output, or a file.
    #[arg(long, default_value = "off", value_parser = access_log)]
    access_log: AccessLogTarget,
    /// Whether metrics are also shown under ingress-nginx's names, for dashboards and tools that know those.
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set, value_name = "BOOL")]
    nginx_metrics: bool,
    /// A file whose first 32 bytes sign sticky tickets, so that they outlive a restart and hold at every proxy.
    #[arg(long)]
    ticket_key_file: Option<PathBuf>,
    /// How long requests in flight may take once asked to stop, in seconds.
    #[arg(long, default_value_t = 30)]
    grace: u64,
    #[command(flatten)]
    limits: limits::LimitFlags,
}

/// Why flags are no configuration.
#[derive(Debug, thiserror::Error)]
pub enum FlagsError {
    /// The file of the ticket key cannot be read.
    #[error("reading the ticket key {}", file.display())]
    TicketKey {
        /// The file.
        file: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file of the ticket key is too short.
    #[error("the ticket key {} has fewer than 32 bytes", file.display())]
    TicketKeyShort {
        /// The file.
        file: PathBuf,
    },
}

impl Flags {
    /// The configuration they stand for; what they do not name is as in [`Config::default`].
    ///
    /// # Errors
    /// When the ticket key cannot be had.
    pub fn config(&self) -> Result<Config, FlagsError> {
        let defaults = Config::default();
        let https_port = self.https.map_or(HTTPS_PORT, |address| address.port());
        Ok(Config {
            http: Some(self.http),
            https: self.https,
            admin: Some(self.admin),
            workers: self.workers.map_or(defaults.workers, usize::from),
            trusted: self.trusted.clone(),
            proxy_protocol: self.proxy_protocol,
            country_header: self.country_header.clone(),
            geoip: self.geoip.clone(),
            access_log: self.access_log.clone(),
            nginx_names: self.nginx_metrics,
            ticket_key: self
                .ticket_key_file
                .as_deref()
                .map(ticket_key)
                .transpose()?,
            https_redirect_port: self.https_redirect_port.unwrap_or(https_port),
            limits: self.limits.limits(),
            ..defaults
        })
    }

    /// How long requests in flight may take once asked to stop.
    pub fn grace(&self) -> Duration {
        Duration::from_secs(self.grace)
    }
}

fn access_log(text: &str) -> Result<AccessLogTarget, Infallible> {
    Ok(match text {
        "off" => AccessLogTarget::Off,
        "-" => AccessLogTarget::Stdout,
        file => AccessLogTarget::File(file.into()),
    })
}

fn ticket_key(file: &Path) -> Result<[u8; 32], FlagsError> {
    let bytes = std::fs::read(file).map_err(|source| FlagsError::TicketKey {
        file: file.to_owned(),
        source,
    })?;
    let key = bytes.first_chunk().copied();
    key.ok_or_else(|| FlagsError::TicketKeyShort {
        file: file.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Program {
        #[command(flatten)]
        flags: Flags,
    }

    fn parse(args: &str) -> Result<Flags, clap::Error> {
        let args = std::iter::once("program").chain(args.split_whitespace());
        Program::try_parse_from(args).map(|program| program.flags)
    }

    #[track_caller]
    fn check_redirect_port(args: &str, port: u16) {
        let config = parse(args).unwrap().config().unwrap();
        assert_eq!(config.https_redirect_port, port, "{args}");
    }

    #[test]
    fn redirects_name_the_port_that_clients_see() {
        check_redirect_port("", 443);
        check_redirect_port("--https 127.0.0.1:8443", 8443);
        check_redirect_port("--https 127.0.0.1:8443 --https-redirect-port 443", 443);
        // Port 0 is the one that will be bound.
        check_redirect_port("--https 127.0.0.1:0", 0);
    }

    #[test]
    fn a_proxy_without_workers_is_refused() {
        assert!(parse("--workers 0").is_err());
        assert_eq!(parse("--workers 3").unwrap().config().unwrap().workers, 3);
    }

    #[test]
    fn metrics_have_nginx_names_unless_told_otherwise() {
        let shown = |args| parse(args).unwrap().config().unwrap().nginx_names;
        assert!(shown(""));
        assert!(!shown("--nginx-metrics false"));
    }

    #[test]
    fn a_ticket_key_has_32_bytes_at_least() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("key");
        let given = || {
            let flags = parse(&format!("--ticket-key-file {}", file.display()));
            flags.unwrap().config().map(|config| config.ticket_key)
        };
        assert!(matches!(given(), Err(FlagsError::TicketKey { .. })));
        std::fs::write(&file, [7; 31]).unwrap();
        assert!(matches!(given(), Err(FlagsError::TicketKeyShort { .. })));
        std::fs::write(&file, [7; 33]).unwrap();
        assert_eq!(given().unwrap(), Some([7; 32]));
    }
}

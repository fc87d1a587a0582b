//! `haldane serve`: controller and proxy in one process, from manifests in a directory.

use crate::load::{self, Source};
use crate::reload::Reload;
use crate::signals::Signals;
use anyhow::Context as _;
use haldane_proxy::{AccessLogTarget, Config, Proxy};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// Arguments of `haldane serve`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Files and directories of manifests; watched.
    #[arg(long, required = true, num_args = 1..)]
    manifests: Vec<PathBuf>,
    #[command(flatten)]
    source: Source,
    /// Where HTTP is served.
    #[arg(long, default_value = "127.0.0.1:8080")]
    http: SocketAddr,
    /// Where HTTPS is served.
    #[arg(long)]
    https: Option<SocketAddr>,
    /// Where metrics, probes and explanations are served.
    #[arg(long, default_value = "127.0.0.1:9900")]
    admin: SocketAddr,
    /// Worker threads; one for each core where not given.
    #[arg(long)]
    workers: Option<usize>,
    /// Networks whose forwarding headers are believed.
    #[arg(long, value_delimiter = ',')]
    trusted: Vec<ipnet::IpNet>,
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
    /// A file whose first 32 bytes sign sticky tickets, so that they outlive a restart.
    #[arg(long)]
    ticket_key_file: Option<PathBuf>,
    /// How long requests in flight may take once asked to stop, in seconds.
    #[arg(long, default_value_t = 30)]
    grace: u64,
}

fn access_log(text: &str) -> Result<AccessLogTarget, std::convert::Infallible> {
    Ok(match text {
        "off" => AccessLogTarget::Off,
        "-" => AccessLogTarget::Stdout,
        file => AccessLogTarget::File(file.into()),
    })
}

impl Args {
    fn config(&self) -> anyhow::Result<Config> {
        let defaults = Config::default();
        Ok(Config {
            http: Some(self.http),
            https: self.https,
            admin: Some(self.admin),
            workers: self.workers.unwrap_or(defaults.workers),
            trusted: self.trusted.clone(),
            proxy_protocol: self.proxy_protocol,
            country_header: self.country_header.clone(),
            geoip: self.geoip.clone(),
            access_log: self.access_log.clone(),
            ticket_key: self.ticket_key()?,
            https_redirect_port: self.https.map_or(443, |address| address.port()),
            ..defaults
        })
    }

    fn ticket_key(&self) -> anyhow::Result<Option<[u8; 32]>> {
        let Some(file) = &self.ticket_key_file else {
            return Ok(None);
        };
        let bytes = std::fs::read(file).with_context(|| format!("reading {}", file.display()))?;
        let key = bytes.first_chunk().copied();
        key.map(Some)
            .with_context(|| format!("{} has fewer than 32 bytes", file.display()))
    }
}

/// Serves until a signal, then finishes what is in flight.
pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(serve(args))
}

async fn serve(args: Args) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::listen()?;
    let seed = rand::random();
    let loaded = load::load(&args.manifests, &args.source);
    for problem in &loaded.problems {
        eprintln!("{problem}");
    }
    anyhow::ensure!(
        !loaded.has_errors(),
        "the manifests have errors; nothing is served"
    );
    let table = load::build(&loaded.table, None, seed)?;
    let proxy = Arc::new(Proxy::start(args.config()?)?);
    let rules = table.rules().len();
    let generation = proxy.install(Arc::new(table)).await?;
    announce(&proxy, rules, generation.0);
    let reload = Reload::watch(args.manifests.clone(), args.source.clone(), seed, loaded)?;
    tokio::select! {
        ended = reload.run(&proxy) => ended?,
        () = signals.next() => {}
    }
    stop(&proxy, &mut signals, Duration::from_secs(args.grace)).await;
    Ok(ExitCode::SUCCESS)
}

fn announce(proxy: &Proxy, rules: usize, generation: u64) {
    let listeners = [
        ("http", proxy.http_address()),
        ("https", proxy.https_address()),
        ("admin", proxy.admin_address()),
    ];
    for (name, address) in listeners {
        if let Some(address) = address {
            println!("{name} on {address}");
        }
    }
    println!("generation {generation}: {rules} rules in force");
}

/// A second signal cuts what the first lets finish.
async fn stop(proxy: &Proxy, signals: &mut Signals, grace: Duration) {
    println!("draining for at most {} s", grace.as_secs());
    tokio::select! {
        () = proxy.drain(grace) => println!("drained"),
        () = signals.next() => println!("cut"),
    }
}

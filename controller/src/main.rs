//! `haldane-controller`: watches a cluster and tells the proxies how to route.

use anyhow::Context as _;
use clap::Parser;
use haldane_controller::Options;
use haldane_controller::live::{self, LeaseName, Listeners, Publish, Settings};
use haldane_controller::push::PushTls;
use haldane_controller::webhooks::Reach;
use ipnet::IpNet;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// A large cluster is read into many small objects, most of which live for one build: this allocator gives what they leave
/// back, which the system's keeps.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// How long the API server may be silent on a connection: longer than any watch lasts.
const SILENCE_MAX: Duration = Duration::from_secs(45);
/// How long connecting to it may take.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// Tasks wait for the network most of the time; tables are built on a thread of their own.
const THREADS: usize = 2;

/// What is logged where `RUST_LOG` asks for nothing else; what the watchers log themselves, our own log says once.
const LOGGED: &str = "info,kube_runtime=error,kube_client=error";

/// Watches a cluster and tells the proxies how to route.
#[derive(Debug, Parser)]
#[command(version, about, max_term_width = 100)]
struct Args {
    /// The class of the Ingresses that are served.
    #[arg(long, default_value = "haldane")]
    class: String,
    /// Watch this namespace only; may be given again.
    #[arg(long = "namespace")]
    namespaces: Vec<String>,
    /// Follow Services of type ExternalName.
    #[arg(long)]
    allow_external_name: bool,
    /// Where proxies follow.
    #[arg(long, default_value = "0.0.0.0:15012")]
    push: SocketAddr,
    /// Our certificate for them, with its chain, as PEM; read again when it changes.
    #[arg(long)]
    push_cert: PathBuf,
    /// Its key, as PEM.
    #[arg(long)]
    push_key: PathBuf,
    /// The authority of proxies' certificates, as PEM.
    #[arg(long)]
    push_client_ca: PathBuf,
    /// The DNS name that proxies' certificates have.
    #[arg(long, default_value = "haldane-proxy")]
    push_client_name: String,
    /// Where metrics, probes and the status are served.
    #[arg(long, default_value = "127.0.0.1:9091")]
    admin: SocketAddr,
    /// The namespace of the Lease that decides which controller leads.
    #[arg(long)]
    lease_namespace: String,
    /// The Lease's name.
    #[arg(long, default_value = "haldane-controller")]
    lease_name: String,
    /// What this controller is called in the Lease: the name of its Pod.
    #[arg(long)]
    identity: String,
    /// The ConfigMap, in the Lease's namespace, that keeps the last valid forms of invalid objects over a restart of all
    /// controllers.
    #[arg(long)]
    held_config_map: Option<String>,
    /// An IP address or host name where the proxies are reached, for the status of Ingresses; may be given again.
    #[arg(long = "publish-address")]
    publish_addresses: Vec<String>,
    /// The Service, as NAMESPACE/NAME, whose addresses Ingresses have in their status.
    #[arg(long, conflicts_with = "publish_addresses", value_parser = service_name)]
    publish_service: Option<(String, String)>,
    /// Write to the Deployment of a version that was aborted, where `haldane.dev/on-abort` asks for it. Needs rights.
    #[arg(long)]
    on_abort_writes: bool,
    /// Let webhooks be in this network although it is loopback, link-local or otherwise kept from them; may be given again.
    #[arg(long = "webhook-allow", value_name = "CIDR")]
    webhook_allow: Vec<IpNet>,
    /// How to reach the API server; where not given, as `kubectl` does or as a Pod.
    #[arg(long)]
    kubeconfig: Option<PathBuf>,
}

fn service_name(text: &str) -> Result<(String, String), &'static str> {
    let (namespace, name) = text.split_once('/').ok_or("write NAMESPACE/NAME")?;
    Ok((namespace.to_owned(), name.to_owned()))
}

impl Args {
    async fn client(&self) -> anyhow::Result<Client> {
        let mut config = match &self.kubeconfig {
            Some(path) => {
                let file = Kubeconfig::read_from(path)?;
                Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await?
            }
            None => Config::infer().await?,
        };
        config.read_timeout = Some(SILENCE_MAX);
        config.connect_timeout = Some(CONNECT_MAX);
        Ok(Client::try_from(config)?)
    }

    fn settings(self) -> Settings {
        let publish = match self.publish_service {
            Some((namespace, name)) => Publish::Service { namespace, name },
            None => Publish::Addresses(self.publish_addresses),
        };
        Settings {
            options: Options {
                class: self.class,
                allow_external_name: self.allow_external_name,
                standalone: false,
                on_abort_writes: self.on_abort_writes,
            },
            namespaces: self.namespaces,
            push: PushTls {
                certificate: self.push_cert,
                key: self.push_key,
                client_authorities: self.push_client_ca,
                client_name: self.push_client_name,
            },
            lease: LeaseName {
                namespace: self.lease_namespace,
                name: self.lease_name,
            },
            identity: self.identity,
            webhooks: Reach::new(self.webhook_allow),
            publish,
            held_config_map: self.held_config_map,
        }
    }
}

fn main() -> anyhow::Result<()> {
    let asked = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(LOGGED));
    tracing_subscriber::fmt()
        .with_env_filter(asked)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .enable_all()
        .build()?;
    runtime.block_on(serve(Args::parse()))
}

async fn serve(args: Args) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let client = args.client().await.context("reaching the API server")?;
    let listeners = Listeners {
        push: bind("push", args.push).await?,
        admin: bind("admin", args.admin).await?,
    };
    let shutdown = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    Ok(live::run(args.settings(), listeners, client, shutdown).await?)
}

async fn bind(name: &str, address: SocketAddr) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("binding {name} to {address}"))?;
    println!("{name} on {}", listener.local_addr()?);
    Ok(listener)
}

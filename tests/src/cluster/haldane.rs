//! Haldane in a cluster, installed as anybody would: by its chart.

use super::{Cluster, Manifest};
use crate::client::Client;
use crate::{WAIT_MAX, geoip, within};
use anyhow::Context as _;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::ListParams;
use serde::Deserialize;
use serde_json::json;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tokio::process::Command;
use tokio::sync::OnceCell;

/// Where it is installed.
pub const NAMESPACE: &str = "haldane-system";
/// The Pods of proxies.
const PROXIES: &str = "app.kubernetes.io/name=haldane,app.kubernetes.io/component=proxy";
/// The chart's port for HTTP.
const HTTP: u16 = 8080;
/// The chart's port for metrics and the table.
const ADMIN: u16 = 9900;
/// How often a proxy is asked for its table: far below what is measured by it.
const LOOK_AGAIN: Duration = Duration::from_millis(2);

/// What labs need said: clients whose headers are believed, countries, and no long wait for a load balancer.
const VALUES: [&str; 10] = [
    "proxy.workers=1",
    "proxy.preStopSeconds=1",
    "proxy.trusted={10.244.0.0/16}",
    "proxy.countryHeader=X-Country",
    "proxy.geoip=/etc/geoip/country.mmdb",
    "proxy.extraVolumes[0].name=geoip",
    "proxy.extraVolumes[0].configMap.name=geoip",
    "proxy.extraVolumeMounts[0].name=geoip",
    "proxy.extraVolumeMounts[0].mountPath=/etc/geoip",
    "proxy.replicas=2",
];

/// An installed Haldane.
#[derive(Debug)]
pub struct Haldane {
    proxies: Vec<SocketAddr>,
    admins: Vec<SocketAddr>,
}

/// What a proxy shows of its table, as far as tests look at it.
#[derive(Debug, Deserialize)]
pub struct Shown {
    rules: Vec<ShownRule>,
}

#[derive(Debug, Deserialize)]
struct ShownRule {
    origin: ShownOrigin,
    action: ShownAction,
}

#[derive(Debug, Deserialize)]
struct ShownOrigin {
    namespace: String,
    name: String,
}

#[derive(Debug, Deserialize)]
struct ShownAction {
    forward: Option<ShownForward>,
}

#[derive(Debug, Deserialize)]
struct ShownForward {
    versions: Vec<ShownVersion>,
}

#[derive(Debug, Deserialize)]
struct ShownVersion {
    name: String,
    weight: u64,
}

impl Shown {
    /// The shares of a version in the rules of an Ingress, each in hundredths.
    pub fn shares(&self, namespace: &str, ingress: &str, version: &str) -> Vec<u64> {
        let own = self
            .rules
            .iter()
            .filter(|rule| rule.origin.namespace == namespace && rule.origin.name == ingress);
        let forwards = own.filter_map(|rule| rule.action.forward.as_ref());
        forwards
            .filter_map(|forward| forward.share(version))
            .collect()
    }
}

impl ShownForward {
    /// Where weights add up to something.
    fn share(&self, version: &str) -> Option<u64> {
        let all: u64 = self.versions.iter().map(|version| version.weight).sum();
        let found = self.versions.iter().find(|found| found.name == version)?;
        (all > 0).then(|| found.weight * 100 / all)
    }
}

impl Haldane {
    /// The one that all tests share; installed by the first of them.
    ///
    /// # Errors
    /// When it is not ready in time.
    pub async fn shared() -> anyhow::Result<&'static Self> {
        // What could not be installed once cannot be installed for the next test either.
        static SHARED: OnceCell<Result<Haldane, String>> = OnceCell::const_new();
        let install = async || {
            Self::install(&[])
                .await
                .map_err(|error| format!("{error:#}"))
        };
        let shared = SHARED.get_or_init(install).await;
        shared.as_ref().map_err(|error| anyhow::anyhow!("{error}"))
    }

    /// Installs it, or changes how it is installed, with these values besides the usual ones.
    ///
    /// # Errors
    /// When it is not ready in time.
    pub async fn install(values: &[&str]) -> anyhow::Result<Self> {
        put_countries().await?;
        let mut command = Command::new("helm");
        command
            .args(["upgrade", "--install", "haldane"])
            .arg(chart());
        command.args([
            "--namespace",
            NAMESPACE,
            "--create-namespace",
            "--wait",
            "--timeout",
            "60s",
        ]);
        for value in VALUES.iter().chain(values) {
            command.args(["--set", value]);
        }
        if let Err(error) = run(command).await {
            return Err(error.context(pods_and_logs().await?));
        }
        let proxies = ready_addresses().await?;
        anyhow::ensure!(!proxies.is_empty(), "no proxy is ready");
        let at = |port| {
            proxies
                .iter()
                .map(|proxy| SocketAddr::new(*proxy, port))
                .collect()
        };
        Ok(Self {
            proxies: at(HTTP),
            admins: at(ADMIN),
        })
    }

    /// Where each proxy serves HTTP.
    pub fn proxies(&self) -> &[SocketAddr] {
        &self.proxies
    }

    /// Waits until the tables of all proxies are as wanted; how long after `since` the last one was.
    ///
    /// # Errors
    /// When they are not in time.
    pub async fn live(
        &self,
        since: Instant,
        what: &str,
        is_so: impl Fn(&Shown) -> bool,
    ) -> anyhow::Result<Duration> {
        let mut last = since;
        for admin in &self.admins {
            last = last.max(within(what, has_table(*admin, &is_so)).await??);
        }
        Ok(last.duration_since(since))
    }
}

/// What explains why it is not ready.
async fn pods_and_logs() -> anyhow::Result<String> {
    let cluster = Cluster::existing(NAMESPACE).await?;
    let pods = kubectl(&cluster, &["get", "pods", "--output", "wide"]).await?;
    let selector = [
        "--selector",
        "app.kubernetes.io/name=haldane",
        "--prefix",
        "--tail",
        "20",
    ];
    let logs = kubectl(&cluster, &[&["logs"][..], &selector].concat()).await?;
    Ok(format!("{pods}\n{logs}"))
}

/// The namespace, and in it the database that says which addresses are where: two networks for documentation.
async fn put_countries() -> anyhow::Result<()> {
    let database = geoip::database(&[
        (Ipv4Addr::new(203, 0, 113, 0), 24, "KR"),
        (Ipv4Addr::new(198, 51, 100, 0), 24, "JP"),
    ]);
    let namespace =
        json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": NAMESPACE } });
    let map = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "geoip" },
        "binaryData": { "country.mmdb": BASE64_STANDARD.encode(database) },
    });
    let cluster = Cluster::existing(NAMESPACE).await?;
    cluster
        .apply(&[Manifest::new(namespace)?, Manifest::new(map)?])
        .await
}

/// When the proxy was seen to have such a table.
async fn has_table(admin: SocketAddr, is_so: impl Fn(&Shown) -> bool) -> anyhow::Result<Instant> {
    let mut client = Client::h1(admin).await?;
    loop {
        let asked = Instant::now();
        let answer = client.get("localhost", "/table").await?;
        if answer.status == 200 && is_so(&serde_json::from_slice(&answer.body)?) {
            return Ok(asked);
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

async fn ready_addresses() -> anyhow::Result<Vec<IpAddr>> {
    let client = kube::Client::try_default().await?;
    let pods = Api::<Pod>::namespaced(client, NAMESPACE);
    let pods = pods.list(&ListParams::default().labels(PROXIES)).await?;
    let standing = pods
        .items
        .into_iter()
        .filter(|pod| pod.metadata.deletion_timestamp.is_none());
    let addresses = standing.filter_map(|pod| pod.status?.pod_ip?.parse().ok());
    Ok(addresses.collect())
}

fn chart() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../charts/haldane")
}

/// Runs a command to its end; what it printed explains a failure.
async fn run(mut command: Command) -> anyhow::Result<String> {
    command.kill_on_drop(true);
    // Helm's own limit is shorter, and tells more.
    let output = tokio::time::timeout(3 * WAIT_MAX, command.output());
    let output = output.await.context("a command takes too long")??;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(
        output.status.success(),
        "{:?}: {printed}{errors}",
        command.as_std()
    );
    Ok(printed)
}

/// Runs `kubectl` in the namespace of `cluster`; what it printed.
///
/// # Errors
/// When it fails.
pub async fn kubectl(cluster: &Cluster, args: &[&str]) -> anyhow::Result<String> {
    let mut command = Command::new("kubectl");
    command.args(["--namespace", cluster.name()]).args(args);
    run(command).await
}

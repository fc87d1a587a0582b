//! Haldane's programs as bare processes beside a bed's cluster: each can be stopped, frozen and measured by itself, which
//! pods do not allow. How they are installed is for other tests.

mod controller;
mod follower;
mod proxy;

pub use controller::Controller;
pub use follower::{Applied, Follower};
pub use proxy::Proxy;

use crate::cluster::{Cluster, Manifest};
use crate::{WAIT_MAX, within};
use anyhow::Context as _;
use haldane_bed::certificates::{Authority, Subject};
use serde_json::{Value, json};
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, Ordering::SeqCst};
use std::time::Duration;
use tempfile::TempDir;
use tokio::net::lookup_host;
use tokio::time::{MissedTickBehavior, interval};

/// The Service by whose name controllers are found.
const CONTROLLERS: &str = "haldane-controller";
/// The ConfigMap in which they keep last valid forms.
pub const HELD: &str = "haldane-controller-held";
/// Where they serve proxies, as the chart has it.
const PUSH_PORT: u16 = 15_012;
/// How many controllers a plane has room for.
const CONTROLLERS_MAX: u8 = 2;
/// How often a condition is looked at that nobody announces: far below what is measured by it.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// Controllers and proxies of one namespace.
pub struct Plane {
    cluster: Cluster,
    /// Further namespaces that are watched.
    namespaces: Vec<String>,
    /// Further flags of controllers.
    flags: Vec<String>,
    files: TempDir,
    number: u8,
}

impl Plane {
    /// A new namespace with a name for its controllers, and certificates for everybody.
    ///
    /// # Errors
    /// When the cluster refuses.
    pub async fn begin(name: &str) -> anyhow::Result<Self> {
        static NUMBERS: AtomicU8 = AtomicU8::new(0);
        let plane = Self {
            cluster: Cluster::namespace(name).await?,
            namespaces: vec![name.to_owned()],
            flags: Vec::new(),
            files: tempfile::tempdir()?,
            number: NUMBERS.fetch_add(1, SeqCst),
        };
        plane.write_certificates()?;
        plane.cluster.apply(&plane.controllers()?).await?;
        let host = plane.host();
        until("the controllers' name", || found(&host)).await?;
        Ok(plane)
    }

    /// Its namespace; the class of its Ingresses has the same name.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// Has controllers that are started from now on watch another namespace, too.
    pub fn watch(&mut self, namespace: &str) {
        self.namespaces.push(namespace.to_owned());
    }

    /// Starts controllers from now on with these flags, too.
    pub fn flags(&mut self, flags: &[&str]) {
        self.flags = flags.iter().map(|flag| (*flag).to_owned()).collect();
    }

    /// An address for a backend, which no pod has.
    pub fn backend_address(&self) -> IpAddr {
        Ipv4Addr::new(10, 244, 252, self.number + 1).into()
    }

    /// Under what name controllers are found.
    fn host(&self) -> String {
        format!("{CONTROLLERS}.{}.svc", self.cluster.name())
    }

    fn file(&self, name: impl AsRef<Path>) -> PathBuf {
        self.files.path().join(name)
    }

    /// Where the controller of a number (from 0) is.
    fn controller_address(&self, number: u8) -> IpAddr {
        let place = self.number * CONTROLLERS_MAX + number;
        Ipv4Addr::new(10, 244, 253, place + 1).into()
    }

    /// From now on the controllers' name leads to those of these numbers alone, and nowhere else.
    ///
    /// # Errors
    /// When the cluster refuses, or the name still leads elsewhere when the time is up.
    pub async fn name_controllers(&self, numbers: &[u8]) -> anyhow::Result<()> {
        self.cluster.apply(&[self.named(numbers)?]).await?;
        let mut wanted: Vec<IpAddr> = numbers
            .iter()
            .map(|number| self.controller_address(*number))
            .collect();
        wanted.sort();
        let host = self.host();
        until("the controllers' name to lead there", || async {
            let Ok(found) = lookup_host((host.as_str(), PUSH_PORT)).await else {
                return Ok(None);
            };
            let mut found: Vec<IpAddr> = found.map(|address| address.ip()).collect();
            found.sort();
            found.dedup();
            Ok((found == wanted).then_some(()))
        })
        .await
    }

    fn named(&self, numbers: &[u8]) -> anyhow::Result<Manifest> {
        let named = numbers
            .iter()
            .map(|number| self.controller_address(*number));
        let named: Vec<IpAddr> = named.collect();
        Manifest::new(slice(CONTROLLERS, &named, PUSH_PORT))
    }

    fn controllers(&self) -> anyhow::Result<[Manifest; 3]> {
        let all: Vec<u8> = (0..CONTROLLERS_MAX).collect();
        Ok([
            Manifest::new(headless(CONTROLLERS, PUSH_PORT))?,
            self.named(&all)?,
            Manifest::new(json!({
                "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": HELD },
            }))?,
        ])
    }

    fn write_certificates(&self) -> anyhow::Result<()> {
        let authority = Authority::new("haldane push")?;
        std::fs::write(self.file("ca.crt"), authority.pem())?;
        for (file, name) in [
            ("controller", self.host().as_str()),
            ("proxy", "haldane-proxy"),
        ] {
            let names = &[name];
            let issued = authority.issue(Subject {
                names,
                ..Subject::default()
            })?;
            std::fs::write(self.file(format!("{file}.crt")), issued.certificate)?;
            std::fs::write(self.file(format!("{file}.key")), issued.key)?;
        }
        Ok(())
    }
}

/// A Service without selector and without an address of its own.
pub fn headless(name: &str, port: u16) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service", "metadata": { "name": name },
        "spec": { "clusterIP": "None", "ports": [{ "name": "http", "port": port }] },
    })
}

/// The endpoints of a Service, all ready.
pub fn slice(service: &str, addresses: &[IpAddr], port: u16) -> Value {
    let endpoint =
        |address: &IpAddr| json!({ "addresses": [address], "conditions": { "ready": true } });
    let endpoints: Vec<Value> = addresses.iter().map(endpoint).collect();
    json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": { "name": format!("{service}-1"), "labels": { "kubernetes.io/service-name": service } },
        "ports": [{ "name": "http", "port": port }],
        "endpoints": endpoints,
    })
}

async fn found(host: &str) -> anyhow::Result<Option<()>> {
    let found = lookup_host((host, PUSH_PORT)).await;
    Ok(found
        .is_ok_and(|mut all| all.next().is_some())
        .then_some(()))
}

/// Looks again and again until there is what is looked for.
///
/// # Errors
/// When a look fails, or the time is up.
pub async fn until<T, F>(what: &str, look: impl FnMut() -> F) -> anyhow::Result<T>
where
    F: Future<Output = anyhow::Result<Option<T>>>,
{
    within(what, look_for(look)).await?
}

/// [`until`] for what takes so many times [`WAIT_MAX`].
///
/// # Errors
/// As [`until`].
pub async fn until_long<T, F>(what: &str, times: u32, look: impl FnMut() -> F) -> anyhow::Result<T>
where
    F: Future<Output = anyhow::Result<Option<T>>>,
{
    let found = tokio::time::timeout(WAIT_MAX * times, look_for(look)).await;
    found.with_context(|| format!("waited too long for {what}"))?
}

async fn look_for<T, F>(mut look: impl FnMut() -> F) -> anyhow::Result<T>
where
    F: Future<Output = anyhow::Result<Option<T>>>,
{
    let mut turns = interval(LOOK_AGAIN);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        turns.tick().await;
        if let Some(found) = look().await? {
            return Ok(found);
        }
    }
}

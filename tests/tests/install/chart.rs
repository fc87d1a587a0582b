//! A release of the chart in a namespace of its own, as strict as namespaces come.

use anyhow::Context as _;
use haldane_tests::cluster::Cluster;
use haldane_tests::within;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Namespace, Pod, Secret, Service};
use kube::api::{ListParams, LogParams, Patch, PatchParams};
use kube::{Api, Resource as _, ResourceExt as _};
use serde_json::json;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use tokio::process::Command;

/// The release's name, and so the beginning of all names.
pub(crate) const RELEASE: &str = "haldane";

/// Pods that are not hardened are not admitted.
const LEVEL: &str = "pod-security.kubernetes.io/enforce";

/// How long a Pod that goes stays reachable here: nothing but the bed's own forwarders has to notice.
const PRE_STOP: &str = "proxy.preStopSeconds=1";

/// How much of each Pod's log is shown when a test fails.
const LOG_LINES: i64 = 20;

/// An installed release.
pub(crate) struct Installed {
    cluster: Cluster,
    given: Vec<String>,
}

impl Installed {
    /// Installs the chart into a new namespace, with an IngressClass of that namespace's name, and waits for every Pod.
    pub(crate) async fn new(namespace: &str, given: &[&str]) -> anyhow::Result<Self> {
        let cluster = Cluster::namespace(namespace).await?;
        let namespaces = Api::<Namespace>::all(cluster.client().clone());
        let strict = json!({ "metadata": { "labels": { LEVEL: "restricted" } } });
        let params = PatchParams::default();
        namespaces
            .patch(namespace, &params, &Patch::Merge(strict))
            .await?;
        let class = format!("ingressClass.name={namespace}");
        let given = [PRE_STOP, &class].into_iter().chain(given.iter().copied());
        let installed = Self {
            given: given.map(str::to_owned).collect(),
            cluster,
        };
        if let Err(error) = installed.apply("install", &[]).await {
            let logs = installed.logs().await;
            installed.uninstall().await?;
            return Err(error.context(logs));
        }
        Ok(installed)
    }

    /// Passes on what came of a test, with the end of every log where it failed, and takes the release away: two in one
    /// cluster serve the same Ingresses.
    pub(crate) async fn end(self, outcome: anyhow::Result<()>) -> anyhow::Result<()> {
        let logs = match &outcome {
            Ok(()) => String::new(),
            Err(_) => self.logs().await,
        };
        self.uninstall().await?;
        outcome.with_context(|| logs)
    }

    /// Upgrades it, with more values, and waits for every Pod to be a new one.
    pub(crate) async fn upgrade(&self, more: &[&str]) -> anyhow::Result<()> {
        self.apply("upgrade", more).await
    }

    async fn uninstall(self) -> anyhow::Result<()> {
        self.helm("uninstall", &[]).await
    }

    /// The release's namespace.
    pub(crate) fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// Where its proxies are reached by HTTP.
    pub(crate) async fn http(&self) -> anyhow::Result<SocketAddr> {
        Ok(SocketAddr::new(self.address().await?, 80))
    }

    /// Where its proxies are reached by HTTPS.
    pub(crate) async fn https(&self) -> anyhow::Result<SocketAddr> {
        Ok(SocketAddr::new(self.address().await?, 443))
    }

    /// The entries of one of its Secrets.
    pub(crate) async fn secret(&self, name: &str) -> anyhow::Result<Secret> {
        let name = format!("{RELEASE}-{name}");
        Ok(self.cluster.api::<Secret>().get(&name).await?)
    }

    async fn address(&self) -> anyhow::Result<IpAddr> {
        let name = format!("{RELEASE}-proxy");
        let is_given = |service: Option<&Service>| service.and_then(balanced).is_some();
        self.cluster
            .until("given an address", &name, is_given)
            .await?;
        let service = self.cluster.api::<Service>().get(&name).await?;
        balanced(&service).context("an address")
    }

    async fn apply(&self, verb: &str, more: &[&str]) -> anyhow::Result<()> {
        let chart = Path::new(env!("CARGO_MANIFEST_DIR")).join("../charts/haldane");
        let chart = chart.to_str().context("the checkout's path is UTF-8")?;
        let values = self.given.iter().map(String::as_str);
        let values = values.chain(more.iter().copied());
        let set = values.flat_map(|value| ["--set", value]);
        let args: Vec<&str> = std::iter::once(chart).chain(set).collect();
        self.helm(verb, &args).await?;
        for name in ["controller", "proxy"] {
            let name = format!("{RELEASE}-{name}");
            self.cluster.until("rolled out", &name, is_out).await?;
        }
        Ok(())
    }

    /// The end of what each Pod has printed.
    async fn logs(&self) -> String {
        let pods = self.cluster.api::<Pod>();
        let all = pods.list(&ListParams::default()).await;
        let mut logs = String::new();
        for pod in all.into_iter().flat_map(|list| list.items) {
            let end = LogParams {
                tail_lines: Some(LOG_LINES),
                ..LogParams::default()
            };
            let name = pod.name_any();
            let printed = pods.logs(&name, &end).await.unwrap_or_default();
            logs += &format!("{name}:\n{printed}\n");
        }
        logs
    }

    async fn helm(&self, verb: &str, args: &[&str]) -> anyhow::Result<()> {
        let mut command = Command::new("helm");
        command
            .args([verb, RELEASE, "--namespace", self.cluster.name()])
            .args(args)
            .kill_on_drop(true);
        let output = within("helm", command.output()).await??;
        let errors = String::from_utf8_lossy(&output.stderr);
        anyhow::ensure!(output.status.success(), "helm {verb}: {errors}");
        Ok(())
    }
}

fn balanced(service: &Service) -> Option<IpAddr> {
    let status = service.status.as_ref()?.load_balancer.as_ref()?;
    status.ingress.as_ref()?.first()?.ip.as_ref()?.parse().ok()
}

/// Whether all Pods of a Deployment are of its newest form, and available.
fn is_out(deployment: Option<&Deployment>) -> bool {
    let out = || {
        let deployment = deployment?;
        let (spec, status) = (deployment.spec.as_ref()?, deployment.status.as_ref()?);
        let seen = status.observed_generation >= deployment.meta().generation;
        let counts = [
            status.replicas,
            status.updated_replicas,
            status.available_replicas,
        ];
        Some(seen && counts.iter().all(|count| *count == spec.replicas))
    };
    out().unwrap_or(false)
}

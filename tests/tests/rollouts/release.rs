//! A Service whose versions are released, with proxies in front of it and clients that ask.

use anyhow::Context as _;
use haldane_rollout::Phase;
use haldane_rollout::report::{RolloutReport, Standing};
use haldane_tests::asking::{Asking, Running};
use haldane_tests::cluster::{Cluster, Manifest};
use haldane_tests::plane::{Controller, Plane, Proxy, until, until_long};
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::events::v1::Event;
use kube::api::ListParams;
use serde_json::{Value, json};

/// Where the Service is reached.
pub(crate) const HOST: &str = "web.example.com";
/// How many waits a whole release may take.
const RELEASE_WAITS: u32 = 4;
/// Two proxies: the evidence is the sum of what they saw.
const PROXIES: [&str; 2] = ["proxy-0", "proxy-1"];

/// A release that is set up.
pub(crate) struct Release {
    pub(crate) plane: Plane,
    proxies: Vec<Proxy>,
}

impl Release {
    /// Version 1 of the Service `web`, with these annotations, behind proxies that serve it.
    pub(crate) async fn begin(
        name: &str,
        annotations: Value,
    ) -> anyhow::Result<(Self, Controller)> {
        Self::begin_with(name, annotations, &[]).await
    }

    /// The same with further flags of its controllers.
    pub(crate) async fn begin_with(
        name: &str,
        annotations: Value,
        flags: &[&str],
    ) -> anyhow::Result<(Self, Controller)> {
        let mut plane = Plane::begin(name).await?;
        plane.flags(flags);
        let objects = [
            service("web", &annotations),
            ingress(name, "web", &json!({})),
        ];
        let objects: anyhow::Result<Vec<_>> = objects.into_iter().map(Manifest::new).collect();
        plane.cluster().apply(&objects?).await?;
        deploy(plane.cluster(), "web", "1", &[]).await?;
        let controller = plane.controller(0).await?;
        let mut release = Self {
            plane,
            proxies: Vec::new(),
        };
        for name in PROXIES {
            let proxy = release.plane.proxy(name).await?;
            proxy.until_ready().await?;
            release.proxies.push(proxy);
        }
        until("version 1", || async {
            let asked = release.asking(1).times(2).await;
            Ok((asked.versions().get("1") == Some(&2)).then_some(()))
        })
        .await?;
        Ok((release, controller))
    }

    pub(crate) fn cluster(&self) -> &Cluster {
        self.plane.cluster()
    }

    /// Questions to all proxies in turn.
    pub(crate) fn asking(&self, per_second: u32) -> Asking {
        let targets: Vec<_> = self.proxies.iter().map(|proxy| proxy.http).collect();
        Asking::new(&targets, HOST, per_second)
    }

    pub(crate) fn load(&self, per_second: u32) -> Running {
        self.asking(per_second).start()
    }

    /// `kubectl apply` of a Deployment with another version.
    pub(crate) async fn deploy(&self, version: &str, args: &[&str]) -> anyhow::Result<()> {
        deploy(self.cluster(), "web", version, args).await
    }

    /// Annotates the Service.
    pub(crate) async fn annotate(&self, annotations: Value) -> anyhow::Result<()> {
        self.cluster()
            .annotate::<Service>("web", annotations)
            .await?;
        Ok(())
    }

    /// Waits until an Event with this reason has been written; its note.
    pub(crate) async fn told(&self, reason: &str, part: &str) -> anyhow::Result<String> {
        until(reason, || async {
            let events = self.cluster().api::<Event>();
            let events = events.list(&ListParams::default()).await?;
            let mut told = events
                .items
                .into_iter()
                .filter(|event| event.reason.as_deref() == Some(reason));
            let found = told.find(|event| event.note.as_deref().unwrap_or_default().contains(part));
            Ok(found.and_then(|event| event.note))
        })
        .await
    }

    /// What the status of the Service says of the release.
    pub(crate) async fn status(&self) -> anyhow::Result<Value> {
        let service = self.cluster().api::<Service>().get("web").await?;
        let annotations = service.metadata.annotations.unwrap_or_default();
        let text = annotations.get("haldane.dev/status").context("a status")?;
        let status: Value = serde_json::from_str(text)?;
        Ok(status["rollouts"][0]["release"].clone())
    }

    /// Waits until it says so.
    pub(crate) async fn until_status(
        &self,
        what: &str,
        is_so: impl Fn(&Value) -> bool,
    ) -> anyhow::Result<()> {
        until(what, || async {
            Ok(is_so(&self.status().await?).then_some(()))
        })
        .await
    }
}

/// The one rollout there is.
pub(crate) async fn report(controller: &Controller) -> anyhow::Result<Option<RolloutReport>> {
    Ok(controller.rollouts().await?.rollouts.into_iter().next())
}

/// Waits until the release of a version is as wanted.
pub(crate) async fn until_standing(
    controller: &Controller,
    what: &str,
    canary: &str,
    is_so: impl Fn(&Standing) -> bool,
) -> anyhow::Result<Standing> {
    let is_so = &is_so;
    let look = || async move {
        let standing = report(controller).await?.and_then(|report| report.rollout);
        let of_canary = standing.filter(|standing| standing.canary == canary);
        Ok(of_canary.filter(|standing| is_so(standing)))
    };
    let found = until_long(what, RELEASE_WAITS, look).await;
    match found {
        Ok(found) => Ok(found),
        Err(error) => Err(error.context(format!("{:?}", report(controller).await?))),
    }
}

/// Waits until a version is in a phase.
pub(crate) async fn until_phase(
    controller: &Controller,
    canary: &str,
    phase: Phase,
) -> anyhow::Result<Standing> {
    let what = format!("{canary} {phase:?}");
    until_standing(controller, &what, canary, |standing| {
        standing.phase == phase
    })
    .await
}

/// A Service over all pods of an app.
pub(crate) fn service(name: &str, annotations: &Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": { "name": name, "annotations": annotations },
        "spec": {
            "selector": { "app": name },
            "ports": [{ "name": "http", "port": 80, "targetPort": "http" }],
        },
    })
}

pub(crate) fn ingress(class: &str, service: &str, annotations: &Value) -> Value {
    let backend = json!({ "service": { "name": service, "port": { "name": "http" } } });
    let path = json!({ "path": "/", "pathType": "Prefix", "backend": backend });
    json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
        "metadata": { "name": service, "annotations": annotations },
        "spec": { "ingressClassName": class, "rules": [{ "host": HOST, "http": { "paths": [path] } }] },
    })
}

/// A version of an app: a Deployment of its own.
pub(crate) async fn deploy(
    cluster: &Cluster,
    app: &str,
    version: &str,
    args: &[&str],
) -> anyhow::Result<()> {
    deploy_as(cluster, &format!("{app}-{version}"), app, version, args).await
}

/// A version of an app as what a Deployment runs now, whatever it ran before.
pub(crate) async fn deploy_as(
    cluster: &Cluster,
    name: &str,
    app: &str,
    version: &str,
    args: &[&str],
) -> anyhow::Result<()> {
    let labels = json!({ "app": app, "version": version, "deployment": name });
    let selector = json!({ "app": app, "deployment": name });
    let mut command = vec![
        "echo",
        "--listen",
        "0.0.0.0:8080",
        "--name",
        "$(HOSTNAME)",
        "--version",
        version,
    ];
    command.extend(args);
    let container = json!({
        "name": "echo", "image": "haldane.test/echo:1.0.0", "args": command,
        "ports": [{ "name": "http", "containerPort": 8080 }],
        "readinessProbe": { "httpGet": { "path": "/ready", "port": "http" }, "periodSeconds": 1 },
    });
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": name },
        "spec": {
            "replicas": 1,
            "selector": { "matchLabels": selector },
            "template": { "metadata": { "labels": labels }, "spec": { "containers": [container] } },
        },
    });
    cluster.apply(&[Manifest::new(deployment)?]).await
}

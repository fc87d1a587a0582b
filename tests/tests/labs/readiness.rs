//! Lab 9: a pod that is not ready gets nothing new, and comes back.

use crate::lab::Lab;
use anyhow::Context as _;
use haldane_tests::client::{Client, get};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use std::net::SocketAddr;
use std::time::Instant;

/// Requests of the load before and after each change.
const AROUND: usize = 500;
/// Where the pods listen.
const PORT: u16 = 8080;

/// Turns a pod's readiness; when.
async fn turn(pod: &Pod, to: &str) -> anyhow::Result<Instant> {
    let status = pod
        .status
        .as_ref()
        .context("a pod that runs has a status")?;
    let address = status.pod_ip.as_ref().context("and an address")?;
    let mut request = get("echo", &format!("/ready/{to}"));
    *request.method_mut() = http::Method::POST;
    let address = SocketAddr::new(address.parse()?, PORT);
    Client::h1(address).await?.ask(request).await?;
    Ok(Instant::now())
}

fn is_ready(pod: Option<&Pod>) -> bool {
    let conditions = pod.and_then(|pod| pod.status.as_ref()?.conditions.as_ref());
    let mut conditions = conditions.into_iter().flatten();
    conditions.any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

pub(crate) async fn lab_9_readiness() -> anyhow::Result<()> {
    let lab = Lab::begin("lab-9", "09-readiness.yaml").await?;
    let host = lab.host("echo");
    lab.served(&host).await?;
    let pod = lab.pods("app=echo").await?.pop().context("three pods")?;
    let name = pod.name_any();
    let clients = lab.clients(&host);
    clients.load.more(AROUND).await?;
    let off = turn(&pod, "off").await?;
    lab.cluster
        .until("unready", &name, |pod: Option<&Pod>| !is_ready(pod))
        .await?;
    let unready = Instant::now();
    clients.load.more(2 * AROUND).await?;
    let on = turn(&pod, "on").await?;
    let back = clients
        .load
        .until(&name, |asked| asked.pod() == Some(name.as_str()))
        .await?;
    clients.load.more(AROUND).await?;
    let all = clients.look.stop().await?.and(clients.load.stop().await?);
    let while_off = all.filter(|asked| asked.sent < on);
    let after_off = while_off.last_sent_to(&name, off);
    let after_unready = while_off.last_sent_to(&name, unready);
    let back = back.duration_since(on);
    all.report(
        "lab 9, readiness",
        &format!(
            "last request {after_off:.2?} after readiness was turned off, {after_unready:.0?} after the API said so; \
             back {back:.2?} after it was turned on"
        ),
    )?;
    lab.end().await
}

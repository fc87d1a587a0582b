//! What the controller wrote into the cluster: the annotation `haldane.dev/status` of Ingresses and Services.

use super::{Object, Report};
use crate::cluster::{self, Cluster, Kind, Named};
use crate::rollouts::written;
use jiff::Timestamp;
use serde::Deserialize;

/// Where the controller writes it, without the prefix.
const STATUS: &str = "status";

/// What the annotation holds.
#[derive(Debug, Deserialize)]
struct Status {
    generation: Option<String>,
    live: bool,
    proxies: String,
    problems: u64,
    #[serde(default)]
    held: bool,
}

pub(super) async fn report(
    cluster: &Cluster,
    wanted: Option<&Named>,
    namespace: Option<&str>,
) -> anyhow::Result<Report> {
    let mut report = Report::default();
    for kind in [Kind::Ingress, Kind::Service] {
        let found = match wanted {
            None => cluster.all(kind, namespace).await?,
            Some(wanted) => cluster.find(kind, wanted).await?.into_iter().collect(),
        };
        let now = Timestamp::now();
        let rollouts = found.iter().flat_map(|object| written(object, now));
        report.rollouts.extend(rollouts);
        report.objects.extend(found.iter().filter_map(object));
    }
    Ok(report)
}

/// `None` if the controller has said nothing about it, or another one has in its own way.
fn object(found: &cluster::Object) -> Option<Object> {
    let status: Status = serde_json::from_str(found.annotation(STATUS)?).ok()?;
    Some(Object {
        object: found.to_string(),
        generation: status.generation,
        live: status.live,
        proxies: status.proxies,
        problems: status.problems,
        held: status.held,
    })
}

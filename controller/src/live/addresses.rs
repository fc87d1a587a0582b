//! Where the world reaches the proxies: what our Ingresses have as `status.loadBalancer`.

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::networking::v1::IngressLoadBalancerIngress;
use kube::runtime::watcher;
use kube::{Api, Client};
use std::net::IpAddr;
use tokio::sync::watch;

use super::backoff::Backoff;
use futures_util::StreamExt as _;
use tokio::time::{Instant, sleep};

/// How many addresses are shown: nobody reads more, and each is written to every Ingress.
const ADDRESSES_MAX: usize = 16;

mod gifts;

pub(crate) use gifts::{Gift, Gifts};

/// The addresses in force.
pub(crate) type Addresses = Vec<IngressLoadBalancerIngress>;

/// An address as it is given by hand: an IP address, or a host name.
pub(crate) fn written(address: &str) -> IngressLoadBalancerIngress {
    let is_ip = address.parse::<IpAddr>().is_ok();
    let text = || Some(address.to_owned());
    IngressLoadBalancerIngress {
        ip: if is_ip { text() } else { None },
        hostname: if is_ip { None } else { text() },
        ports: None,
    }
}

/// Takes the addresses from the proxies' Service, whenever they change, for ever.
pub(crate) async fn follow(
    client: Client,
    namespace: String,
    name: String,
    addresses: watch::Sender<Addresses>,
) {
    let api = Api::<Service>::namespaced(client, &namespace);
    let mut backoff = Backoff::default();
    let mut services = std::pin::pin!(watcher::watch_object(api, &name));
    while let Some(seen) = services.next().await {
        match seen {
            Ok(service) => {
                backoff.succeeded();
                let now = service.as_ref().map(of_service).unwrap_or_default();
                addresses.send_replace(now);
            }
            Err(error) => {
                tracing::warn!(namespace, name, %error, "the Service's addresses are not known");
                sleep(backoff.next(Instant::now())).await;
            }
        }
    }
}

/// Those that a load balancer gave, and those written as external; where there are none, and none are to come, the
/// address inside the cluster.
fn of_service(service: &Service) -> Addresses {
    let spec = service.spec.clone().unwrap_or_default();
    let status = service.status.clone().unwrap_or_default();
    let balancers = status.load_balancer.and_then(|status| status.ingress);
    let given = balancers
        .into_iter()
        .flatten()
        .map(|given| IngressLoadBalancerIngress {
            ip: given.ip,
            hostname: given.hostname,
            ports: None,
        });
    let external = spec
        .external_ips
        .iter()
        .flatten()
        .map(|address| written(address));
    let mut addresses: Addresses = given.chain(external).take(ADDRESSES_MAX).collect();
    let waits = spec.type_.as_deref() == Some("LoadBalancer");
    if addresses.is_empty() && !waits {
        let inside = spec.cluster_ip.filter(|address| address != "None");
        addresses.extend(inside.map(|address| written(&address)));
    }
    addresses
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(manifest: &str, expected: &[&str]) {
        let service: Service = serde_saphyr::from_str(manifest).unwrap();
        let shown = |address: IngressLoadBalancerIngress| address.ip.or(address.hostname).unwrap();
        let addresses: Vec<_> = of_service(&service).into_iter().map(shown).collect();
        assert_eq!(addresses, expected, "{manifest}");
    }

    #[test]
    fn the_outermost_addresses_are_shown() {
        check("{spec: {type: LoadBalancer, clusterIP: 10.96.0.1}}", &[]);
        check(
            "{spec: {type: LoadBalancer}, status: {loadBalancer: {ingress: [{ip: 192.0.2.1}, {hostname: lb.example}]}}}",
            &["192.0.2.1", "lb.example"],
        );
        check(
            "{spec: {type: NodePort, clusterIP: 10.96.0.1, externalIPs: [192.0.2.7]}}",
            &["192.0.2.7"],
        );
        check(
            "{spec: {type: ClusterIP, clusterIP: 10.96.0.1}}",
            &["10.96.0.1"],
        );
        check("{spec: {type: ClusterIP, clusterIP: None}}", &[]);
    }
}

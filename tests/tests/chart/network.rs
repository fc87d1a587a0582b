//! Who reaches what: selectors, ports, names.

use crate::helm::{self, Helm};
use crate::objects::{Object, list, selects, text};
use crate::rendered::{argument, container, every_case, of_kind, pod_labels, workloads};
use std::collections::BTreeSet;

#[test]
fn whatever_selects_pods_selects_those_of_one_component() -> anyhow::Result<()> {
    const SELECTORS: &[(&str, &str)] = &[
        ("Service", "/spec/selector"),
        ("PodDisruptionBudget", "/spec/selector/matchLabels"),
        ("NetworkPolicy", "/spec/podSelector/matchLabels"),
        ("PodMonitor", "/spec/selector/matchLabels"),
        ("Deployment", "/spec/selector/matchLabels"),
        ("DaemonSet", "/spec/selector/matchLabels"),
    ];
    every_case(|case, objects| {
        for (kind, place) in SELECTORS {
            for object in of_kind(objects, kind) {
                let chosen: Vec<_> = workloads(objects)
                    .filter(|workload| {
                        selects(
                            object.at(place),
                            workload.at("/spec/template/metadata/labels"),
                        )
                    })
                    .map(|workload| workload.at("/metadata/labels/app.kubernetes.io~1component"))
                    .collect();
                let own = object.at("/metadata/labels/app.kubernetes.io~1component");
                assert_eq!(chosen, [own], "{case}: {}", object.id());
            }
        }
    })
}

#[test]
fn only_proxies_reach_the_push_port_and_nobody_unnamed_an_admin_port() -> anyhow::Result<()> {
    every_case(|case, objects| {
        for policy in of_kind(objects, "NetworkPolicy") {
            for rule in list(policy.at("/spec/ingress")) {
                let closed = list(&rule["ports"])
                    .iter()
                    .any(|port| ["push", "admin"].contains(&text(&port["port"])));
                assert!(
                    !closed || !list(&rule["from"]).is_empty(),
                    "{case}: {}",
                    policy.id()
                );
            }
            let own = policy.at("/spec/podSelector/matchLabels");
            let labels = pod_labels(objects, "controller");
            if selects(own, labels) {
                let peers = policy.at("/spec/ingress/0/from");
                let proxies = &peers[0]["podSelector"]["matchLabels"];
                assert!(
                    list(peers).len() == 1 && selects(proxies, pod_labels(objects, "proxy")),
                    "{case}"
                );
                assert!(!selects(proxies, labels), "{case}");
            }
        }
        for service in of_kind(objects, "Service") {
            let ports = list(service.at("/spec/ports"));
            assert!(
                ports
                    .iter()
                    .all(|port| text(&port["targetPort"]) != "admin"),
                "{case}: {}",
                service.id()
            );
        }
    })
}

#[test]
fn what_listens_has_a_port_of_that_number_and_services_name_such_ports() -> anyhow::Result<()> {
    const LISTENS: &[(&str, &[&str])] = &[
        ("proxy", &["http", "https", "admin"]),
        ("controller", &["push", "admin"]),
    ];
    every_case(|case, objects| {
        for (component, names) in LISTENS {
            let container = container(objects, component);
            let declared: Vec<_> = list(&container["ports"])
                .iter()
                .map(|port| text(&port["name"]))
                .collect();
            assert_eq!(
                &declared[..].iter().collect::<BTreeSet<_>>(),
                &names.iter().collect(),
                "{case}"
            );
            for port in list(&container["ports"]) {
                let address = argument(container, &format!("--{}", text(&port["name"])));
                let bound = address.and_then(|address| address.rsplit(':').next());
                assert_eq!(
                    bound,
                    Some(port["containerPort"].to_string().as_str()),
                    "{case}: {component}"
                );
            }
        }
    })
}

#[test]
fn proxies_call_the_name_in_the_controllers_certificate() -> anyhow::Result<()> {
    every_case(|case, objects| {
        let url = argument(container(objects, "proxy"), "--controller").expect("a URL");
        let (host, port) = url
            .trim_start_matches("https://")
            .rsplit_once(':')
            .expect("a port");
        let mut services = of_kind(objects, "Service");
        let service =
            services.find(|service| host == format!("{}.{}.svc", service.name(), helm::NAMESPACE));
        let service = service.expect("the controller has a Service of that name");
        assert_eq!(service.at("/spec/ports/0/port").to_string(), port, "{case}");
        assert_eq!(service.at("/spec/clusterIP"), "None", "{case}");
    })
}

#[test]
fn no_two_objects_are_one_and_names_are_short_enough() -> anyhow::Result<()> {
    let Some(helm) = Helm::find() else {
        return Ok(());
    };
    // The longest that Helm takes.
    let release = "a".repeat(53);
    for name in [helm::RELEASE, &release] {
        let tenants = helm::values_file("tenants");
        let text = helm.render(name, &["--values", helm::path(&tenants)])?;
        let mut seen = BTreeSet::new();
        for object in Object::all(&text)? {
            assert!(
                seen.insert(object.id()),
                "{} is rendered twice",
                object.id()
            );
            let label_max = if object.kind().contains("Role") {
                253
            } else {
                63
            };
            assert!(object.name().len() <= label_max, "{}", object.id());
        }
    }
    Ok(())
}

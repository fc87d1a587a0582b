//! How the Pods run: hardened, probed, with enough time to drain.

use crate::objects::Object;
use crate::objects::{list, text};
use crate::rendered::{argument, container, every_case, of_kind, workload, workloads};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// What a container's security context is.
const HARDENED: &str = r#"{
    "allowPrivilegeEscalation": false,
    "readOnlyRootFilesystem": true,
    "capabilities": {"drop": ["ALL"]}
}"#;

#[test]
fn every_container_is_hardened_probed_and_limited() -> anyhow::Result<()> {
    let hardened: Value = serde_json::from_str(HARDENED)?;
    every_case(|case, objects| {
        for workload in workloads(objects) {
            let pod = workload.pod().expect("a workload");
            let subject = format!("{case}: {}", workload.id());
            assert_eq!(
                pod["securityContext"]["runAsNonRoot"],
                json!(true),
                "{subject}"
            );
            assert_eq!(
                pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault",
                "{subject}"
            );
            for shared in [
                "hostNetwork",
                "hostPID",
                "hostIPC",
                "initContainers",
                "ephemeralContainers",
            ] {
                assert!(pod[shared].is_null(), "{subject}: {shared}");
            }
            for container in list(&pod["containers"]) {
                assert_eq!(container["securityContext"], hardened, "{subject}");
                for probe in ["livenessProbe", "readinessProbe"] {
                    assert_eq!(
                        container[probe]["httpGet"]["port"], "admin",
                        "{subject}: {probe}"
                    );
                }
                assert!(
                    container["resources"]["requests"]["cpu"].is_string(),
                    "{subject}"
                );
                assert!(
                    container["resources"]["limits"]["memory"].is_string(),
                    "{subject}"
                );
            }
        }
    })
}

#[test]
fn the_grace_period_holds_the_wait_before_sigterm_and_the_drain() -> anyhow::Result<()> {
    every_case(|case, objects| {
        let pod = workload(objects, "proxy").pod().expect("a workload");
        let container = container(objects, "proxy");
        let before = container["lifecycle"]["preStop"]["sleep"]["seconds"]
            .as_u64()
            .unwrap_or(0);
        let drain: u64 = argument(container, "--grace")
            .and_then(|text| text.parse().ok())
            .expect("seconds");
        let whole = pod["terminationGracePeriodSeconds"].as_u64();
        // Five seconds to end in, as values.yaml says.
        assert_eq!(whole, Some(before + drain + 5), "{case}");
    })
}

#[test]
fn every_secret_in_use_is_made_or_given_and_every_mount_has_a_volume() -> anyhow::Result<()> {
    const GIVEN: &[&str] = &["push-server", "push-client", "tickets"];
    every_case(|case, objects| {
        let made: BTreeSet<_> = of_kind(objects, "Secret").map(Object::name).collect();
        for workload in workloads(objects) {
            let pod = workload.pod().expect("a workload");
            let volumes = list(&pod["volumes"]);
            let secrets = volumes
                .iter()
                .filter_map(|volume| volume["secret"]["secretName"].as_str());
            for secret in secrets {
                let given = case == "large" && GIVEN.contains(&secret);
                assert!(given != made.contains(secret), "{case}: {secret}");
            }
            let has: BTreeSet<_> = volumes.iter().map(|volume| text(&volume["name"])).collect();
            let mounts = list(&pod["containers"][0]["volumeMounts"]);
            let mounted: BTreeSet<_> = mounts.iter().map(|mount| text(&mount["name"])).collect();
            assert_eq!(has, mounted, "{case}: {}", workload.id());
        }
    })
}

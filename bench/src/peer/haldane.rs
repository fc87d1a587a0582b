//! Haldane as `haldane serve` over manifests: an Ingress, a Service and, for each version, a Pod and
//! an EndpointSlice. Its metrics stay on, as they always are.

use std::ffi::OsString;
use std::fs;

use super::{Site, Task, Version};

/// Writes the manifests; returns Haldane's arguments.
pub(super) fn configure(task: &Task, site: &Site) -> anyhow::Result<Vec<OsString>> {
    let directory = site.scratch.join("manifests");
    fs::create_dir(&directory)?;
    fs::write(directory.join("shop.yaml"), manifests(&task.versions))?;
    let http = site.http.to_string();
    let admin = site.admin.to_string();
    let flags = ["--http", &http, "--admin", &admin, "--workers", "1"].map(OsString::from);
    let serve = ["serve".into(), "--manifests".into(), directory.into()];
    Ok(serve.into_iter().chain(flags).collect())
}

fn manifests(versions: &[Version]) -> String {
    let endpoints: String = versions.iter().map(pod_and_slice).collect();
    format!("{INGRESS}{}{endpoints}", service(versions))
}

const INGRESS: &str = "apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: shop, namespace: default}
spec:
  ingressClassName: haldane
  rules:
  - host: shop.example.com
    http:
      paths:
      - path: /shop
        pathType: Prefix
        backend: {service: {name: shop, port: {number: 80}}}
";

/// Weights are only written where there is something to split.
fn service(versions: &[Version]) -> String {
    let weights: Vec<String> = versions
        .iter()
        .map(|version| format!("{}={}", version.name, version.weight))
        .collect();
    let annotations = match versions {
        [_] => String::new(),
        _ => format!(
            "\n  annotations: {{haldane.dev/weights: \"{}\"}}",
            weights.join(", ")
        ),
    };
    format!(
        "---
apiVersion: v1
kind: Service
metadata:
  name: shop
  namespace: default{annotations}
spec:
  selector: {{app: shop}}
  ports: [{{name: http, port: 80, targetPort: http}}]
"
    )
}

fn pod_and_slice(version: &Version) -> String {
    let name = version.name;
    let (ip, port) = (version.address.ip(), version.address.port());
    format!(
        "---
apiVersion: v1
kind: Pod
metadata:
  name: shop-{name}
  namespace: default
  labels: {{app: shop, version: {name}}}
spec: {{containers: [{{name: web, image: web}}]}}
status: {{podIP: {ip}}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: shop-{name}
  namespace: default
  labels: {{kubernetes.io/service-name: shop}}
addressType: IPv4
ports: [{{name: http, port: {port}, protocol: TCP}}]
endpoints:
- addresses: [{ip}]
  conditions: {{ready: true, serving: true, terminating: false}}
  targetRef: {{kind: Pod, name: shop-{name}, namespace: default}}
"
    )
}

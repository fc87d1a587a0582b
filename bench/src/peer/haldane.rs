//! Haldane as `haldane serve` over manifests: Ingresses, Services and, for each version, a Pod and
//! its EndpointSlices. Its metrics stay on, as they always are.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;

use super::{CLIENTS_MAX, Site, Task, Version};
use crate::case::{GRPC_HOST, Stage};
use crate::user::Certificate;

/// Writes the manifests; returns Haldane's arguments.
pub(super) fn configure(task: &Task, stage: Stage, site: &Site) -> anyhow::Result<Vec<OsString>> {
    let directory = site.scratch.join("manifests");
    fs::create_dir(&directory)?;
    fs::write(directory.join("shop.yaml"), manifests(task, stage)?)?;
    let (http, https) = (site.target.http.to_string(), site.target.https.to_string());
    let (admin, clients) = (site.admin.to_string(), CLIENTS_MAX.to_string());
    let flags = [
        ["--http", &http],
        ["--https", &https],
        ["--admin", &admin],
        ["--workers", "1"],
        ["--connections-per-worker", &clients],
    ];
    let flags = flags.into_iter().flatten().map(OsString::from);
    let serve = ["serve".into(), "--manifests".into(), directory.into()];
    Ok(serve.into_iter().chain(flags).collect())
}

fn manifests(task: &Task, stage: Stage) -> Result<String, std::fmt::Error> {
    let mut all = ingresses(stage)?;
    all.push_str(&secret(&task.certificate));
    for (name, port) in [("shop", "http"), ("calls", "grpc")] {
        all.push_str(&service(name, port, &task.versions));
    }
    for version in &task.versions {
        let name = version.name;
        write!(
            all,
            "---
apiVersion: v1
kind: Pod
metadata: {{name: shop-{name}, namespace: default, labels: {{app: shop, version: {name}}}}}
spec: {{containers: [{{name: web, image: web}}]}}
status: {{podIP: {}}}
",
            version.http.ip()
        )?;
        all.push_str(&slice("shop", "http", name, version.http));
        all.push_str(&slice("calls", "grpc", name, version.grpc));
    }
    Ok(all)
}

/// An Ingress for each host.
fn ingresses(stage: Stage) -> Result<String, std::fmt::Error> {
    let tls = if stage == Stage::Shop { TLS } else { "" };
    let mut all = String::new();
    for host in stage.hosts() {
        let paths = stage.paths();
        all.push_str(&ingress(&host, &paths, "shop", "", tls)?);
    }
    let grpc = "haldane.dev/backend-protocol: GRPC";
    let root = ["/".to_owned()];
    all.push_str(&ingress(GRPC_HOST, &root, "calls", grpc, TLS)?);
    Ok(all)
}

/// Without a redirect, so that a host answers in clear as well.
fn ingress(
    host: &str,
    paths: &[String],
    service: &str,
    annotation: &str,
    tls: &str,
) -> Result<String, std::fmt::Error> {
    let mut ingress = format!(
        "---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: {host}
  namespace: default
  annotations:
    haldane.dev/ssl-redirect: \"false\"
    {annotation}
spec:
  ingressClassName: haldane
{}  rules:
  - host: {host}
    http:
      paths:
",
        tls.replace("HOST", host)
    );
    for path in paths {
        writeln!(
            ingress,
            "      - {{path: {path}, pathType: Prefix, \
             backend: {{service: {{name: {service}, port: {{number: 80}}}}}}}}"
        )?;
    }
    Ok(ingress)
}

const TLS: &str = "  tls: [{hosts: [HOST], secretName: shop-tls}]\n";

fn secret(certificate: &Certificate) -> String {
    format!(
        "---
apiVersion: v1
kind: Secret
type: kubernetes.io/tls
metadata: {{name: shop-tls, namespace: default}}
stringData:
  tls.crt: |
{}  tls.key: |
{}",
        indented(&certificate.pem),
        indented(&certificate.key_pem)
    )
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("    {line}\n")).collect()
}

/// Weights are only written where there is something to split.
fn service(name: &str, port: &str, versions: &[Version]) -> String {
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
  name: {name}
  namespace: default{annotations}
spec:
  selector: {{app: shop}}
  ports: [{{name: {port}, port: 80, targetPort: {port}}}]
"
    )
}

fn slice(service: &str, port: &str, version: &str, address: std::net::SocketAddr) -> String {
    format!(
        "---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: {service}-{version}
  namespace: default
  labels: {{kubernetes.io/service-name: {service}}}
addressType: IPv4
ports: [{{name: {port}, port: {}, protocol: TCP}}]
endpoints:
- addresses: [{}]
  conditions: {{ready: true, serving: true, terminating: false}}
  targetRef: {{kind: Pod, name: shop-{version}, namespace: default}}
",
        address.port(),
        address.ip()
    )
}

//! The manifests of the demo, as a person would write them: Pods on loopback, a Service, an Ingress.

use std::fmt::Write as _;
use std::net::SocketAddr;

/// A pod to write down.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pod<'a> {
    pub(crate) name: &'a str,
    pub(crate) version: &'a str,
    pub(crate) address: SocketAddr,
}

/// The host that a Service's Ingress serves.
pub(crate) fn host(service: &str) -> String {
    format!("{service}.example.com")
}

/// Everything that one Service needs. `annotations` are lines of `name: value`, as [`annotation`] writes them.
pub(crate) fn release(service: &str, annotations: &[String], pods: &[Pod<'_>]) -> String {
    let mut text = head(service, annotations);
    for pod in pods {
        let Pod {
            name,
            version,
            address,
        } = pod;
        let (ip, port) = (address.ip(), address.port());
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            r#"---
apiVersion: v1
kind: Pod
metadata:
  name: {name}
  namespace: demo
  labels: {{app: {service}, version: "{version}"}}
spec:
  containers:
    - name: web
      image: echo
      ports: [{{name: http, containerPort: {port}}}]
status:
  phase: Running
  podIP: {ip}
  conditions: [{{type: Ready, status: "True"}}]
"#
        );
    }
    text
}

fn head(service: &str, annotations: &[String]) -> String {
    let annotations: String = annotations
        .iter()
        .map(|line| format!("    {line}\n"))
        .collect();
    let host = host(service);
    format!(
        r"apiVersion: v1
kind: Service
metadata:
  name: {service}
  namespace: demo
  annotations:
{annotations}spec:
  selector: {{app: {service}}}
  ports: [{{name: http, port: 80, targetPort: http}}]
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: {service}
  namespace: demo
spec:
  ingressClassName: haldane
  rules:
    - host: {host}
      http:
        paths:
          - path: /
            pathType: Prefix
            backend: {{service: {{name: {service}, port: {{number: 80}}}}}}
"
    )
}

/// One of our annotations as a line of YAML. No value of the demo holds a single quote or a backslash.
pub(crate) fn annotation(name: &str, value: &str) -> String {
    let quote = if value.contains('"') { '\'' } else { '"' };
    format!("haldane.dev/{name}: {quote}{value}{quote}")
}

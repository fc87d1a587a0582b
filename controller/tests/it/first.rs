//! The shortest way from manifests to a split.

use crate::support::outcome;

#[test]
fn one_service_over_two_versions_is_split_by_weights() {
    insta::assert_snapshot!(outcome(r#"
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web, namespace: shop}
spec:
  rules:
  - host: shop.example.com
    http:
      paths:
      - {path: /, pathType: Prefix, backend: {service: {name: web, port: {name: http}}}}
---
apiVersion: v1
kind: Service
metadata:
  name: web
  namespace: shop
  annotations:
    haldane.dev/weights: 1.14=90, canary=10
    haldane.dev/match.canary: header X-Beta present
    haldane.dev/sticky: cookie
spec:
  selector: {app: web}
  ports: [{name: http, port: 80, targetPort: http}]
---
apiVersion: v1
kind: Pod
metadata: {name: web-1, namespace: shop, labels: {app: web, version: "1.14"}}
spec: {containers: [{name: web, ports: [{name: http, containerPort: 9001}]}]}
status: {podIP: 127.0.0.1}
---
apiVersion: v1
kind: Pod
metadata: {name: web-2, namespace: shop, labels: {app: web, version: canary}}
spec: {containers: [{name: web, ports: [{name: http, containerPort: 9002}]}]}
status: {podIP: 127.0.0.1}
"#), @r"
    rule shop/web shop.example.com/ (Prefix) for Service web
      match shop.example.com prefix /
      version 1.14 weight 9 by backend shop/web:80 1.14
      version canary weight 1 by backend shop/web:80 canary
      force canary if header x-beta present
      sticky cookie haldane-ticket
    backend shop/web:80 1.14 by http: 127.0.0.1:9001
    backend shop/web:80 canary by http: 127.0.0.1:9002
    ");
}

//! Envoy with one worker, from a static configuration.

use std::ffi::OsString;
use std::fs;
use std::net::SocketAddr;

use serde_json::{Value, json};

use super::{Site, Task, Version};
use crate::case::{GRPC_HOST, Stage};

/// Writes `envoy.json`; returns Envoy's arguments.
pub(super) fn configure(task: &Task, stage: Stage, site: &Site) -> anyhow::Result<Vec<OsString>> {
    let path = site.scratch.join("envoy.json");
    fs::write(&path, config(task, stage, site)?.to_string())?;
    let flags = ["--concurrency", "1", "--disable-hot-restart", "-l", "error"];
    let flags = flags.map(OsString::from).into_iter();
    Ok(flags.chain(["-c".into(), path.into()]).collect())
}

fn config(task: &Task, stage: Stage, site: &Site) -> anyhow::Result<Value> {
    let routes = routes(stage);
    let tls = json!({
        "name": "tls",
        "typed_config": {
            "@type": type_of("extensions.transport_sockets.tls.v3.DownstreamTlsContext"),
            "common_tls_context": {
                "alpn_protocols": ["h2", "http/1.1"],
                "tls_params": {"tls_minimum_protocol_version": "TLSv1_3"},
                "tls_certificates": [{
                    "certificate_chain": {"filename": &site.certificate},
                    "private_key": {"filename": &site.certificate},
                }],
            },
        },
    });
    let https = json!([{"filters": [manager(&routes)], "transport_socket": tls}]);
    let http2 = json!({
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": type_of("extensions.upstreams.http.v3.HttpProtocolOptions"),
            "explicit_http_config": {"http2_protocol_options": {}},
        },
    });
    Ok(json!({
        "static_resources": {
            "listeners": [
                listener("http", site.target.http, json!([{"filters": [manager(&routes)]}])),
                listener("https", site.target.https, https),
            ],
            "clusters": [
                cluster("web", task, |version| version.http, json!({})),
                cluster("calls", task, |version| version.grpc, http2),
            ],
        },
    }))
}

fn type_of(name: &str) -> String {
    format!("type.googleapis.com/envoy.{name}")
}

fn address(address: SocketAddr) -> Value {
    json!({"socket_address": {"address": address.ip(), "port_value": address.port()}})
}

fn listener(name: &str, at: SocketAddr, chains: Value) -> Value {
    json!({"name": name, "address": address(at), "filter_chains": chains})
}

fn manager(routes: &Value) -> Value {
    let add = |name: &str, value: &str| json!({"header": {"key": name, "value": value}});
    json!({
        "name": "http",
        "typed_config": {
            "@type": type_of(
                "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
            ),
            "stat_prefix": "http",
            "use_remote_address": true,
            "generate_request_id": false,
            "upgrade_configs": [{"upgrade_type": "websocket"}],
            "route_config": {
                "name": "routes",
                "virtual_hosts": routes,
                "request_headers_to_add":
                    [add("X-Real-IP", "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%")],
            },
            "http_filters": [{
                "name": "router",
                "typed_config": {"@type": type_of("extensions.filters.http.router.v3.Router")},
            }],
        },
    })
}

fn routes(stage: Stage) -> Value {
    let route = |path: &str, cluster: &str| {
        let kind = if path == "/" {
            "prefix"
        } else {
            "path_separated_prefix"
        };
        json!({"match": {kind: path}, "route": {"cluster": cluster, "timeout": "60s"}})
    };
    let paths: Vec<Value> = stage
        .paths()
        .iter()
        .map(|path| route(path, "web"))
        .collect();
    let host =
        |host: &str, routes: &[Value]| json!({"name": host, "domains": [host], "routes": routes});
    let mut hosts: Vec<Value> = stage
        .hosts()
        .iter()
        .map(|name| host(name, &paths))
        .collect();
    hosts.push(host(GRPC_HOST, &[route("/", "calls")]));
    Value::Array(hosts)
}

/// Without the limits on connections and requests under way, which some cases exceed.
fn cluster(name: &str, task: &Task, at: impl Fn(&Version) -> SocketAddr, options: Value) -> Value {
    let endpoints: Vec<Value> = task
        .versions
        .iter()
        .map(|version| {
            json!({
                "endpoint": {"address": address(at(version))},
                "load_balancing_weight": version.weight,
            })
        })
        .collect();
    json!({
        "name": name,
        "type": "STATIC",
        "connect_timeout": "5s",
        "typed_extension_protocol_options": options,
        "circuit_breakers": {"thresholds": [
            {"max_connections": 65536, "max_pending_requests": 65536, "max_requests": 65536},
        ]},
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": endpoints}],
        },
    })
}

//! nginx as an SRE sets it up in front of a service: keep-alive upstream, no access log, nothing
//! written to a disk on the way.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;

use super::{CLIENTS_MAX, Site, Task, Version};
use crate::answer::ECHO_PATH;
use crate::case::{GRPC_HOST, Stage};

/// Writes `nginx.conf`; returns nginx's arguments.
pub(super) fn configure(task: &Task, stage: Stage, site: &Site) -> anyhow::Result<Vec<OsString>> {
    let path = site.scratch.join("nginx.conf");
    fs::write(&path, config(task, stage, site)?)?;
    let arguments = [
        "-e".into(),
        "stderr".into(),
        "-p".into(),
        site.scratch.clone().into(),
    ];
    Ok(arguments
        .into_iter()
        .chain(["-c".into(), path.into()])
        .collect())
}

/// The limits on requests per connection are lifted, so that no peer opens connections in a round.
fn config(task: &Task, stage: Stage, site: &Site) -> Result<String, std::fmt::Error> {
    let web = upstream(task, "web", |version| version.http.to_string())?;
    let calls = upstream(task, "calls", |version| version.grpc.to_string())?;
    let servers = servers(stage, site)?;
    Ok(format!(
        "daemon off;
worker_processes 1;
pid nginx.pid;
error_log stderr crit;
events {{ worker_connections {CLIENTS_MAX}; }}
http {{
  access_log off;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  keepalive_requests 100000000;
  server_names_hash_max_size 65536;
  server_names_hash_bucket_size 128;
  client_max_body_size 0;
  proxy_request_buffering off;
  proxy_max_temp_file_size 0;
  ssl_certificate {certificate};
  ssl_certificate_key {certificate};
  ssl_protocols TLSv1.3;
  proxy_http_version 1.1;
  proxy_set_header Connection \"\";
  proxy_set_header Host $host;
  proxy_set_header X-Real-IP $remote_addr;
  proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
  proxy_set_header X-Forwarded-Proto $scheme;
{web}{calls}{servers}}}
",
        certificate = site.certificate.display(),
    ))
}

fn upstream(
    task: &Task,
    name: &str,
    address: impl Fn(&Version) -> String,
) -> Result<String, std::fmt::Error> {
    let mut upstream = format!("  upstream {name} {{\n");
    for version in &task.versions {
        let (address, weight) = (address(version), version.weight);
        writeln!(upstream, "    server {address} weight={weight};")?;
    }
    upstream.push_str("    keepalive 256;\n    keepalive_requests 100000000;\n  }\n");
    Ok(upstream)
}

fn servers(stage: Stage, site: &Site) -> Result<String, std::fmt::Error> {
    let (http, https) = (site.target.http, site.target.https);
    let listen = format!("    listen {http};\n    listen {https} ssl http2;\n");
    let mut locations = String::new();
    for path in stage.paths() {
        writeln!(
            locations,
            "    location {path} {{ proxy_pass http://web; }}"
        )?;
    }
    if stage == Stage::Shop {
        locations.push_str(&ECHO.replace("ECHO_PATH", ECHO_PATH));
    }
    let mut servers = String::new();
    for host in stage.hosts() {
        writeln!(
            servers,
            "  server {{\n{listen}    server_name {host};\n{locations}  }}"
        )?;
    }
    writeln!(
        servers,
        "  server {{\n{listen}    server_name {GRPC_HOST};\n    location / {{
      grpc_set_header X-Real-IP $remote_addr;
      grpc_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      grpc_set_header X-Forwarded-Proto $scheme;
      grpc_pass grpc://calls;\n    }}\n  }}"
    )?;
    Ok(servers)
}

/// Only the path of WebSockets asks for an upgrade, so that no other pays for it.
const ECHO: &str = "    location ECHO_PATH {
      proxy_set_header Connection upgrade;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Host $host;
      proxy_set_header X-Real-IP $remote_addr;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_pass http://web;
    }
";

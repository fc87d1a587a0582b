//! nginx as an SRE sets it up in front of a service: keep-alive upstream, no access log.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;

use super::{Site, Task};

/// Writes `nginx.conf`; returns nginx's arguments.
pub(super) fn configure(task: &Task, site: &Site) -> anyhow::Result<Vec<OsString>> {
    let path = site.scratch.join("nginx.conf");
    fs::write(&path, config(task, site)?)?;
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
fn config(task: &Task, site: &Site) -> Result<String, std::fmt::Error> {
    let mut servers = String::new();
    for version in &task.versions {
        writeln!(
            servers,
            "    server {} weight={};",
            version.address, version.weight
        )?;
    }
    Ok(format!(
        "daemon off;
worker_processes 1;
pid nginx.pid;
error_log stderr crit;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  keepalive_requests 100000000;
  upstream web {{
{servers}
    keepalive 64;
    keepalive_requests 100000000;
  }}
  server {{
    listen {};
    server_name shop.example.com;
    location /shop {{
      proxy_pass http://web;
      proxy_http_version 1.1;
      proxy_set_header Connection \"\";
      proxy_set_header Host $host;
      proxy_set_header X-Real-IP $remote_addr;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
    }}
  }}
}}
",
        site.http
    ))
}

//! HAProxy with one thread and the freest reuse of upstream connections it offers.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;

use super::{Site, Task};

/// Writes `haproxy.cfg`; returns HAProxy's arguments.
pub(super) fn configure(task: &Task, site: &Site) -> anyhow::Result<Vec<OsString>> {
    let path = site.scratch.join("haproxy.cfg");
    fs::write(&path, config(task, site)?)?;
    Ok(["-db".into(), "-f".into(), path.into()].into())
}

fn config(task: &Task, site: &Site) -> Result<String, std::fmt::Error> {
    let mut servers = String::new();
    for version in &task.versions {
        let (name, address, weight) = (version.name, version.address, version.weight);
        writeln!(servers, "  server {name} {address} weight {weight}")?;
    }
    Ok(format!(
        "global
  nbthread 1
  maxconn 4096

defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  http-reuse always
  option forwardfor

frontend http
  bind {}
  acl shop_host hdr(host) -i shop.example.com
  acl shop_path path_beg /shop
  http-request set-header X-Real-IP %[src]
  http-request set-header X-Forwarded-Proto http
  use_backend web if shop_host shop_path

backend web
  balance roundrobin
{servers}",
        site.http
    ))
}

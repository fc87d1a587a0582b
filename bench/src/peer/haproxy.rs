//! HAProxy with one thread and the freest reuse of upstream connections it offers.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;

use super::{CLIENTS_MAX, Site, Task};
use crate::case::{GRPC_HOST, Stage};

/// Writes `haproxy.cfg` and its map; returns HAProxy's arguments.
pub(super) fn configure(task: &Task, stage: Stage, site: &Site) -> anyhow::Result<Vec<OsString>> {
    let path = site.scratch.join("haproxy.cfg");
    fs::write(&path, config(task, stage, site)?)?;
    fs::write(site.scratch.join("routes.map"), routes(stage)?)?;
    Ok(["-db".into(), "-f".into(), path.into()].into())
}

/// Its way with many routes: the beginnings of host and path, in a tree.
fn routes(stage: Stage) -> Result<String, std::fmt::Error> {
    let mut map = String::new();
    for host in stage.hosts() {
        for path in stage.paths() {
            writeln!(map, "{host}{path} web")?;
        }
    }
    Ok(map)
}

/// Its way with one route is two conditions, which cost less than a map of one.
fn choice(stage: Stage, site: &Site) -> String {
    match stage {
        Stage::Table | Stage::Paths => format!(
            "  use_backend %[base,map_beg({}/routes.map)]",
            site.scratch.display()
        ),
        Stage::Shop | Stage::Crowd | Stage::Still | Stage::Swaps => {
            "  acl shop_host hdr(host) -i shop.example.com
  acl shop_path path_beg /shop
  use_backend web if shop_host shop_path"
                .to_owned()
        }
    }
}

fn config(task: &Task, stage: Stage, site: &Site) -> Result<String, std::fmt::Error> {
    let (mut servers, mut calls) = (String::new(), String::new());
    for version in &task.versions {
        let (name, weight) = (version.name, version.weight);
        writeln!(servers, "  server {name} {} weight {weight}", version.http)?;
        writeln!(
            calls,
            "  server {name} {} weight {weight} proto h2",
            version.grpc
        )?;
    }
    let (http, https) = (site.target.http, site.target.https);
    let (choice, certificate) = (choice(stage, site), site.certificate.display());
    Ok(format!(
        "global
  nbthread 1
  maxconn {CLIENTS_MAX}
  no strict-limits

defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  timeout tunnel 1h
  http-reuse always
  option forwardfor

frontend http
  bind {http}
  http-request set-header X-Real-IP %[src]
  http-request set-header X-Forwarded-Proto http
{choice}

frontend https
  bind {https} ssl crt {certificate} ssl-min-ver TLSv1.3 alpn h2,http/1.1
  http-request set-header X-Real-IP %[src]
  http-request set-header X-Forwarded-Proto https
  use_backend calls if {{ hdr(host) -i {GRPC_HOST} }}
{choice}

backend web
  balance roundrobin
{servers}
backend calls
  balance roundrobin
{calls}"
    ))
}

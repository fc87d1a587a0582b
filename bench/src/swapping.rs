//! Haldane's data plane as a library, for the cost of new tables: no door of `haldane serve` takes
//! 100 a second, while a proxy that follows a controller has to.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use haldane_proxy::{Config, Proxy};
use haldane_routing::Table;
use haldane_routing::spec::TableSpec;
use serde_json::json;
use tokio::time::MissedTickBehavior;

/// What to serve and how often to change it.
#[derive(Args)]
pub(crate) struct Options {
    /// Where to listen.
    #[arg(long)]
    listen: SocketAddr,
    /// Where metrics are served.
    #[arg(long)]
    admin: SocketAddr,
    /// The backend, which stands behind two versions.
    #[arg(long)]
    to: SocketAddr,
    /// New tables in a second; none without it.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1000))]
    per_second: Option<u32>,
}

/// Serves until the process ends.
///
/// # Errors
/// If an address cannot be bound, or a table is refused.
pub(crate) async fn serve(options: Options) -> anyhow::Result<()> {
    let proxy = Proxy::start(Config {
        http: Some(options.listen),
        admin: Some(options.admin),
        workers: 1,
        ..Config::default()
    })?;
    install(&proxy, options.to, 0).await?;
    let Some(per_second) = options.per_second else {
        return std::future::pending().await;
    };
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / per_second);
    // Late tables are made up for: the rate is what is measured.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    for step in 1.. {
        ticks.tick().await;
        install(&proxy, options.to, step).await?;
    }
    Ok(())
}

/// Builds a table beside the one in force, as a proxy does with what a controller sends, and takes it.
async fn install(proxy: &Proxy, to: SocketAddr, step: u64) -> anyhow::Result<()> {
    let table = Table::build(&spec(to, step)?, Some(&proxy.table()), rand::random());
    let table = table.ok().context("a table with faults")?;
    proxy.install(Arc::new(table)).await?;
    Ok(())
}

/// One rule with two versions behind it; every other table has an endpoint more for the one without a
/// share, as pods come and go.
fn spec(to: SocketAddr, step: u64) -> anyhow::Result<TableSpec> {
    let idle = if step.is_multiple_of(2) {
        vec![]
    } else {
        vec![to]
    };
    Ok(serde_json::from_value(json!({
        "rules": [{
            "id": "default/shop shop.example.com/shop",
            "origin": {"namespace": "default", "name": "shop", "service": "shop"},
            "matches": [{"host": {"exact": "shop.example.com"}, "path": {"prefix": "/shop"}}],
            "action": {"forward": {"versions": [
                {"name": "stable", "weight": 1, "backend": "stable"},
                {"name": "canary", "weight": 0, "backend": "canary"},
            ]}},
        }],
        "backends": [backend("stable", &[to]), backend("canary", &idle)],
    }))?)
}

fn backend(name: &str, endpoints: &[SocketAddr]) -> serde_json::Value {
    let endpoint = |to: &SocketAddr| json!({"address": {"socket": to.to_string()}});
    let endpoints: Vec<_> = endpoints.iter().map(endpoint).collect();
    json!({"name": name, "endpoints": endpoints})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_is_a_table() {
        let to = "127.0.0.1:80".parse().unwrap();
        for step in [0, 1] {
            assert!(Table::build(&spec(to, step).unwrap(), None, 0).is_ok());
        }
        assert_ne!(spec(to, 0).unwrap(), spec(to, 1).unwrap());
    }
}

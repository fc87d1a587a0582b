//! Asking a running proxy, over its admin port.

use super::Args;
use crate::fetch;
use serde_json::Value;
use std::net::SocketAddr;

/// What the proxy says, as its admin port has it.
///
/// # Errors
/// When it does not answer, or not with an explanation.
pub(super) fn ask(args: &Args, admin: SocketAddr) -> anyhow::Result<Value> {
    let target = target(args)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(fetch::json(admin, &target))
}

fn target(args: &Args) -> anyhow::Result<String> {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("url", &args.url.to_string());
    query.append_pair("method", args.method.as_str());
    query.append_pair("from", &args.from.to_string());
    for (name, value) in &args.headers {
        query.append_pair("header", &format!("{name}: {}", value.to_str()?));
    }
    if let Some(country) = args.country {
        query.append_pair("country", country.as_str());
    }
    Ok(format!("/explain?{}", query.finish()))
}

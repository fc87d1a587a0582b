//! Annotations: whatever is written there, what comes of it is a table that can be built.

use crate::shop::{self, Annotations};
use haldane_routing::Table;
use std::net::{Ipv4Addr, SocketAddr};

/// Where nobody listens; nothing is sent.
const PODS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 1);

/// Annotations of the Ingress, a line each, and those of the Service behind a line `---`.
pub(crate) fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let (ingress, service) = text.split_once("---\n").unwrap_or((text, ""));
    let translation = shop::table(&annotations(ingress), &annotations(service), PODS);
    let built = Table::build(&translation.table, None, 0);
    built.expect("what is translated can be built");
}

/// `key: value`; `\n` in a value is a line's end. The prefix may be left out.
fn annotations(text: &str) -> Annotations {
    let pairs = text.lines().filter_map(|line| line.split_once(": "));
    let named = pairs.map(|(key, value)| {
        let prefix = if key.contains('/') {
            ""
        } else {
            "haldane.dev/"
        };
        (format!("{prefix}{key}"), value.replace("\\n", "\n"))
    });
    named.collect()
}

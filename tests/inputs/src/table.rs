//! Route tables from outside: a part of one as a controller sends it, or a whole one as a file has it.

use haldane_routing::spec::TableSpec;
use haldane_routing::{RequestView, Table};
use haldane_wire::{Assembly, Encoded, proto};
use http::{HeaderMap, Method};
use prost::Message as _;
use std::net::{IpAddr, Ipv4Addr};

/// JSON where it is JSON, otherwise a part.
pub(crate) fn check(data: &[u8]) {
    if let Ok(table) = serde_json::from_slice::<TableSpec>(data) {
        check_table(&table);
        check_encoding(&table);
    } else if let Ok(part) = proto::Part::decode(data)
        && let Ok(Some(candidate)) = Assembly::default().accept(part)
    {
        check_table(&candidate.table());
    }
}

/// Built, or refused with a reason; and what was built can be asked.
fn check_table(spec: &TableSpec) {
    match Table::build(spec, None, 0) {
        Err(faults) => assert!(!faults.is_empty(), "refused for nothing"),
        Ok(table) => {
            let request = RequestView {
                method: &Method::GET,
                host: "a.example",
                path: "/a/b",
                query: Some("a=b"),
                headers: &HeaderMap::new(),
                source: IpAddr::V4(Ipv4Addr::LOCALHOST),
                country: None,
            };
            let _ = table.find(&request);
        }
    }
}

/// What can be sent is what comes out at the other end.
fn check_encoding(table: &TableSpec) {
    let Ok(encoded) = Encoded::new(table, None) else {
        return;
    };
    let again = Encoded::new(table, Some(&encoded)).expect("it was encoded before");
    assert_eq!(again.digest(), encoded.digest());
}

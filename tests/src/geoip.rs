//! A GeoIP database in MaxMind's format, made of a few IPv4 networks: what a proxy reads countries from.
//!
//! The format is at <https://maxmind.github.io/MaxMind-DB/>; only what a country database needs is written.

use std::net::Ipv4Addr;

/// Between the tree and the data.
const SEPARATOR: [u8; 16] = [0; 16];
/// Before the metadata.
const MARKER: &[u8] = b"\xab\xcd\xefMaxMind.com";
/// Bits of each of a node's two records.
const RECORD_BITS: u16 = 24;

/// Where a record leads.
#[derive(Clone, Copy)]
enum Record {
    Nowhere,
    Node(usize),
    /// An offset into the data.
    Data(usize),
}

/// The database in which `networks`, each an address and its number of leading bits, have these countries.
///
/// # Panics
/// When one network holds another.
pub fn database(networks: &[(Ipv4Addr, u8, &str)]) -> Vec<u8> {
    let mut tree = vec![[Record::Nowhere; 2]];
    let mut data = Vec::new();
    for (address, bits, country) in networks {
        insert(&mut tree, u32::from(*address), *bits, data.len());
        let inner = map(&[("iso_code", text(country))]);
        data.extend(map(&[("country", inner)]));
    }
    let mut file: Vec<u8> = tree
        .iter()
        .flatten()
        .flat_map(|record| written(*record, tree.len()))
        .collect();
    file.extend(SEPARATOR);
    file.extend(data);
    file.extend(MARKER);
    file.extend(metadata(tree.len()));
    file
}

fn insert(tree: &mut Vec<[Record; 2]>, address: u32, bits: u8, data: usize) {
    let mut node = 0;
    for depth in 0..bits {
        let side = (address >> (31 - depth) & 1) as usize;
        if depth + 1 == bits {
            tree[node][side] = Record::Data(data);
            return;
        }
        node = match tree[node][side] {
            Record::Node(next) => next,
            Record::Nowhere => {
                tree.push([Record::Nowhere; 2]);
                tree[node][side] = Record::Node(tree.len() - 1);
                tree.len() - 1
            }
            Record::Data(_) => panic!("one network holds another"),
        };
    }
}

fn written(record: Record, nodes: usize) -> [u8; 3] {
    let value = match record {
        Record::Nowhere => nodes,
        Record::Node(node) => node,
        Record::Data(offset) => nodes + SEPARATOR.len() + offset,
    };
    let [.., high, middle, low] = value.to_be_bytes();
    [high, middle, low]
}

fn metadata(nodes: usize) -> Vec<u8> {
    let short = |value: u16| [&[5 << 5 | 2], &value.to_be_bytes()[..]].concat();
    let nodes = u32::try_from(nodes)
        .expect("a test has few networks")
        .to_be_bytes();
    map(&[
        ("binary_format_major_version", short(2)),
        ("binary_format_minor_version", short(0)),
        // An unsigned 64-bit zero, and an empty list: types above 7 have a byte of their own.
        ("build_epoch", vec![0, 2]),
        ("languages", vec![0, 4]),
        ("database_type", text("Test-Country")),
        ("description", map(&[])),
        ("ip_version", short(4)),
        ("node_count", [&[6 << 5 | 4], &nodes[..]].concat()),
        ("record_size", short(RECORD_BITS)),
    ])
}

fn text(text: &str) -> Vec<u8> {
    // Up to 28 bytes fit into the control byte.
    let size = u8::try_from(text.len()).expect("a test writes short texts");
    [&[2 << 5 | size], text.as_bytes()].concat()
}

fn map(entries: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let size = u8::try_from(entries.len()).expect("a test writes small maps");
    let entries = entries
        .iter()
        .flat_map(|(key, value)| [text(key), value.clone()].concat());
    std::iter::once(7 << 5 | size).chain(entries).collect()
}

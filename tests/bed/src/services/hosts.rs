//! Names of Services, in a file that every program of a bed looks names up in.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{self, Seek as _, Write as _};
use std::net::IpAddr;
use std::path::Path;

/// What is always in it.
pub const ALWAYS: &str = "127.0.0.1 localhost\n::1 localhost\n";

/// Writes these names, each `name.namespace`, in every form that a cluster's DNS knows them by.
pub(super) fn write(file: &Path, names: &BTreeMap<String, Vec<IpAddr>>) -> io::Result<()> {
    let text = text(names);
    if std::fs::read_to_string(file).is_ok_and(|now| now == text) {
        return Ok(());
    }
    // It is mounted elsewhere, so it stays the same file; it is never empty, in case somebody reads it now.
    let mut file = OpenOptions::new().write(true).open(file)?;
    file.rewind()?;
    file.write_all(text.as_bytes())?;
    file.set_len(text.len() as u64)
}

fn text(names: &BTreeMap<String, Vec<IpAddr>>) -> String {
    let lines = names.iter().flat_map(|(name, addresses)| {
        addresses
            .iter()
            .map(move |address| format!("{address} {name} {name}.svc {name}.svc.cluster.local\n"))
    });
    ALWAYS.to_owned() + &lines.collect::<String>()
}

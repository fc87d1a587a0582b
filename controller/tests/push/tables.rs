//! Tables that differ in a word.

use haldane_routing::spec::{BackendSpec, TableSpec};
use haldane_wire::Generation;

pub(crate) fn generation(term: u64, number: u64) -> Generation {
    Generation { term, number }
}

/// A table of backends of these names.
pub(crate) fn table(names: &[&str]) -> TableSpec {
    let backend = |name: &&str| BackendSpec {
        name: (*name).to_owned(),
        ..BackendSpec::default()
    };
    TableSpec {
        backends: names.iter().map(backend).collect(),
        ..TableSpec::default()
    }
}

/// The names of its backends.
pub(crate) fn names(table: &TableSpec) -> Vec<&str> {
    let backends = table.backends.iter();
    backends.map(|backend| backend.name.as_str()).collect()
}

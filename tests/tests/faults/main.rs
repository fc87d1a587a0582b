//! What is broken on purpose, and what it may cost. Every request stands in a ledger (`haldane_tests::ledger`): what its
//! client saw, what the proxy logged, what backends did. A test's name begins with the number of its scenario, so that
//! `-- f03` runs one; `HALDANE_TEST_SCALE` makes all of them larger, and chance is had again with `HALDANE_TEST_SEED`.
//!
//! `docs/faults.md` says what is promised, and which scenarios stand in other suites because they need a cluster.

mod backends;
mod changes;
mod frames;
mod offsets;
mod overload;
mod restarts;
mod scarcity;
mod silence;
mod soak;
mod stand;

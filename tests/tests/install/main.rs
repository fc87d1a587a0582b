//! The Helm chart in a real cluster: installed, serving, upgraded under load, and with exactly the rights it uses.
//!
//! Runs where `KUBECONFIG` names a cluster or `tests/bed/build` has made a bed possible; needs `helm`, which the bed has.

mod chart;
mod rights;
mod shop;
mod traffic;

use haldane_tests::cluster::place;
use haldane_tests::cluster_tests;
use std::process::ExitCode;

fn main() -> ExitCode {
    place::main(&cluster_tests![
        traffic::serves_and_is_upgraded_without_a_failure,
        traffic::keeps_its_keys_over_upgrades,
        rights::in_all_namespaces_each_is_used,
        rights::in_some_namespaces_each_is_used,
    ])
}

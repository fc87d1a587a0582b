//! Release labs against a real API server: each releases something while clients count every answer.
//!
//! They run where `KUBECONFIG` names a cluster or `tests/bed/build` has made a bed possible, one after the other.

mod bed;
mod blue_green;
mod canary;
mod cohorts;
mod lab;
mod readiness;
mod rolling;
mod services;

use haldane_tests::cluster::place;
use haldane_tests::cluster_tests;
use std::process::ExitCode;

fn main() -> ExitCode {
    place::main(&cluster_tests![
        bed::a_deployment_becomes_ready_endpoints,
        bed::pods_get_what_they_ask_for,
        bed::probes_hooks_and_grace_are_honoured,
        rolling::lab_1_rolling_update,
        blue_green::lab_2_selector,
        blue_green::lab_3_active,
        canary::lab_4_canary,
        rolling::lab_5_undo,
        canary::lab_6_canary_ingress,
        cohorts::lab_7_cohorts,
        services::lab_8_services,
        readiness::lab_9_readiness,
        rolling::f04_updates_in_turn,
    ])
}

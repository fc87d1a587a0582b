//! Releases that nobody attends to: real pods behind real proxies, a controller that decides, and a real API server in which
//! it writes what it decided.
//!
//! Little by default; `HALDANE_TEST_SCALE=20` is the whole: twenty outages instead of one.

mod cleanup;
mod commands;
mod crash;
mod decisions;
mod hooks;
mod orders;
mod release;

use haldane_tests::cluster::place;
use haldane_tests::cluster_tests;
use std::process::ExitCode;

fn main() -> ExitCode {
    place::main(&cluster_tests![
        decisions::a_good_release_is_promoted_and_a_bad_one_aborted,
        decisions::a_total_outage_is_off_within_seconds,
        decisions::what_fails_fast_beside_what_fails_slowly_is_not_blamed,
        decisions::a_slow_release_is_caught_and_the_threshold_named,
        decisions::without_traffic_it_waits_and_says_for_what,
        orders::every_order_is_heeded_and_told,
        orders::a_canary_ingress_is_released,
        commands::every_command_is_heeded,
        hooks::a_step_waits_for_its_gate_and_decisions_are_told,
        cleanup::an_aborted_version_is_scaled_down_or_undone,
        crash::a_controller_that_is_killed_changes_nothing,
    ])
}

//! What becomes of traffic when the control plane changes, ends, freezes or is told nonsense. Real proxies follow real
//! controllers beside a real API server; only the backends are the test's.
//!
//! Little by default; `HALDANE_TEST_SCALE=20` is the whole: 200 changes among 1 000 routes, an API server that stands
//! still for 60 s, a leader that is frozen for 30 s. Times are printed and not asserted.

mod addresses;
mod api_server;
mod delay;
mod freeze;
mod mistakes;
mod orders;
mod outage;
mod shop;

use haldane_tests::cluster::place;
use haldane_tests::cluster_tests;
use std::process::ExitCode;

fn main() -> ExitCode {
    if std::env::var_os("KUBECONFIG").is_some() && std::env::var_os("HALDANE_IN_BED").is_none() {
        println!(
            "these tests stop the API server, so they need a bed of their own: unset KUBECONFIG"
        );
        return ExitCode::SUCCESS;
    }
    place::main(&cluster_tests![
        delay::annotations_are_live_on_every_proxy,
        mistakes::what_is_wrong_changes_nothing_else,
        freeze::no_proxy_takes_an_older_table,
        orders::each_is_written_for_the_version_that_is_meant,
        outage::traffic_survives_the_control_plane,
        addresses::a_controller_at_another_address_is_found,
    ])
}

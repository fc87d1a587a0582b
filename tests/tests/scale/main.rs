//! The largest cluster that Haldane is made for: 10 000 paths, 5 000 Services, 100 000 endpoints, 50 proxies.
//!
//! A twentieth of it by default; `HALDANE_TEST_SCALE=20` is the whole. Sizes in memory and on the wire are asserted,
//! times are printed: they mean something in a release build on a machine with nothing else to do.

mod crowd;
mod fill;
mod resync;
mod size;

use haldane_tests::cluster::place;
use haldane_tests::cluster_tests;
use std::process::ExitCode;

fn main() -> ExitCode {
    place::main(&cluster_tests![
        crowd::the_controller_stays_small,
        crowd::one_change_is_one_small_delta_for_every_proxy,
        resync::a_proxy_without_anything_is_ready_at_once,
    ])
}

//! Where a cluster comes from: `KUBECONFIG`, or a bed that this test binary moves into before its first test.

use crate::program;
use haldane_bed::outside;
use haldane_bed::programs::{HOW_TO_GET, Programs};
use libtest_mimic::{Arguments, Failed, Trial};
use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::LazyLock;
use tokio::runtime::Runtime;

/// A test of a cluster.
#[derive(Clone, Copy)]
pub struct Test {
    /// What it is called.
    pub name: &'static str,
    /// What it does.
    pub run: fn() -> futures_util::future::BoxFuture<'static, anyhow::Result<()>>,
}

/// A list of tests, each an `async fn` without arguments, called as it is written.
#[macro_export]
macro_rules! cluster_tests {
    ($($test:path),* $(,)?) => {
        [$($crate::cluster::place::Test {
            name: stringify!($test),
            run: || Box::pin($test()),
        }),*]
    };
}

/// One runtime for all tests: what one of them starts and others use must not end with it.
static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Runtime::new().expect("threads can be started"));

/// The `main` of a test binary: runs `tests` one after the other where there is a cluster, and passes where there is none.
pub fn main(tests: &[Test]) -> ExitCode {
    let mut arguments = Arguments::from_args();
    // They measure, and have one cluster.
    arguments.test_threads = Some(1);
    if !arguments.list && std::env::var_os("KUBECONFIG").is_none() {
        return move_into_bed();
    }
    let trials = tests.iter().map(trial).collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn trial(test: &Test) -> Trial {
    let run = test.run;
    Trial::test(test.name, move || {
        RUNTIME
            .block_on(run())
            .map_err(|error| Failed::from(format!("{error:#}")))
    })
}

/// Becomes the same test binary with the same arguments inside a new bed.
fn move_into_bed() -> ExitCode {
    if Programs::find().is_none() {
        println!("{HOW_TO_GET}");
        return ExitCode::SUCCESS;
    }
    let own = std::env::current_exe().expect("a program knows its path");
    let command: Vec<OsString> = std::iter::once(own.into())
        .chain(std::env::args_os().skip(1))
        .collect();
    if let Err(error) = outside::run(program::bed(), command) {
        eprintln!("{error:#}");
    }
    ExitCode::FAILURE
}

//! The bed's API server, which a test may freeze.

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process};
use std::path::Path;

/// An API server that stands still: connections stay, and nobody answers. It goes on when this is dropped.
pub(crate) struct Frozen(Pid);

/// Freezes it.
pub(crate) fn freeze() -> anyhow::Result<Frozen> {
    let pid = pid_of("kube-apiserver")?;
    kill_process(pid, Signal::STOP)?;
    Ok(Frozen(pid))
}

impl Drop for Frozen {
    fn drop(&mut self) {
        // It can have ended only with the bed.
        let _ = kill_process(self.0, Signal::CONT);
    }
}

/// The process of a program in this bed, which sees no others.
fn pid_of(program: &str) -> anyhow::Result<Pid> {
    for entry in std::fs::read_dir("/proc")? {
        let path = entry?.path();
        if is_of(&path, program) {
            let number = path
                .file_name()
                .and_then(|name| name.to_str()?.parse().ok());
            return number.and_then(Pid::from_raw).context("a process id");
        }
    }
    anyhow::bail!("no process runs {program}")
}

fn is_of(process: &Path, program: &str) -> bool {
    let command = std::fs::read(process.join("cmdline")).unwrap_or_default();
    let path = command.split(|byte| *byte == 0).next().unwrap_or_default();
    path.ends_with(format!("/{program}").as_bytes())
}

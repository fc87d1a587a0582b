//! Processes that cannot outlive the harness: each runs on its core, is ended when its owner is
//! dropped, and is ended by the kernel if the harness dies without dropping anything.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process, set_parent_process_death_signal};
use rustix::thread::{CpuSet, sched_setaffinity};

/// How long a process may take over ending when asked to: proxies finish connections first.
const END_WAIT_MAX: Duration = Duration::from_secs(3);

/// How often a process that is ending is looked at.
const END_LOOK_EVERY: Duration = Duration::from_millis(10);

/// How much of a process's log goes into an error message, in bytes.
const LOG_TAIL_BYTES: usize = 2_000;

/// A running process, ended on drop together with its children.
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command` on `core`; what it prints goes to the file `log`.
    ///
    /// # Errors
    /// If the log or the process cannot be created.
    pub(crate) fn start(core: usize, command: &[OsString], log: &Path) -> anyhow::Result<Process> {
        let output = File::create(log)?;
        let child = Command::new(std::env::current_exe()?)
            .args(["pinned", "--core", &core.to_string(), "--"])
            .args(command)
            .stdin(Stdio::null())
            .stderr(output.try_clone()?)
            .stdout(output)
            .spawn()
            .with_context(|| format!("starting {}", command[0].display()))?;
        Ok(Process {
            child,
            log: log.to_owned(),
        })
    }

    /// The process and all its descendants that live now.
    pub(crate) fn tree(&self) -> Vec<u32> {
        let mut tree = vec![self.child.id()];
        let mut next = 0;
        while let Some(&pid) = tree.get(next) {
            tree.extend(children_of(pid));
            next += 1;
        }
        tree
    }

    /// Whether the process has ended, by itself or not.
    pub(crate) fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// The end of what the process printed.
    pub(crate) fn log_tail(&self) -> String {
        let log = fs::read(&self.log).unwrap_or_default();
        let tail = &log[log.len().saturating_sub(LOG_TAIL_BYTES)..];
        String::from_utf8_lossy(tail).trim_end().to_owned()
    }

    fn wait_for_end(&mut self) -> bool {
        let deadline = Instant::now() + END_WAIT_MAX;
        while Instant::now() < deadline {
            if self.has_ended() {
                return true;
            }
            thread::sleep(END_LOOK_EVERY);
        }
        false
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let tree = self.tree();
        signal(self.child.id(), Signal::TERM);
        if !self.wait_for_end() {
            tree.into_iter().for_each(|pid| signal(pid, Signal::KILL));
            self.wait_for_end();
        }
    }
}

fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        // A process that has just ended by itself needs no signal.
        let _ = kill_process(pid, signal);
    }
}

fn children_of(pid: u32) -> Vec<u32> {
    let mut children = Vec::new();
    for task in fs::read_dir(format!("/proc/{pid}/task"))
        .into_iter()
        .flatten()
        .flatten()
    {
        let listed = fs::read_to_string(task.path().join("children")).unwrap_or_default();
        children.extend(
            listed
                .split_whitespace()
                .filter_map(|pid| pid.parse::<u32>().ok()),
        );
    }
    children
}

/// Turns this process into `command`, on `core`, to be ended with its parent. Returns only why not.
pub(crate) fn become_pinned(core: usize, command: &[OsString]) -> anyhow::Error {
    let set = || -> anyhow::Result<()> {
        pin(core)?;
        Ok(set_parent_process_death_signal(Some(Signal::TERM))?)
    };
    match set() {
        Ok(()) => Command::new(&command[0]).args(&command[1..]).exec().into(),
        Err(error) => error,
    }
}

/// Keeps this thread, and what it starts, on one core.
///
/// # Errors
/// If the machine has no such core.
pub(crate) fn pin(core: usize) -> anyhow::Result<()> {
    let mut cores = CpuSet::new();
    cores.set(core);
    sched_setaffinity(None, &cores).with_context(|| format!("staying on core {core}"))
}

/// A loopback address that was free a moment ago: peers take an address, not an open socket.
///
/// # Errors
/// If no port is free.
pub(crate) fn free_address() -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?)
}

/// The program of that name on the search path, `/usr/sbin` included: Debian puts servers there.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin")])
        .map(|directory| directory.join(name))
        .find(|program| program.is_file())
}

/// The first line a program prints when asked for its version, by whichever option it knows.
pub(crate) fn version_of(program: &OsStr, option: &str) -> Option<String> {
    let output = Command::new(program).arg(option).output().ok()?;
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&text)
        .lines()
        .next()
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_of_a_process_holds_its_children() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        assert!(children_of(std::process::id()).contains(&child.id()));
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

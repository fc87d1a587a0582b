//! A bed from outside: brought up in the background and taken down by whoever names its folder.
//!
//! The folder holds three small files while the bed is up: its process id, what it printed, and a kubeconfig, which
//! appears when the bed is ready.

use crate::daemon::tail;
use crate::namespace;
use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process};
use std::ffi::OsString;
use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The longest that a bed may take until it is ready: its parts have shorter limits and tell more.
const UP_MAX: Duration = Duration::from_secs(300);
/// The longest that it may take to be gone once killed.
const DOWN_MAX: Duration = Duration::from_secs(30);
/// How often is looked.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// The folder of a bed.
#[derive(Clone, Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// This one, which need not exist.
    pub fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// The administrator's kubeconfig, there once the bed is ready. Its address is inside the bed.
    pub fn kubeconfig(&self) -> PathBuf {
        self.0.join("kubeconfig")
    }

    fn pid_file(&self) -> PathBuf {
        self.0.join("pid")
    }

    fn log(&self) -> PathBuf {
        self.0.join("log")
    }

    /// The process that started the namespaces: everything inside dies with it. None where no bed is up.
    fn keeper(&self) -> Option<u32> {
        let pid = std::fs::read_to_string(self.pid_file())
            .ok()?
            .trim()
            .parse()
            .ok()?;
        // A process id is used again: whoever has it must be the one that was started here.
        let command = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let folder = self.0.to_string_lossy();
        String::from_utf8_lossy(&command)
            .contains(&*folder)
            .then_some(pid)
    }

    /// The first process inside.
    fn first(&self) -> Option<u32> {
        let keeper = self.keeper()?;
        let children = std::fs::read_to_string(format!("/proc/{keeper}/task/{keeper}/children"));
        children.ok()?.split_whitespace().next()?.parse().ok()
    }
}

/// Brings a bed up in the background and waits until it is ready.
///
/// # Errors
/// When it is up already, or not ready in time: with what it printed last.
pub fn up(folder: &Folder) -> anyhow::Result<()> {
    anyhow::ensure!(
        folder.keeper().is_none(),
        "a bed is up in {}",
        folder.0.display()
    );
    std::fs::create_dir_all(&folder.0)?;
    let absolute = Folder(folder.0.canonicalize()?);
    let log = File::create(absolute.log())?;
    let mut keeper = namespace::entering(&std::env::current_exe()?)
        .arg("inside")
        .arg("--folder")
        .arg(&absolute.0)
        .stdin(Stdio::null())
        .stderr(log.try_clone()?)
        .stdout(log)
        // The terminal's interrupts are not for it.
        .process_group(0)
        .spawn()
        .context("running `unshare`")?;
    std::fs::write(absolute.pid_file(), keeper.id().to_string())?;
    wait(UP_MAX, || {
        absolute.kubeconfig().exists() || matches!(keeper.try_wait(), Ok(Some(_)))
    });
    if absolute.kubeconfig().exists() {
        return Ok(());
    }
    // What is half up is of no use.
    let _ = keeper.kill();
    let _ = keeper.wait();
    anyhow::bail!("the bed is not ready:\n{}", tail(&absolute.log()))
}

/// Takes a bed down and removes its files; the folder too, if nothing else is in it. Nothing to do where none is up.
///
/// # Errors
/// When it is not gone in time, or files cannot be removed.
pub fn down(folder: &Folder) -> anyhow::Result<()> {
    let folder = match folder.0.canonicalize() {
        Ok(path) => Folder(path),
        Err(_) => return Ok(()),
    };
    if let Some(keeper) = folder.keeper() {
        let pid = Pid::from_raw(keeper.try_into()?).context("a process id is not 0")?;
        kill_process(pid, Signal::KILL)?;
        wait(DOWN_MAX, || folder.keeper().is_none());
        anyhow::ensure!(folder.keeper().is_none(), "process {keeper} does not end");
    }
    for file in [folder.kubeconfig(), folder.pid_file(), folder.log()] {
        if file.exists() {
            std::fs::remove_file(file)?;
        }
    }
    // Not empty: somebody keeps things of their own there.
    let _ = std::fs::remove_dir(&folder.0);
    Ok(())
}

/// Becomes `command` inside a bed that is up, with its kubeconfig; a shell where no command is given.
///
/// # Errors
/// When there is no bed, or the command cannot be run.
pub fn enter(folder: &Folder, command: Vec<OsString>) -> anyhow::Result<()> {
    let folder = Folder(folder.0.canonicalize().context("no bed is up there")?);
    let first = folder.first().context("no bed is up there")?;
    let command = if command.is_empty() {
        vec!["sh".into()]
    } else {
        command
    };
    let mut joining = namespace::joining(first, command);
    joining.env("KUBECONFIG", folder.kubeconfig());
    Err(joining.exec()).context("running `nsenter`")
}

/// Becomes `command` as the only user of a new bed, which is gone when the command has ended.
///
/// # Errors
/// When `unshare` cannot be run.
pub fn run(bed: &Path, command: Vec<OsString>) -> anyhow::Result<()> {
    let mut entering: Command = namespace::entering(bed);
    entering.arg("inside").arg("--").args(command);
    Err(entering.exec()).context("running `unshare`")
}

fn wait(limit: Duration, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() && begun.elapsed() < limit {
        std::thread::sleep(LOOK_AGAIN);
    }
}

//! A running program: what it prints is kept line by line and can be waited for; it ends with the value that holds it.

use crate::{program, within};
use anyhow::Context as _;
use rustix::process::{Pid, Resource, getrlimit, kill_process, setrlimit};
use std::ffi::OsStr;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;

pub use rustix::process::Signal;

/// A child process.
pub struct Process {
    child: Child,
    stdout: watch::Receiver<Vec<String>>,
    stderr: watch::Receiver<Vec<String>>,
}

/// How many lines there were at a moment: a wait from it on does not see them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mark(usize);

/// What a program that ended has printed.
#[derive(Debug)]
pub struct Finished {
    /// How it ended.
    pub status: ExitStatus,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

/// Lets this process have as many descriptors as its system allows, where a test needs many.
pub fn raise_descriptors() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // Where it is not allowed, a test that needs more says what it lacks.
    let _ = setrlimit(Resource::Nofile, limit);
}

/// Runs `haldane` with `args` to its end.
///
/// # Errors
/// When it cannot be started, or does not end in time.
pub async fn run<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> anyhow::Result<Finished> {
    let mut command = Command::new(program::haldane());
    command.args(args).stdin(Stdio::null()).kill_on_drop(true);
    let output = within("haldane to end", command.output()).await??;
    Ok(Finished {
        status: output.status,
        stdout: String::from_utf8(output.stdout)?,
        stderr: String::from_utf8(output.stderr)?,
    })
}

impl Process {
    /// Starts `haldane` with `args`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> anyhow::Result<Self> {
        Self::start_program(program::haldane(), args)
    }

    /// Starts a program with `args`; what it prints has no colours.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start_program<A: AsRef<OsStr>>(
        program: &Path,
        args: impl IntoIterator<Item = A>,
    ) -> anyhow::Result<Self> {
        let mut child = Command::new(program)
            .args(args)
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let stdout = child.stdout.take().context("stdout is piped")?;
        let stderr = child.stderr.take().context("stderr is piped")?;
        Ok(Self {
            child,
            stdout: lines(stdout),
            stderr: lines(stderr),
        })
    }

    /// Now, on standard output.
    pub fn mark(&self) -> Mark {
        Mark(self.stdout.borrow().len())
    }

    /// Now, on standard error.
    pub fn mark_errors(&self) -> Mark {
        Mark(self.stderr.borrow().len())
    }

    /// The first line on standard output after `mark` that starts with `prefix`.
    ///
    /// # Errors
    /// When the program ends or the time is up before.
    pub async fn line(&self, mark: Mark, prefix: &str) -> anyhow::Result<String> {
        let found = find(&self.stdout, mark, |line| line.starts_with(prefix)).await;
        let found = found.map(|(_, line)| line);
        found.with_context(|| format!("no line {prefix:?}; {}", self.printed()))
    }

    /// Whether a line on standard output after `mark` that starts with `prefix` is there already.
    pub fn has_line(&self, mark: Mark, prefix: &str) -> bool {
        let lines = self.stdout.borrow();
        lines
            .iter()
            .skip(mark.0)
            .any(|line| line.starts_with(prefix))
    }

    /// Behind the first line on standard output after `mark` that contains `part`.
    ///
    /// # Errors
    /// As [`Process::line`].
    pub async fn after(&self, mark: Mark, part: &str) -> anyhow::Result<Mark> {
        let found = find(&self.stdout, mark, |line| line.contains(part)).await;
        let (index, _) =
            found.with_context(|| format!("no line with {part:?}; {}", self.printed()))?;
        Ok(Mark(index + 1))
    }

    /// The first line on standard error after `mark` that contains `part`.
    ///
    /// # Errors
    /// As [`Process::line`].
    pub async fn error_line(&self, mark: Mark, part: &str) -> anyhow::Result<String> {
        let found = find(&self.stderr, mark, |line| line.contains(part)).await;
        let found = found.map(|(_, line)| line);
        found.with_context(|| format!("no line with {part:?}; {}", self.printed()))
    }

    /// All lines on standard error so far.
    pub fn errors(&self) -> Vec<String> {
        self.stderr.borrow().clone()
    }

    /// All lines on standard output so far.
    pub fn stdout(&self) -> Vec<String> {
        self.stdout.borrow().clone()
    }

    /// Everything printed so far, to explain a failure with.
    pub fn printed(&self) -> String {
        let (out, err) = (self.stdout.borrow(), self.stderr.borrow());
        format!("stdout:\n{}\nstderr:\n{}", out.join("\n"), err.join("\n"))
    }

    /// Asks the program to end.
    ///
    /// # Errors
    /// When it has ended.
    pub fn terminate(&self) -> anyhow::Result<()> {
        self.signal(Signal::TERM)
    }

    /// Sends the program a signal.
    ///
    /// # Errors
    /// When it has ended.
    pub fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let id = Pid::from_raw(self.id()?.try_into()?).context("a process id is not 0")?;
        Ok(kill_process(id, signal)?)
    }

    /// Its process id.
    ///
    /// # Errors
    /// When it has ended.
    pub fn id(&self) -> anyhow::Result<u32> {
        self.child.id().context("the program has ended")
    }

    /// Ends the program at once, as a machine that is lost does, and waits until it is gone.
    ///
    /// # Errors
    /// When it has ended before.
    pub async fn kill(&mut self) -> anyhow::Result<()> {
        Ok(within("the program to be gone", self.child.kill()).await??)
    }

    /// Waits for the end.
    ///
    /// # Errors
    /// When the time is up.
    pub async fn ended(&mut self) -> anyhow::Result<ExitStatus> {
        let ended = within("the program to end", self.child.wait()).await;
        Ok(ended.with_context(|| self.printed())??)
    }

    /// Whether it still runs.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn is_running(&mut self) -> anyhow::Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }
}

fn lines(pipe: impl AsyncRead + Send + Unpin + 'static) -> watch::Receiver<Vec<String>> {
    let (sender, receiver) = watch::channel(Vec::new());
    tokio::spawn(async move {
        let mut lines = BufReader::new(pipe).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            sender.send_modify(|all| all.push(line));
        }
    });
    receiver
}

async fn find(
    lines: &watch::Receiver<Vec<String>>,
    mark: Mark,
    wanted: impl Fn(&str) -> bool,
) -> anyhow::Result<(usize, String)> {
    let mut lines = lines.clone();
    let position = |all: &Vec<String>| all.iter().skip(mark.0).position(|line| wanted(line));
    let all = within("a line", lines.wait_for(|all| position(all).is_some())).await??;
    let index = mark.0 + position(&all).context("the line was there")?;
    Ok((index, all[index].clone()))
}

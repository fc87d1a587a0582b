//! A long-running program of the bed: its output goes to a file, and a wait that fails shows the end of it.

use anyhow::Context as _;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::process::{Child, Command};

/// How often a condition is looked at again: far below what the conditions take.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// How much of a log explains a failure.
const TAIL_LINES: usize = 20;

/// One running program. It ends with this value.
#[derive(Debug)]
pub struct Daemon {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Daemon {
    /// Starts `program`, which is called `name` here, and logs into `logs`.
    ///
    /// # Errors
    /// When it cannot be started or its log cannot be written.
    pub fn start(name: &str, program: &Path, args: &[String], logs: &Path) -> anyhow::Result<Self> {
        let log = logs.join(format!("{name}.log"));
        let output = File::create(&log).with_context(|| format!("creating {}", log.display()))?;
        let child = Command::new(program)
            .args(args)
            .stdin(Stdio::null())
            .stderr(output.try_clone()?)
            .stdout(output)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("starting {}", program.display()))?;
        let name = name.to_owned();
        Ok(Self { name, child, log })
    }

    /// Waits until `is_so` holds.
    ///
    /// # Errors
    /// When it does not within `limit`, or the program ends before: with the end of its log.
    pub async fn wait_until(
        &mut self,
        what: &str,
        limit: Duration,
        mut is_so: impl AsyncFnMut() -> bool,
    ) -> anyhow::Result<()> {
        let begun = Instant::now();
        while !is_so().await {
            let ended = self.child.try_wait()?;
            if ended.is_some() || begun.elapsed() > limit {
                let how =
                    ended.map_or("still runs".to_owned(), |status| format!("ended: {status}"));
                anyhow::bail!("{} is not {what}; it {how}\n{}", self.name, tail(&self.log));
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        Ok(())
    }
}

/// The last lines of a file.
pub fn tail(log: &Path) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, logs: &Path) -> Daemon {
        let args = ["-c".to_owned(), script.to_owned()];
        Daemon::start("shell", Path::new("/bin/sh"), &args, logs).unwrap()
    }

    #[tokio::test]
    async fn a_wait_for_a_program_that_ends_shows_its_log() {
        let logs = tempfile::tempdir().unwrap();
        let mut daemon = shell("echo no such flag; exit 3", logs.path());
        let limit = Duration::from_secs(30);
        let error = daemon.wait_until("ready", limit, async || false).await;
        let error = error.unwrap_err().to_string();
        assert!(error.contains("exit status: 3\nno such flag"), "{error}");
    }

    #[tokio::test]
    async fn a_wait_has_an_end() {
        let logs = tempfile::tempdir().unwrap();
        let mut daemon = shell("exec sleep 1000", logs.path());
        let error = daemon
            .wait_until("ready", Duration::ZERO, async || false)
            .await;
        let error = error.unwrap_err().to_string();
        assert!(
            error.contains("shell is not ready; it still runs"),
            "{error}"
        );
    }
}

//! Namespaces of a bed's own: how they are entered, and what makes them habitable.

use crate::network;
use anyhow::Context as _;
use rustix::mount::{MountFlags, mount, mount_bind};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where a bed keeps everything: a memory file system, mounted in the bed's own mount namespace over a folder that every
/// Linux has. It is gone when the bed is, and whoever looks from outside never sees it.
pub const STATE: &str = "/run";
/// Where names of Services are looked up.
const HOSTS: &str = "/etc/hosts";

/// `program` in new namespaces: network, processes and mounts, with its own `/proc`. All of it dies with the process that
/// runs this command.
pub fn entering(program: &Path) -> Command {
    let mut command = Command::new("unshare");
    if !rustix::process::geteuid().is_root() {
        command.arg("--map-root-user");
    }
    command.args([
        "--net",
        "--pid",
        "--mount",
        "--mount-proc",
        "--fork",
        "--kill-child",
        "--",
    ]);
    command.arg(program);
    command
}

/// `command` in the namespaces of the process `pid`.
pub fn joining<A: AsRef<OsStr>>(pid: u32, command: impl IntoIterator<Item = A>) -> Command {
    let mut nsenter = Command::new("nsenter");
    nsenter.args(["--target", &pid.to_string()]);
    nsenter.args(["--net", "--pid", "--mount", "--"]);
    nsenter.args(command);
    nsenter
}

/// Brings addresses up and puts files where they belong. To be called once, inside.
///
/// # Errors
/// When a step is refused; it says which.
pub fn prepare() -> anyhow::Result<()> {
    for args in [
        ["link", "set", "lo", "up"].as_slice(),
        &["route", "add", "local", network::PODS, "dev", "lo"],
        &["route", "add", "local", network::SERVICES, "dev", "lo"],
    ] {
        ip(args)?;
    }
    // As in a container: programs that are not root may bind port 80.
    let low_ports = "/proc/sys/net/ipv4/ip_unprivileged_port_start";
    std::fs::write(low_ports, "0").with_context(|| format!("writing {low_ports}"))?;
    mount("bed", STATE, "tmpfs", MountFlags::empty(), None)
        .with_context(|| format!("mounting over {STATE}"))?;
    own_hosts()
}

fn ip(args: &[&str]) -> anyhow::Result<()> {
    let output = Command::new("ip")
        .args(args)
        .output()
        .context("running `ip`")?;
    let error = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(output.status.success(), "ip {}: {error}", args.join(" "));
    Ok(())
}

fn own_hosts() -> anyhow::Result<()> {
    let own = hosts();
    std::fs::write(&own, crate::services::hosts::ALWAYS)?;
    mount_bind(&own, HOSTS).context("mounting over /etc/hosts")
}

/// The file that `/etc/hosts` is inside.
pub fn hosts() -> PathBuf {
    Path::new(STATE).join("hosts")
}

//! How a process becomes a container's program: in a mount namespace of its own it builds a root of the machine's
//! programs and libraries, Haldane's programs and the Pod's volumes, moves into it, and runs what it is told.

use anyhow::Context as _;
use rustix::mount::{MountFlags, mount_bind, mount_bind_recursive, mount_remount};
use std::ffi::OsString;
use std::fs::File;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr;

/// What every container sees of the machine: enough to run a program that is linked against its libraries.
const MACHINE: [&str; 15] = [
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib64",
    "/dev",
    "/proc",
    "/sys",
    "/etc/hosts",
    "/etc/resolv.conf",
    "/etc/ssl",
    "/etc/passwd",
    "/etc/group",
    "/etc/nsswitch.conf",
    "/etc/ld.so.cache",
];

/// A container's root and who runs what in it.
#[derive(Debug, clap::Args)]
pub struct Containment {
    /// An empty folder that becomes the root.
    #[arg(long)]
    root: PathBuf,
    /// What else is in it.
    #[arg(long)]
    bind: Vec<Bind>,
    /// Nothing outside of mounts can be written.
    #[arg(long)]
    read_only: bool,
    /// Who runs the program.
    #[arg(long)]
    user: Option<u32>,
    /// As a member of which group.
    #[arg(long)]
    group: Option<u32>,
    /// Where.
    #[arg(long, default_value = "/")]
    directory: PathBuf,
    /// The program and its arguments.
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

/// A file or folder that appears elsewhere: written `SOURCE:TARGET`, or `SOURCE:TARGET:ro`.
#[derive(Clone, Debug)]
pub(super) struct Bind {
    pub(super) source: PathBuf,
    pub(super) target: PathBuf,
    pub(super) read_only: bool,
}

impl FromStr for Bind {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (text, read_only) = match text.strip_suffix(":ro") {
            Some(text) => (text, true),
            None => (text, false),
        };
        let (source, target) = text.split_once(':').ok_or("no SOURCE:TARGET")?;
        Ok(Self {
            source: source.into(),
            target: target.into(),
            read_only,
        })
    }
}

impl Bind {
    /// As it is parsed.
    pub(super) fn written(&self) -> String {
        let mode = if self.read_only { ":ro" } else { "" };
        format!("{}:{}{mode}", self.source.display(), self.target.display())
    }

    fn machine(path: &str) -> Self {
        Self {
            source: path.into(),
            target: path.into(),
            read_only: false,
        }
    }

    /// Mounts it below `root`.
    fn mount(&self, root: &Path) -> anyhow::Result<()> {
        let target = below(root, &self.target);
        make_target(&self.source, &target)?;
        mount_bind_recursive(&self.source, &target)
            .with_context(|| format!("mounting {}", self.written()))?;
        if self.read_only {
            mount_remount(&target, MountFlags::BIND | MountFlags::RDONLY, "")?;
        }
        Ok(())
    }
}

/// Becomes the program, contained.
///
/// # Errors
/// When a step is refused; it says which. There is no other way to return.
pub fn become_contained(containment: &Containment) -> anyhow::Result<()> {
    let root = &containment.root;
    // What is remounted must be a mount.
    mount_bind(root, root).context("mounting the root")?;
    MACHINE.iter().try_for_each(|path| show(path, root))?;
    // Without it the C library takes only the first address of a name that has several. The container's own: a program
    // that reads the machine's while it is written again sees it empty, and keeps to what it saw.
    std::fs::write(root.join("etc/host.conf"), "multi on\n").context("writing host.conf")?;
    let mut binds: Vec<&Bind> = containment.bind.iter().collect();
    // What is mounted inside of another mount comes after it.
    binds.sort_by_key(|bind| bind.target.components().count());
    binds.into_iter().try_for_each(|bind| bind.mount(root))?;
    if containment.read_only {
        mount_remount(root, MountFlags::BIND | MountFlags::RDONLY, "")
            .context("a read-only root")?;
    }
    std::os::unix::fs::chroot(root).context("changing the root")?;
    std::env::set_current_dir(&containment.directory).context("changing the folder")?;
    let error = containment.command().exec();
    Err(error).with_context(|| format!("running {}", containment.command[0].to_string_lossy()))
}

impl Containment {
    fn command(&self) -> Command {
        let mut command = Command::new(&self.command[0]);
        command.args(&self.command[1..]);
        // The group first: whoever is not root any more cannot change it.
        if let Some(group) = self.group.or(self.user) {
            command.gid(group);
        }
        if let Some(user) = self.user {
            command.uid(user);
        }
        command
    }
}

/// Shows a part of the machine where it has one; links stay links.
fn show(path: &str, root: &Path) -> anyhow::Result<()> {
    let source = Path::new(path);
    if let Ok(target) = std::fs::read_link(source) {
        // A container that starts again has it.
        let _ = symlink(target, below(root, source));
        return Ok(());
    }
    if source.exists() {
        Bind::machine(path).mount(root)
    } else {
        Ok(())
    }
}

fn below(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

/// Something of the same kind to mount over.
fn make_target(source: &Path, target: &Path) -> anyhow::Result<()> {
    if target.exists() {
        return Ok(());
    }
    let folder = if source.is_dir() {
        Some(target)
    } else {
        target.parent()
    };
    if let Some(folder) = folder {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("creating {}", folder.display()))?;
    }
    if !source.is_dir() {
        File::create(target).with_context(|| format!("creating {}", target.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bind_reads_as_it_is_written() {
        for text in ["/a:/b", "/a/b:/c:ro"] {
            assert_eq!(text.parse::<Bind>().unwrap().written(), text);
        }
        assert!("/a".parse::<Bind>().is_err());
    }
}

//! How a container's program is started: image, command and arguments, environment, mounts and user, as one command.

use super::contain::Bind;
use super::environment::Environment;
use super::image::{Image, NAMES, PROGRAMS};
use super::resolve::Resolver;
use super::{Host, volume};
use anyhow::Context as _;
use k8s_openapi::api::core::v1::{Container, VolumeMount};
use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::process::{Child, Command};

/// A container that can be started, any number of times.
#[derive(Clone, Debug)]
pub(super) struct Launch {
    /// Options of `haldane-bed contain`.
    options: Vec<String>,
    command: Vec<String>,
    environment: Environment,
    log: PathBuf,
}

/// Why a container cannot be started.
#[derive(Debug)]
pub(super) struct Refused {
    /// As the API calls it.
    pub(super) reason: &'static str,
    pub(super) message: String,
}

impl Launch {
    /// That of `container`, whose Pod's files are in `folder`.
    ///
    /// # Errors
    /// When its image is unknown, or it refers to what is not there.
    pub(super) async fn of(
        container: &Container,
        resolver: &Resolver,
        host: &Host,
        folder: &Path,
    ) -> Result<Self, Refused> {
        let reference = container.image.as_deref().unwrap_or_default();
        let image = Image::find(reference).ok_or_else(|| Refused {
            reason: "ErrImagePull",
            message: format!("the bed has no program for the image {reference:?}"),
        })?;
        let prepared = async {
            let environment = Environment::of(container, resolver).await?;
            Ok(Self {
                options: options(container, resolver, host, folder)?,
                command: command(container, &image, &environment, resolver),
                environment,
                log: log(folder, &container.name),
            })
        };
        prepared.await.map_err(|error: anyhow::Error| Refused {
            reason: "CreateContainerConfigError",
            message: format!("{error:#}"),
        })
    }

    /// The container's environment.
    pub(super) fn environment(&self) -> &Environment {
        &self.environment
    }

    /// Starts it. It ends with the value, whatever it does.
    ///
    /// # Errors
    /// When the machine refuses.
    pub(super) fn start(&self) -> anyhow::Result<Child> {
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.log)?;
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "--"])
            .arg(std::env::current_exe()?)
            .arg("contain")
            .args(&self.options)
            .arg("--")
            .args(&self.command)
            .env_clear()
            .envs(self.environment.iter())
            .stdin(Stdio::null())
            .stderr(log.try_clone()?)
            .stdout(log)
            .kill_on_drop(true);
        command.spawn().context("running `unshare`")
    }
}

/// Where a container's output goes.
pub(super) fn log(folder: &Path, container: &str) -> PathBuf {
    folder.join(format!("{container}.log"))
}

fn command(
    container: &Container,
    image: &Image,
    environment: &Environment,
    resolver: &Resolver,
) -> Vec<String> {
    let own = container
        .command
        .clone()
        .filter(|command| !command.is_empty());
    let args = container.args.clone().filter(|args| !args.is_empty());
    // A command of one's own does not get the image's arguments.
    let default_args = if own.is_none() {
        image.args.clone()
    } else {
        Vec::new()
    };
    let program = own.unwrap_or_else(|| vec![image.program.clone()]);
    let words = program.into_iter().chain(args.unwrap_or(default_args));
    words
        .map(|word| resolver.localize(&environment.expand(&word)))
        .collect()
}

fn options(
    container: &Container,
    resolver: &Resolver,
    host: &Host,
    folder: &Path,
) -> anyhow::Result<Vec<String>> {
    let root = folder.join(format!("root-{}", container.name));
    std::fs::create_dir_all(root.join("tmp"))?;
    let mut options = vec![format!("--root={}", root.display())];
    let binds = programs(host).chain(mounts(container, folder));
    options.extend(binds.map(|bind| format!("--bind={}", bind.written())));
    options.extend(user(container, resolver));
    if let Some(directory) = &container.working_dir {
        options.push(format!("--directory={directory}"));
    }
    Ok(options)
}

/// Haldane's programs, as far as they are built.
fn programs(host: &Host) -> impl Iterator<Item = Bind> {
    let binds = NAMES.iter().map(|name| Bind {
        source: host.haldane.join(name),
        target: Path::new(PROGRAMS).join(name),
        read_only: false,
    });
    binds.filter(|bind| bind.source.is_file())
}

fn mounts(container: &Container, folder: &Path) -> impl Iterator<Item = Bind> {
    let folder = volumes(folder);
    let mounts = container.volume_mounts.iter().flatten();
    mounts.map(move |mount| Bind {
        source: source(&folder, mount),
        target: (&mount.mount_path).into(),
        read_only: mount.read_only.unwrap_or(false),
    })
}

/// Where a Pod's volumes are.
pub(super) fn volumes(folder: &Path) -> PathBuf {
    folder.join("volumes")
}

fn source(volumes: &Path, mount: &VolumeMount) -> PathBuf {
    let volume = volume::path(volumes, &mount.name);
    match &mount.sub_path {
        Some(part) => volume.join(part),
        None => volume,
    }
}

/// Who runs it: what the container says, or else the Pod.
fn user(container: &Container, resolver: &Resolver) -> Vec<String> {
    let spec = resolver.pod().spec.as_ref();
    let pod = spec
        .and_then(|spec| spec.security_context.clone())
        .unwrap_or_default();
    let own = container.security_context.clone().unwrap_or_default();
    let user = own
        .run_as_user
        .or(pod.run_as_user)
        .map(|user| format!("--user={user}"));
    let group = own
        .run_as_group
        .or(pod.run_as_group)
        .map(|group| format!("--group={group}"));
    let read_only = own.read_only_root_filesystem.unwrap_or(false);
    let read_only = read_only.then(|| "--read-only".to_owned());
    [user, group, read_only].into_iter().flatten().collect()
}

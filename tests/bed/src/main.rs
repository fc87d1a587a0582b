//! `haldane-bed`: a Kubernetes cluster of local processes, for tests and for trying the labs by hand.

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use haldane_bed::inside::Bed;
use haldane_bed::kubelet::contain::{self, Containment};
use haldane_bed::outside::{self, Folder};
use haldane_bed::programs::{HOW_TO_GET, Programs};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tokio::process::Command;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// A Kubernetes cluster of local processes.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Brings a bed up in the background.
    Up {
        /// Where its process id, log and kubeconfig are.
        #[arg(long)]
        dir: PathBuf,
    },
    /// Takes it down; nothing is left.
    Down {
        /// As for `up`.
        #[arg(long)]
        dir: PathBuf,
    },
    /// Runs a command inside a bed that is up, or a shell.
    Enter {
        /// As for `up`.
        #[arg(long)]
        dir: PathBuf,
        /// What to run.
        #[arg(last = true)]
        command: Vec<OsString>,
    },
    /// Brings a bed up, runs a command inside, takes the bed down.
    Run {
        /// What to run; KUBECONFIG names the cluster.
        #[arg(last = true, required = true)]
        command: Vec<OsString>,
    },
    /// The first process inside.
    #[command(hide = true)]
    Inside {
        #[arg(long)]
        folder: Option<PathBuf>,
        #[arg(last = true)]
        command: Vec<OsString>,
    },
    /// The first process of a container.
    #[command(hide = true)]
    Contain(Containment),
}

fn main() -> anyhow::Result<ExitCode> {
    match Args::parse().verb {
        Verb::Up { dir } => up(dir)?,
        Verb::Down { dir } => outside::down(&Folder::new(dir))?,
        Verb::Enter { dir, command } => outside::enter(&Folder::new(dir), command)?,
        Verb::Run { command } => {
            Programs::find().context(HOW_TO_GET)?;
            outside::run(&std::env::current_exe()?, command)?;
        }
        Verb::Inside { folder, command } => return inside(folder, command),
        Verb::Contain(containment) => contain::become_contained(&containment)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn up(dir: PathBuf) -> anyhow::Result<()> {
    Programs::find().context(HOW_TO_GET)?;
    let folder = Folder::new(dir.clone());
    outside::up(&folder)?;
    let dir = dir.display();
    println!("KUBECONFIG={}", folder.kubeconfig().display());
    println!("enter:  haldane-bed enter --dir {dir} [-- kubectl get pods]");
    println!("end:    haldane-bed down --dir {dir}");
    Ok(())
}

#[tokio::main]
async fn inside(folder: Option<PathBuf>, command: Vec<OsString>) -> anyhow::Result<ExitCode> {
    tracing_subscriber::fmt()
        // The client tells of every attempt while the API server starts.
        .with_env_filter(EnvFilter::new("warn,kube_client=off"))
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .init();
    // The first process of a namespace is not ended by a signal that it does not wait for.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let bring_up_and_use = async {
        let programs = Programs::find().context(HOW_TO_GET)?;
        let bed = Bed::up(&programs, haldane_folder()?).await?;
        eprintln!("the bed is ready after {:.1} s", bed.took.as_secs_f64());
        match folder {
            Some(folder) => keep(&bed, &folder).await,
            None => run(&bed, &programs, command).await,
        }
    };
    tokio::select! {
        code = bring_up_and_use => code,
        _ = terminate.recv() => Ok(ExitCode::FAILURE),
        _ = interrupt.recv() => Ok(ExitCode::FAILURE),
    }
}

/// Haldane's programs are built beside this one.
fn haldane_folder() -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe()?;
    Ok(own.parent().context("a program is in a folder")?.to_owned())
}

/// Tells those outside that the bed is ready, and stays until killed.
async fn keep(bed: &Bed, folder: &Path) -> anyhow::Result<ExitCode> {
    let draft = folder.join("kubeconfig.new");
    std::fs::copy(bed.kubeconfig(), &draft)?;
    std::fs::rename(draft, folder.join("kubeconfig"))?;
    std::future::pending().await
}

async fn run(bed: &Bed, programs: &Programs, command: Vec<OsString>) -> anyhow::Result<ExitCode> {
    let (program, args) = command.split_first().context("no command")?;
    let status = Command::new(program)
        .args(args)
        .env("KUBECONFIG", bed.kubeconfig())
        .env("PATH", path_with(programs.folder())?)
        .env("HALDANE_IN_BED", "1")
        .kill_on_drop(true)
        .status()
        .await
        .with_context(|| format!("running {}", program.to_string_lossy()))?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

/// With the bed's own kubectl and helm before all others.
fn path_with(folder: &Path) -> anyhow::Result<OsString> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let all = std::iter::once(folder.to_owned()).chain(std::env::split_paths(&path));
    Ok(std::env::join_paths(all)?)
}

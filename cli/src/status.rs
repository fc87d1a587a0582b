//! `haldane status`: how rollouts stand, which generation each proxy runs, and whether what was asked for is live.
//!
//! Asks a controller's admin port, or reads what the controller wrote into the cluster; changes nothing.

mod admin;
mod cluster;
mod table;
mod watch;

use crate::cluster::{Access, Named};
use crate::output::Output;
use haldane_rollout::report::RolloutReport;
use jiff::Timestamp;
use serde::Serialize;
use std::fmt::{self, Write as _};
use std::net::SocketAddr;
use std::process::ExitCode;
use table::Table;

/// Arguments of `haldane status`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// An Ingress or a Service, as NAMESPACE/NAME, or NAME alone; everything that is served where not given.
    object: Option<Named>,
    /// The admin port of the controller that leads; without it, the cluster is asked.
    #[arg(long, conflicts_with_all = ["kubeconfig", "context"])]
    controller_admin: Option<SocketAddr>,
    #[command(flatten)]
    access: Access,
    /// Go on showing it, until it is interrupted.
    #[arg(short, long)]
    watch: bool,
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// What is printed.
#[derive(Debug, Default, Serialize)]
struct Report {
    /// The newest table, and the newest that every proxy has; known to the controller alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    generation: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    live: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    proxies: Vec<Proxy>,
    objects: Vec<Object>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    rollouts: Vec<RolloutReport>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    problems: Vec<String>,
}

/// A proxy, and the generation it runs.
#[derive(Debug, Serialize)]
struct Proxy {
    name: String,
    applied: Option<String>,
    rejected: Option<String>,
}

/// An object, and how far its rules have come.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Object {
    object: String,
    generation: Option<String>,
    live: bool,
    /// How many proxies have it, such as `3/3`.
    proxies: String,
    problems: u64,
    held: bool,
}

impl Report {
    /// Whether there is anything, and all of it is live.
    fn is_live(&self) -> bool {
        !self.objects.is_empty() && self.objects.iter().all(|object| object.live)
    }
}

/// Prints the status; fails unless everything that was asked about is live.
pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let look = || runtime.block_on(report(args));
    if args.watch {
        watch::watch(|| shown(&look()?, args))?;
        return Ok(ExitCode::SUCCESS);
    }
    let report = look()?;
    if report.objects.is_empty() {
        eprintln!("the controller has said nothing about it: it is not served");
    }
    print!("{}", shown(&report, args)?);
    Ok(if report.is_live() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn report(args: &Args) -> anyhow::Result<Report> {
    let namespace = args.access.namespace.as_deref();
    match args.controller_admin {
        Some(address) => admin::report(address, args.object.as_ref(), namespace).await,
        None => {
            let cluster = args.access.cluster().await?;
            cluster::report(&cluster, args.object.as_ref(), namespace).await
        }
    }
}

fn shown(report: &Report, args: &Args) -> anyhow::Result<String> {
    let mut shown = String::new();
    match args.output {
        Output::Text => {
            let table = Table {
                rollouts: &report.rollouts,
                detailed: args.object.is_some(),
                now: Timestamp::now(),
            };
            write!(shown, "{table}{report}")?;
        }
        // A document on a line where there are many of them.
        Output::Json if args.watch => writeln!(shown, "{}", serde_json::to_string(report)?)?,
        Output::Json => writeln!(shown, "{}", serde_json::to_string_pretty(report)?)?,
    }
    Ok(shown)
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown =
            |generation: &Option<String>| generation.clone().unwrap_or_else(|| "-".to_owned());
        if self.generation.is_some() || self.live.is_some() {
            writeln!(
                f,
                "generation {}, live {}",
                shown(&self.generation),
                shown(&self.live)
            )?;
        }
        for proxy in &self.proxies {
            write!(f, "proxy {} runs {}", proxy.name, shown(&proxy.applied))?;
            match &proxy.rejected {
                Some(reason) => writeln!(f, ", refused {reason}")?,
                None => writeln!(f)?,
            }
        }
        for object in &self.objects {
            writeln!(f, "{object}")?;
        }
        self.problems
            .iter()
            .try_for_each(|problem| writeln!(f, "{problem}"))
    }
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.object)?;
        match (&self.generation, self.live) {
            (None, _) => write!(f, "not served")?,
            (Some(generation), true) => {
                write!(f, "generation {generation}, live on {}", self.proxies)?;
            }
            (Some(generation), false) => {
                write!(
                    f,
                    "generation {generation}, not live yet: on {}",
                    self.proxies
                )?;
            }
        }
        match self.problems {
            0 => {}
            1 => write!(f, ", 1 problem")?,
            problems => write!(f, ", {problems} problems")?,
        }
        if self.held {
            write!(f, "; the last valid form stays in force")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(generation: Option<&str>, live: bool, problems: u64, held: bool) -> Object {
        Object {
            object: "Ingress shop/web".to_owned(),
            generation: generation.map(str::to_owned),
            live,
            proxies: "2/3".to_owned(),
            problems,
            held,
        }
    }

    #[test]
    fn an_object_is_told_in_one_line() {
        let cases = [
            (
                object(Some("7.1"), true, 0, false),
                "generation 7.1, live on 2/3",
            ),
            (
                object(Some("7.1"), false, 1, false),
                "generation 7.1, not live yet: on 2/3, 1 problem",
            ),
            (
                object(Some("7.1"), true, 2, true),
                "generation 7.1, live on 2/3, 2 problems; the last valid form stays in force",
            ),
            (object(None, false, 1, false), "not served, 1 problem"),
        ];
        for (object, expected) in cases {
            assert_eq!(object.to_string(), format!("Ingress shop/web: {expected}"));
        }
    }

    #[test]
    fn nothing_is_not_live() {
        assert!(!Report::default().is_live());
        let objects = |live| {
            vec![
                object(Some("1.1"), true, 0, false),
                object(Some("1.2"), live, 0, false),
            ]
        };
        for live in [true, false] {
            let report = Report {
                objects: objects(live),
                ..Report::default()
            };
            assert_eq!(report.is_live(), live);
        }
    }
}

//! `haldane promote`, `abort`, `pause`, `resume`, `retry`, `rollback`: a person's orders to a rollout.
//!
//! An order is an annotation of the Service or Ingress that asks for the rollout, which the controller heeds; it is written
//! with the person's own rights, and only where there is something that it can do.

mod give;
mod wait;

pub(crate) use give::{Ask, percent};

use crate::cluster::{Access, Cluster, Kind, Named, Object, PREFIX};
use crate::output::Output;
use crate::rollouts::Source;
use anyhow::Context as _;
use give::{Given, Situation, give};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

/// What was asked for cannot be meant.
const USAGE: u8 = 2;

/// Arguments of every order.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The Service or Ingress that asks for the rollout, as NAMESPACE/NAME, or NAME alone.
    object: Named,
    /// The version that is meant; by default the one that is being released, or was last.
    #[arg(long)]
    version: Option<String>,
    /// Which of the two it is, where a Service and an Ingress of one name both ask for rollouts.
    #[arg(long, value_enum)]
    kind: Option<Kind>,
    #[command(flatten)]
    access: Access,
    /// The admin port of the controller that leads, to learn how things stand; without it, the cluster tells.
    #[arg(long)]
    controller_admin: Option<SocketAddr>,
    /// Wait until the controller has done it.
    #[arg(long)]
    wait: bool,
    /// How long to wait at most.
    #[arg(long, default_value = "60s", value_parser = humantime::parse_duration)]
    timeout: Duration,
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// Gives an order; fails if there is nothing that it could do.
pub(crate) fn run(ask: Ask, args: &Args) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(order(ask, args))
}

async fn order(ask: Ask, args: &Args) -> anyhow::Result<ExitCode> {
    let cluster = args.access.cluster().await?;
    let object = match asking(&cluster, args).await? {
        Found::One(object) => object,
        Found::None(why) => return Ok(refuse(args.output, &why)),
        Found::Two(why) => {
            eprintln!("haldane: {why}");
            return Ok(ExitCode::from(USAGE));
        }
    };
    let source = match args.controller_admin {
        Some(admin) => Source::Admin(admin),
        None => Source::Cluster(cluster.clone()),
    };
    let report = source.of(&object, args.version.as_deref()).await?;
    let situation = Situation {
        object: &object,
        report: report.as_ref(),
        version: args.version.as_deref(),
        now: jiff::Timestamp::now(),
    };
    let given = match give(ask, &situation) {
        Ok(given) => given,
        Err(nothing) => return Ok(refuse(args.output, &format!("{object}: {nothing}"))),
    };
    cluster.annotate(&object, &prefixed(&given)).await?;
    let is_done = match args.wait {
        true => Some(wait::until_done(ask, &given, &source, &object, args.timeout).await?),
        false => None,
    };
    print(ask, &object, &given, is_done, args.output)?;
    Ok(match is_done {
        Some(false) => ExitCode::FAILURE,
        _ => ExitCode::SUCCESS,
    })
}

/// The object that asks for rollouts.
enum Found {
    One(Object),
    None(String),
    Two(String),
}

async fn asking(cluster: &Cluster, args: &Args) -> anyhow::Result<Found> {
    let kinds = args
        .kind
        .map_or(vec![Kind::Service, Kind::Ingress], |kind| vec![kind]);
    let mut found = Vec::new();
    for kind in kinds {
        found.extend(cluster.find(kind, &args.object).await?);
    }
    let namespace = args.object.namespace.as_ref().unwrap_or(&cluster.namespace);
    let title = format!("{namespace}/{}", args.object.name);
    if found.is_empty() {
        let kind = args
            .kind
            .map_or("Service or Ingress".to_owned(), |kind| kind.to_string());
        return Ok(Found::None(format!("there is no {kind} {title}")));
    }
    let mut asking = found
        .into_iter()
        .filter(|object| object.annotation("rollout").is_some());
    Ok(match (asking.next(), asking.next()) {
        (Some(object), None) => Found::One(object),
        (Some(_), Some(_)) => Found::Two(format!(
            "a Service and an Ingress {title} both ask for rollouts: say --kind"
        )),
        (None, _) => Found::None(format!(
            "{title} asks for no rollouts: it has no annotation {PREFIX}rollout"
        )),
    })
}

fn prefixed(given: &Given) -> std::collections::BTreeMap<String, Option<String>> {
    let changes = given.changes.iter();
    changes
        .map(|(name, value)| (format!("{PREFIX}{name}"), value.clone()))
        .collect()
}

fn refuse(output: Output, why: &str) -> ExitCode {
    match output {
        Output::Text => eprintln!("nothing done: {why}"),
        Output::Json => println!("{:#}", json!({ "done": false, "why": why })),
    }
    ExitCode::FAILURE
}

fn print(
    ask: Ask,
    object: &Object,
    given: &Given,
    heeded: Option<bool>,
    output: Output,
) -> anyhow::Result<()> {
    if output == Output::Json {
        let document = json!({
            "done": true,
            "order": ask.word(),
            "object": object.to_string(),
            "version": given.version,
            "annotations": prefixed(given),
            "next": given.next,
            "heeded": heeded.map_or(Value::Null, Value::Bool),
        });
        println!(
            "{}",
            serde_json::to_string_pretty(&document).context("a document")?
        );
        return Ok(());
    }
    println!("{object}: {}", given.did());
    match heeded {
        None => println!("next: {}", given.next),
        Some(true) => println!("done: {}", given.next),
        Some(false) => eprintln!("not done in time; what should come of it: {}", given.next),
    }
    Ok(())
}

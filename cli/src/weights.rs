//! `haldane weights`: the shares of the versions, as they are written or as they shall be.
//!
//! It writes the annotation `haldane.dev/weights` and checks it first, as the controller will.

use crate::cluster::{Access, Cluster, Kind, Named, Object, PREFIX};
use crate::output::Output;
use serde_json::json;
use std::collections::BTreeMap;
use std::process::ExitCode;

/// What was asked for cannot be meant.
const USAGE: u8 = 2;
/// The annotation, without its prefix.
const WEIGHTS: &str = "weights";

/// Arguments of `haldane weights`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A Service, or an Ingress, as NAMESPACE/NAME, or NAME alone.
    object: Named,
    /// The new shares, such as `1.14=90,canary=10`; printed as they are where not given.
    #[arg(num_args = 0..)]
    weights: Vec<String>,
    /// Which of the two it is; by default the one that has weights, or else the Service.
    #[arg(long, value_enum)]
    kind: Option<Kind>,
    #[command(flatten)]
    access: Access,
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// Versions and their weights, in the order written.
type Weights = Vec<(String, u64)>;

/// Prints or sets the shares; fails if there are none, or if a rollout has them in its hand.
pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    // What is wrong in itself is told before anybody is asked.
    let wanted = match args.weights.join(",") {
        none if none.is_empty() => None,
        written => match haldane_controller::weights(&written) {
            Ok(weights) => Some((written, weights)),
            Err(why) => {
                eprintln!("haldane: weights: {why}");
                return Ok(ExitCode::from(USAGE));
            }
        },
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let cluster = args.access.cluster().await?;
        let object = match chosen(&cluster, args).await? {
            Ok(object) => object,
            Err(why) => return Ok(refuse(args.output, &why)),
        };
        match wanted {
            None => show(&object, args.output),
            Some((written, weights)) => {
                set(&cluster, &object, &written, &weights, args.output).await
            }
        }
    })
}

async fn chosen(cluster: &Cluster, args: &Args) -> anyhow::Result<Result<Object, String>> {
    let all = [Kind::Service, Kind::Ingress];
    let kinds = all
        .into_iter()
        .filter(|kind| args.kind.is_none_or(|wanted| wanted == *kind));
    let mut found = Vec::new();
    for kind in kinds {
        found.extend(cluster.find(kind, &args.object).await?);
    }
    let weighted = found
        .iter()
        .position(|object| object.annotation(WEIGHTS).is_some());
    let place = weighted.unwrap_or(0);
    if place < found.len() {
        return Ok(Ok(found.swap_remove(place)));
    }
    let namespace = args.object.namespace.as_ref().unwrap_or(&cluster.namespace);
    let kind = args
        .kind
        .map_or("Service or Ingress".to_owned(), |kind| kind.to_string());
    Ok(Err(format!(
        "there is no {kind} {namespace}/{}",
        args.object.name
    )))
}

fn show(object: &Object, output: Output) -> anyhow::Result<ExitCode> {
    let Some(written) = object.annotation(WEIGHTS) else {
        let why = format!("{object} has no annotation {PREFIX}{WEIGHTS}");
        return Ok(refuse(output, &why));
    };
    match haldane_controller::weights(written) {
        Ok(weights) => print(object, &weights, output)?,
        Err(why) => {
            return Ok(refuse(
                output,
                &format!("{object}: {PREFIX}{WEIGHTS}: {why}"),
            ));
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn set(
    cluster: &Cluster,
    object: &Object,
    written: &str,
    weights: &Weights,
    output: Output,
) -> anyhow::Result<ExitCode> {
    if object.annotation("rollout").is_some() {
        let why = format!(
            "{object} asks for rollouts, which move the shares: promote or abort, or remove {PREFIX}rollout first"
        );
        return Ok(refuse(output, &why));
    }
    let change = (format!("{PREFIX}{WEIGHTS}"), Some(written.to_owned()));
    cluster.annotate(object, &BTreeMap::from([change])).await?;
    print(object, weights, output)?;
    if output == Output::Text {
        println!("next: `haldane status` says when every proxy has it");
    }
    Ok(ExitCode::SUCCESS)
}

fn refuse(output: Output, why: &str) -> ExitCode {
    match output {
        Output::Text => eprintln!("nothing done: {why}"),
        Output::Json => println!("{:#}", json!({ "done": false, "why": why })),
    }
    ExitCode::FAILURE
}

fn print(object: &Object, weights: &Weights, output: Output) -> anyhow::Result<()> {
    let all: u64 = weights.iter().map(|(_, weight)| weight).sum();
    let share = |weight: u64| weight as f64 * 100.0 / all.max(1) as f64;
    if output == Output::Json {
        let weights = weights.iter().map(|(version, weight)| {
            json!({ "version": version, "weight": weight, "percent": share(*weight) })
        });
        let weights: Vec<_> = weights.collect();
        let document = json!({ "done": true, "object": object.to_string(), "weights": weights });
        println!("{}", serde_json::to_string_pretty(&document)?);
        return Ok(());
    }
    println!("{object}");
    let width = weights.iter().map(|(version, _)| version.len()).max();
    for (version, weight) in weights {
        println!(
            "  {version:<0$}  {1:>8.3}%",
            width.unwrap_or(0),
            share(*weight)
        );
    }
    Ok(())
}

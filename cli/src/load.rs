//! From manifests on disk to a table, with every problem on the way.

use haldane_controller::{Options, Problem, Severity, read_manifests, translate};
use haldane_routing::Table;
use haldane_routing::spec::TableSpec;
use std::path::PathBuf;

/// How manifests are read.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Source {
    /// The class of the Ingresses that are ours (those without a class are, too).
    #[arg(long, default_value = "haldane")]
    pub(crate) class: String,
    /// Follow Services of type ExternalName.
    #[arg(long)]
    pub(crate) allow_external_name: bool,
}

/// What manifests amount to.
pub(crate) struct Loaded {
    pub(crate) table: TableSpec,
    pub(crate) problems: Vec<Problem>,
}

impl Loaded {
    pub(crate) fn has_errors(&self) -> bool {
        self.problems
            .iter()
            .any(|problem| problem.severity == Severity::Error)
    }
}

/// Reads and translates. What is wrong is among the problems; nothing is left out silently.
pub(crate) fn load(paths: &[PathBuf], source: &Source) -> Loaded {
    let (objects, mut problems) = read_manifests(paths);
    let options = Options {
        class: source.class.clone(),
        allow_external_name: source.allow_external_name,
        standalone: true,
        ..Options::default()
    };
    let translation = translate(&objects, &options);
    problems.extend(translation.problems);
    Loaded {
        table: translation.table,
        problems,
    }
}

/// The table, if it can be built. A fault here is one that the translation let through.
///
/// # Errors
/// Every fault, a line each.
pub(crate) fn build(
    spec: &TableSpec,
    previous: Option<&Table>,
    seed: u64,
) -> anyhow::Result<Table> {
    Table::build(spec, previous, seed).map_err(|faults| {
        let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
        anyhow::anyhow!("the table cannot be built:\n{}", lines.join("\n"))
    })
}

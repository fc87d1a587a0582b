//! The `helm` program and the chart it renders.

use crate::CASES;
use anyhow::Context as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

/// The namespace that everything is rendered for.
pub(crate) const NAMESPACE: &str = "haldane-system";

/// The release that is rendered, unless a test names another.
pub(crate) const RELEASE: &str = "haldane";

/// What a cluster with the Prometheus operator says of itself.
const MONITORING: &str = "monitoring.coreos.com/v1";

/// The oldest Kubernetes that the chart takes.
const KUBERNETES: &str = "1.30.0";

/// A `helm` that can be run.
pub(crate) struct Helm(PathBuf);

/// The text of every case, in the order of [`CASES`]: most tests look at all of them, and one rendering takes a second.
/// None where there is no `helm`.
pub(crate) fn cases() -> Option<&'static [(&'static str, String)]> {
    static RENDERED: OnceLock<Option<Vec<(&str, String)>>> = OnceLock::new();
    let render = |helm: Helm, case| (case, helm.template(case).expect("every case renders"));
    let all = || {
        CASES
            .iter()
            .map(|case| Some(render(Helm::find()?, *case)))
            .collect()
    };
    RENDERED.get_or_init(all).as_deref()
}

impl Helm {
    /// That of the test bed; none, with a word about it, where the bed is not built.
    pub(crate) fn find() -> Option<Self> {
        let bed = std::env::var_os("HALDANE_BED").map(PathBuf::from);
        let program = bed
            .unwrap_or_else(|| root().join("target/bed"))
            .join("helm");
        if !program.is_file() {
            println!("helm is not built, so the chart is not rendered: run tests/bed/build");
            return None;
        }
        Some(Self(program))
    }

    /// Runs it; it never talks to a cluster here.
    pub(crate) fn run(&self, args: &[&str]) -> anyhow::Result<Output> {
        let mut command = Command::new(&self.0);
        command.args(args).env_remove("KUBECONFIG");
        command.output().context("running helm")
    }

    /// The objects that a value file makes, as text.
    fn template(&self, case: &str) -> anyhow::Result<String> {
        let values = values_file(case);
        self.render(RELEASE, &["--values", path(&values)])
    }

    /// The objects that a release with more arguments makes, as text.
    pub(crate) fn render(&self, release: &str, more: &[&str]) -> anyhow::Result<String> {
        let chart = chart();
        let mut args = vec!["template", release, path(&chart), "--namespace", NAMESPACE];
        args.extend(["--kube-version", KUBERNETES, "--api-versions", MONITORING]);
        args.extend(more);
        let output = self.run(&args)?;
        let errors = String::from_utf8_lossy(&output.stderr);
        anyhow::ensure!(output.status.success(), "{}", errors.trim());
        Ok(String::from_utf8(output.stdout)?)
    }
}

/// The chart's folder.
pub(crate) fn chart() -> PathBuf {
    root().join("charts/haldane")
}

/// The file with the values of a case.
pub(crate) fn values_file(case: &str) -> PathBuf {
    folder().join("values").join(format!("{case}.yaml"))
}

/// The folder of this test.
pub(crate) fn folder() -> PathBuf {
    root().join("tests/tests/chart")
}

/// A path as an argument; ours are all UTF-8.
pub(crate) fn path(path: &Path) -> &str {
    path.to_str().expect("the checkout's path is UTF-8")
}

/// The checkout.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

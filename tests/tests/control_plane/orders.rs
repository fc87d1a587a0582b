//! What a person types while a version is released, against a real API server: each order is written at the object, for
//! the version that is meant, and nothing is written where there is nothing that it could do.

use anyhow::Context as _;
use haldane_rollout::{Action, Decision, Evidence, Plan, Reason, State};
use haldane_tests::cluster::{Cluster, Manifest};
use haldane_tests::plane::headless;
use haldane_tests::program;
use haldane_tests::within;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Service;
use kube::ResourceExt as _;
use serde_json::{Value, json};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Output, Stdio};
use tokio::process::Command;

/// The Service that asks for rollouts.
const NAME: &str = "web";
/// Where the controller writes down what it decided.
const STATE: &str = "haldane.dev/rollout-state";

pub(crate) async fn each_is_written_for_the_version_that_is_meant() -> anyhow::Result<()> {
    let desk = Desk::open("orders").await?;
    // What is being released, then what is typed, the exit code, the annotation it is about, and what it is afterwards.
    let lines = [
        ("climbing", "promote", 0, "promote", Some("1.15")),
        ("climbing", "promote", 0, "promote", Some("true")),
        ("climbing", "pause", 0, "pause", Some("true")),
        ("climbing", "pause", 1, "pause", Some("true")),
        ("climbing", "promote", 1, "promote", Some("true")),
        ("climbing", "resume", 0, "pause", None),
        ("climbing", "abort", 0, "abort", Some("1.15")),
        ("climbing", "rollback", 1, "rollback", None),
        ("aborted", "abort", 1, "abort", Some("1.15")),
        ("aborted", "retry", 0, "retry", Some("1.15")),
        ("aborted", "retry --version 1.16", 1, "retry", Some("1.15")),
        // What would end the retry is taken away with it.
        ("aborted", "retry", 0, "abort", None),
        ("promoted", "rollback", 0, "rollback", Some("1.15")),
        ("promoted", "weights 1.14=90,1.15=10", 1, "weights", None),
        ("promoted", "weights 1.14=much", 2, "weights", None),
    ];
    for (phase, typed, code, annotation, expected) in lines {
        desk.release(phase).await?;
        let output = desk.types(typed).await?;
        let said = told(&output);
        assert_eq!(output.status.code(), Some(code), "{phase} {typed}: {said}");
        let written = desk.annotation(annotation).await?;
        assert_eq!(written.as_deref(), expected, "{phase} {typed}: {said}");
    }
    desk.is_written_by_us().await?;
    desk.weighs().await?;
    desk.sees().await
}

/// A person with `kubectl`, the plugin, and a Service.
struct Desk {
    cluster: Cluster,
    /// Where the plugin is.
    plugins: tempfile::TempDir,
}

impl Desk {
    async fn open(namespace: &str) -> anyhow::Result<Self> {
        let cluster = Cluster::namespace(namespace).await?;
        let mut service = headless(NAME, 80);
        service["metadata"]["annotations"] = json!({ "haldane.dev/rollout": "auto" });
        cluster.apply(&[Manifest::new(service)?]).await?;
        let plugins = tempfile::tempdir()?;
        let haldane = program::beside_bed("haldane");
        symlink(haldane, plugins.path().join("kubectl-haldane"))?;
        Ok(Self { cluster, plugins })
    }

    /// Writes down what a controller would.
    async fn release(&self, phase: &str) -> anyhow::Result<()> {
        let state = json!({ NAME: { "stable": "1.14", "state": state(phase) } });
        let annotations = json!({ STATE: state.to_string() });
        self.cluster.annotate::<Service>(NAME, annotations).await?;
        Ok(())
    }

    /// `kubectl haldane ORDER orders/web ...`
    async fn types(&self, typed: &str) -> anyhow::Result<Output> {
        let mut words = typed.split(' ');
        let order = words.next().context("an order")?;
        let object = format!("{}/{NAME}", self.cluster.name());
        let mut command = Command::new("kubectl");
        command.args(["haldane", order, &object]).args(words);
        command.env("PATH", path_with(self.plugins.path())?);
        command.stdin(Stdio::null()).kill_on_drop(true);
        Ok(within("kubectl haldane to end", command.output()).await??)
    }

    async fn service(&self) -> anyhow::Result<Service> {
        Ok(self.cluster.api::<Service>().get(NAME).await?)
    }

    async fn annotation(&self, name: &str) -> anyhow::Result<Option<String>> {
        let service = self.service().await?;
        Ok(service
            .annotations()
            .get(&format!("haldane.dev/{name}"))
            .cloned())
    }

    /// Who wrote is told among the managers of the object's fields.
    async fn is_written_by_us(&self) -> anyhow::Result<()> {
        let service = self.service().await?;
        let managers: Vec<_> = service
            .managed_fields()
            .iter()
            .filter_map(|entry| entry.manager.as_deref())
            .collect();
        assert!(managers.contains(&"haldane-cli"), "{managers:?}");
        Ok(())
    }

    /// Shares are a person's only where no rollout is asked for.
    async fn weighs(&self) -> anyhow::Result<()> {
        let none = json!({ "haldane.dev/rollout": null });
        self.cluster.annotate::<Service>(NAME, none).await?;
        let output = self.types("weights 1.14=90,1.15=10").await?;
        assert_eq!(output.status.code(), Some(0), "{}", told(&output));
        assert_eq!(
            self.annotation("weights").await?.as_deref(),
            Some("1.14=90,1.15=10")
        );
        let output = self.types("weights --output json").await?;
        let shown: Value = serde_json::from_slice(&output.stdout)?;
        assert_eq!(shown["weights"][0]["percent"], 90.0, "{shown}");
        let output = self.types("promote").await?;
        assert_eq!(output.status.code(), Some(1), "{}", told(&output));
        Ok(())
    }

    /// What the controller wrote down is what `status` shows.
    async fn sees(&self) -> anyhow::Result<()> {
        self.release("climbing").await?;
        let output = self.types("status --output json").await?;
        let shown: Value = serde_json::from_slice(&output.stdout)?;
        let standing = &shown["rollouts"][0]["rollout"];
        assert_eq!(standing["canary"], "1.15", "{shown}");
        assert_eq!(standing["weight"], 1.0, "{shown}");
        let output = self.types("status").await?;
        let text = String::from_utf8(output.stdout)?;
        assert!(text.contains("climbing"), "{text}");
        Ok(())
    }
}

/// 1.15 beside 1.14.
fn state(phase: &str) -> State {
    let now = Timestamp::now();
    let plan = Plan::default();
    let mut evidence = Evidence::new(0);
    let mut state = State::begin("1.14", "1.15", &plan, vec![], &mut evidence, now);
    let share = plan.steps[0];
    let mut moves = vec![Action::Advance { to: 0, share }];
    moves.extend(match phase {
        "aborted" => Some(Action::Abort),
        "promoted" => Some(Action::Promote),
        _ => None,
    });
    for action in moves {
        let reasons = vec![Reason::StepDone];
        state.carry_out(&Decision { action, reasons }, &mut evidence, now);
    }
    state
}

fn told(output: &Output) -> String {
    let texts = [&output.stdout, &output.stderr];
    texts.map(|text| String::from_utf8_lossy(text)).concat()
}

fn path_with(first: &Path) -> anyhow::Result<std::ffi::OsString> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let rest = std::env::split_paths(&path);
    Ok(std::env::join_paths(
        [first.to_owned()].into_iter().chain(rest),
    )?)
}

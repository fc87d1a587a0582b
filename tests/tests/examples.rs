//! Every example is played and served, and the commands in its README print what it says they print.
//!
//! The commands run in a shell, with curl; without curl there is nothing to see. Examples have fixed ports, so each test
//! process plays them on a loopback address of its own.

use anyhow::Context as _;
use haldane_tests::process::{Mark, Process};
use haldane_tests::program;
use haldane_tests::serve::Serve;
use haldane_tests::tls::Certificate;
use haldane_tests::within;
use std::ffi::OsStr;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use tokio::process::Command;

/// What the examples call the address of every pod.
const WRITTEN: &str = "127.0.0.1";

/// A copy of an example under a root of its own, with its pods elsewhere.
struct Example {
    root: tempfile::TempDir,
    name: &'static str,
    pods: String,
}

/// A command and what it should print.
struct Step {
    command: String,
    expected: String,
}

impl Example {
    fn copy(name: &'static str) -> anyhow::Result<Self> {
        let [_, high, middle, low] = std::process::id().to_be_bytes();
        let pods = Ipv4Addr::new(127, 64 | high, middle, low.clamp(2, 254)).to_string();
        let example = Self {
            root: tempfile::tempdir()?,
            name,
            pods,
        };
        std::fs::create_dir_all(example.directory())?;
        for entry in std::fs::read_dir(example.original())? {
            let path = entry?.path();
            if path.extension() == Some(OsStr::new("yaml")) {
                let moved = std::fs::read_to_string(&path)?.replace(WRITTEN, &example.pods);
                std::fs::write(
                    example
                        .directory()
                        .join(path.file_name().context("a file")?),
                    moved,
                )?;
            }
        }
        Ok(example)
    }

    fn original(&self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../examples")
            .join(self.name)
    }

    fn directory(&self) -> PathBuf {
        self.root.path().join("examples").join(self.name)
    }

    /// The lines of all `console` blocks: commands, each followed by what it prints.
    fn steps(&self) -> anyhow::Result<Vec<Step>> {
        let text = std::fs::read_to_string(self.original().join("README.md"))?;
        let mut steps: Vec<Step> = Vec::new();
        let mut inside = false;
        for line in text.lines() {
            match (inside, line.strip_prefix("$ ")) {
                (_, _) if line.starts_with("```") => inside = line == "```console",
                (true, Some(command)) => steps.push(Step {
                    command: command.to_owned(),
                    expected: String::new(),
                }),
                (true, None) => {
                    steps.last_mut().context("a command first")?.expected += &format!("{line}\n");
                }
                (false, _) => {}
            }
        }
        Ok(steps)
    }
}

/// An example that is played and served.
struct Stage {
    example: Example,
    serve: Serve,
    _echo: Process,
}

impl Stage {
    async fn set(example: Example) -> anyhow::Result<Self> {
        let manifests = example.directory();
        let echo = Process::start([
            OsStr::new("echo"),
            OsStr::new("--manifests"),
            manifests.as_ref(),
        ])?;
        let pods = std::fs::read_to_string(manifests.join("laptop.yaml"))?
            .matches("podIP")
            .count();
        let mut mark = Mark::default();
        for _ in 0..pods {
            mark = echo.after(mark, " on ").await?;
        }
        let serve = Serve::start_with(&manifests, &["--https", "127.0.0.1:0"]).await?;
        Ok(Self {
            example,
            serve,
            _echo: echo,
        })
    }

    /// The command with the addresses that are really served.
    fn here(&self, command: &str) -> String {
        let https = self.serve.https.map_or(0, |address| address.port());
        command
            .replace("127.0.0.1:8080", &self.serve.http.to_string())
            .replace("8443", &https.to_string())
    }

    /// What was printed, with the addresses that the README has.
    fn there(&self, printed: &str) -> String {
        let https = self.serve.https.map_or(0, |address| address.port());
        printed
            .replace('\r', "")
            .replace(&format!(":{https}"), ":8443")
            .replace(&self.example.pods, WRITTEN)
    }

    async fn run(&self, command: &str) -> anyhow::Result<String> {
        let directory = program::haldane().parent().context("a directory")?;
        let path = std::env::var("PATH").unwrap_or_default();
        let mut shell = Command::new("sh");
        shell
            .args(["-c", &self.here(command)])
            .current_dir(self.example.root.path())
            .env("PATH", format!("{}:{path}", directory.display()))
            .env("no_proxy", "*")
            .env("LC_ALL", "C")
            .kill_on_drop(true);
        let output = within(command, shell.output()).await??;
        Ok(self.there(&String::from_utf8(output.stdout)?) + &String::from_utf8(output.stderr)?)
    }

    async fn check(&self, step: &Step) -> anyhow::Result<()> {
        let mark = self.serve.mark();
        let printed = self.run(&step.command).await?;
        assert_eq!(
            printed, step.expected,
            "{}: {}",
            self.example.name, step.command
        );
        if step.command.starts_with("sed -i") {
            self.serve.generation_after(mark).await?;
        }
        Ok(())
    }
}

async fn curl_is_missing() -> bool {
    let missing = Command::new("curl")
        .arg("--version")
        .output()
        .await
        .is_err();
    if missing {
        println!("curl is not installed: the commands are not run");
    }
    missing
}

/// Plays an example and runs its README.
async fn shown(example: Example) -> anyhow::Result<()> {
    let steps = example.steps()?;
    let stage = Stage::set(example).await?;
    let (started, run): (Vec<_>, Vec<_>) =
        steps.iter().partition(|step| step.command.ends_with('&'));
    assert_eq!(
        (started.len(), run.is_empty()),
        (2, false),
        "echo and serve, and something to see"
    );
    if curl_is_missing().await {
        return Ok(());
    }
    for step in run {
        stage.check(step).await?;
    }
    Ok(())
}

macro_rules! examples {
    ($($test:ident: $name:literal),* $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $test() -> anyhow::Result<()> {
                shown(Example::copy($name)?).await
            }
        )*

        const TESTED: &[&str] = &["tls", $($name),*];
    };
}

examples! {
    canary: "canary",
    blue_green: "blue-green",
    user_agent: "user-agent",
    cohorts: "cohorts",
    grpc: "grpc",
    websocket: "websocket",
}

#[tokio::test(flavor = "multi_thread")]
async fn tls() -> anyhow::Result<()> {
    let (example, certificate) = (Example::copy("tls")?, Certificate::of("shop.example.com")?);
    let entries = [
        ("tls.crt", &*certificate.pem()),
        ("tls.key", &*certificate.key_pem()),
    ];
    let secret = haldane_tests::manifests::secret("shop-tls", "kubernetes.io/tls", &entries);
    std::fs::write(example.directory().join("secret.json"), secret.to_string())?;
    shown(example).await
}

#[test]
fn no_example_is_left_out() -> anyhow::Result<()> {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    for entry in std::fs::read_dir(examples)? {
        let entry = entry?;
        let name = entry.file_name();
        let tested = TESTED.iter().any(|tested| name == OsStr::new(tested));
        assert!(
            tested || !entry.file_type()?.is_dir(),
            "{name:?} is not tested"
        );
    }
    Ok(())
}

//! The `prometheus` program, scraping one target.

use anyhow::Context as _;
use haldane_tests::client::Client;
use haldane_tests::process::{Mark, Process};
use haldane_tests::within;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often is scraped.
const INTERVAL: &str = "1s";

/// How often it is asked for an answer that it cannot have yet.
const ASK_EVERY: Duration = Duration::from_millis(100);

/// A running Prometheus; its data go away with it.
pub(crate) struct Prometheus {
    address: SocketAddr,
    process: Process,
    _data: tempfile::TempDir,
}

/// A `prometheus` that can be run; none, with a word about it, where there is none.
pub(crate) fn program() -> Option<PathBuf> {
    let fetched = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/prometheus/usr/bin");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::iter::once(fetched)
        .chain(std::env::split_paths(&path))
        .map(|folder| folder.join("prometheus"))
        .find(|program| program.is_file());
    if found.is_none() {
        println!("there is no prometheus, so it is not asked: run tests/fetch-prometheus");
    }
    found
}

impl Prometheus {
    /// Scrapes `target` from now on, and keeps the labels that it gives.
    pub(crate) async fn start(program: &Path, target: SocketAddr) -> anyhow::Result<Self> {
        let data = tempfile::tempdir()?;
        let config = data.path().join("prometheus.yml");
        // JSON is YAML too.
        let scrape = json!({ "job_name": "haldane", "honor_labels": true, "scrape_interval": INTERVAL,
            "scrape_timeout": INTERVAL, "static_configs": [{ "targets": [target.to_string()] }] });
        std::fs::write(&config, json!({ "scrape_configs": [scrape] }).to_string())?;
        let args = [
            format!("--config.file={}", config.display()),
            format!("--storage.tsdb.path={}", data.path().join("data").display()),
            "--web.listen-address=127.0.0.1:0".to_owned(),
        ];
        let process = Process::start_program(program, args)?;
        let line = process
            .error_line(Mark::default(), "\"Listening on\"")
            .await?;
        let (_, address) = line.split_once("address=").context(line.clone())?;
        Ok(Self {
            address: address.trim().parse()?,
            process,
            _data: data,
        })
    }

    /// The value of a query that has one now; none while it has no sample, or is no number.
    pub(crate) async fn value(&self, query: &str) -> anyhow::Result<Option<f64>> {
        let path = format!("/api/v1/query?query={}", encoded(query));
        let answer = Client::h1(self.address)
            .await?
            .get("localhost", &path)
            .await?;
        if answer.status == 503 {
            // It listens before it is ready.
            return Ok(None);
        }
        let text = answer.text();
        anyhow::ensure!(answer.status == 200, "{text}");
        let found: Value = serde_json::from_str(&text)?;
        let value = found["data"]["result"][0]["value"][1].as_str();
        let value: Option<f64> = value.map(str::parse).transpose()?;
        Ok(value.filter(|value| value.is_finite()))
    }

    /// Waits until a query answers `expected`, but for what rounding changes.
    pub(crate) async fn answers(&self, query: &str, expected: f64) -> anyhow::Result<()> {
        let mut last = None;
        let mut ticks = tokio::time::interval(ASK_EVERY);
        let asked = async {
            loop {
                ticks.tick().await;
                last = self.value(query).await?;
                if last.is_some_and(|value| (value - expected).abs() <= expected * 1e-9) {
                    return Ok(());
                }
            }
        };
        let answered = within("prometheus to know", asked).await;
        answered.with_context(|| {
            format!(
                "{query}\nis {last:?}, not {expected}; {}",
                self.process.printed()
            )
        })?
    }
}

/// As a value in a query string.
fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() {
            encoded.push(char::from(byte));
        } else {
            write!(encoded, "%{byte:02X}").expect("writing to a String cannot fail");
        }
        encoded
    })
}

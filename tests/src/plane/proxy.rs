//! A proxy as a process.

use super::{PUSH_PORT, Plane, until};
use crate::client::Client;
use crate::process::{Mark, Process, Signal};
use crate::program;
use anyhow::Context as _;
use serde_json::Value;
use std::ffi::OsString;
use std::net::SocketAddr;

/// What a proxy logs whenever it puts a table in force.
const IN_FORCE: &str = "a table is in force";

/// A running proxy. It is killed with this value.
pub struct Proxy {
    process: Process,
    /// Where it serves HTTP.
    pub http: SocketAddr,
    /// Where it serves HTTPS.
    pub https: SocketAddr,
    admin: SocketAddr,
}

impl Plane {
    /// Starts a proxy that follows the controllers. One of the same name has the same disk.
    ///
    /// # Errors
    /// When it cannot be started.
    pub async fn proxy(&self, name: &str) -> anyhow::Result<Proxy> {
        let program = program::beside_bed("haldane-proxy");
        let process = Process::start_program(&program, self.proxy_args(name)?)?;
        let address = async |what: &str| {
            let line = process.line(Mark::default(), what).await?;
            let address = line.strip_prefix(what).context("the line has it")?;
            anyhow::Ok(address.parse::<SocketAddr>()?)
        };
        Ok(Proxy {
            http: address("http on ").await?,
            https: address("https on ").await?,
            admin: address("admin on ").await?,
            process,
        })
    }

    fn proxy_args(&self, name: &str) -> anyhow::Result<Vec<OsString>> {
        let state = self.file(format!("state-{name}"));
        std::fs::create_dir_all(&state)?;
        let controller = format!("https://{}:{PUSH_PORT}", self.host());
        let mut args: Vec<OsString> = vec!["--controller".into(), controller.into()];
        let files = [
            ("--push-cert", self.file("proxy.crt")),
            ("--push-key", self.file("proxy.key")),
            ("--push-ca", self.file("ca.crt")),
            ("--state", state),
        ];
        args.extend(
            files
                .into_iter()
                .flat_map(|(flag, file)| [flag.into(), file.into()]),
        );
        let any = "127.0.0.1:0";
        let texts = [
            ("--name", name),
            ("--http", any),
            ("--https", any),
            ("--admin", any),
            ("--workers", "1"),
        ];
        args.extend(
            texts
                .iter()
                .flat_map(|(flag, text)| [(*flag).into(), (*text).into()]),
        );
        Ok(args)
    }
}

impl Proxy {
    /// Waits until a table is in force.
    ///
    /// # Errors
    /// When none is in time.
    pub async fn until_ready(&self) -> anyhow::Result<()> {
        until("a table", || async {
            let answer = Client::h1(self.admin)
                .await?
                .get("localhost", "/readyz")
                .await;
            let answer = answer.with_context(|| self.process.printed())?;
            Ok((answer.status == 200).then_some(()))
        })
        .await
    }

    /// The table in force, without its number in this process.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn table(&self) -> anyhow::Result<Value> {
        let answer = Client::h1(self.admin)
            .await?
            .get("localhost", "/table")
            .await?;
        let mut table: Value = serde_json::from_slice(&answer.body)?;
        if let Some(table) = table.as_object_mut() {
            table.remove("generation");
        }
        Ok(table)
    }

    /// Waits until the answer for a host and path is `body`; every answer until then must be a success.
    ///
    /// # Errors
    /// When it is not in time, or a request fails.
    pub async fn until_answers(&self, host: &str, path: &str, body: &str) -> anyhow::Result<()> {
        let client = tokio::sync::Mutex::new(Client::h1(self.http).await?);
        until(body, || async {
            let mut client = client.lock().await;
            client.ready().await?;
            let answer = client.get(host, path).await?;
            let failed = || format!("{} {}", answer.text(), self.process.printed());
            anyhow::ensure!(answer.status == 200, failed());
            Ok((answer.text() == body).then_some(()))
        })
        .await
    }

    /// Every generation that it put in force, as (term, number), in order.
    ///
    /// # Errors
    /// When its log does not say.
    pub fn generations(&self) -> anyhow::Result<Vec<(u64, u64)>> {
        let lines = self.process.errors();
        lines
            .iter()
            .filter(|line| line.contains(IN_FORCE))
            .map(|line| generation(line))
            .collect()
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// When it has ended.
    pub fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        self.process.signal(signal)
    }

    /// Kills it and waits until it is gone.
    ///
    /// # Errors
    /// When it has ended before.
    pub async fn kill(mut self) -> anyhow::Result<()> {
        self.process.kill().await
    }

    /// What it has printed, to explain a failure with.
    pub fn printed(&self) -> String {
        self.process.printed()
    }
}

/// The number behind `generation=`, such as 3.17.
fn generation(line: &str) -> anyhow::Result<(u64, u64)> {
    let words = || line.split_whitespace();
    let written = words().find_map(|word| word.strip_prefix("generation="));
    let (term, number) = written
        .and_then(|written| written.split_once('.'))
        .context("a generation")?;
    Ok((term.parse()?, number.parse()?))
}

//! What probes and hooks do to a container: run a command in it, ask it by HTTP or gRPC, or connect.

use super::environment::Environment;
use super::grpc_health;
use super::local::localize;
use anyhow::Context as _;
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::{
    Container, ExecAction, GRPCAction, HTTPGetAction, LifecycleHandler, Probe, TCPSocketAction,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use std::net::{IpAddr, SocketAddr};
use std::process::Stdio;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::process::Command;

/// A running container.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target<'c> {
    pub(super) container: &'c Container,
    pub(super) environment: &'c Environment,
    pub(super) address: IpAddr,
    pub(super) pid: u32,
}

impl Target<'_> {
    /// Asks once what a probe asks; an error is a failure of the probe.
    pub(super) async fn probe(&self, probe: &Probe) -> anyhow::Result<()> {
        if let Some(exec) = &probe.exec {
            self.exec(exec).await
        } else if let Some(get) = &probe.http_get {
            self.http_get(get).await
        } else if let Some(connect) = &probe.tcp_socket {
            self.connect(connect).await
        } else if let Some(grpc) = &probe.grpc {
            self.grpc(grpc).await
        } else {
            anyhow::bail!("the bed does not know this probe")
        }
    }

    /// Does what a hook does.
    pub(super) async fn hook(&self, hook: &LifecycleHandler) -> anyhow::Result<()> {
        if let Some(exec) = &hook.exec {
            self.exec(exec).await
        } else if let Some(get) = &hook.http_get {
            self.http_get(get).await
        } else if let Some(sleep) = &hook.sleep {
            let seconds = u64::try_from(sleep.seconds).unwrap_or(0);
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            Ok(())
        } else {
            anyhow::bail!("the bed does not know this hook")
        }
    }

    /// Runs a command where the container's program runs.
    async fn exec(&self, action: &ExecAction) -> anyhow::Result<()> {
        let words = action.command.iter().flatten();
        let status = Command::new("nsenter")
            .args(["--target", &self.pid.to_string()])
            .args(["--mount", "--root", "--wd", "--"])
            .args(words.map(|word| localize(word, self.address)))
            .env_clear()
            .envs(self.environment.iter())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .status()
            .await?;
        anyhow::ensure!(status.success(), "{status}");
        Ok(())
    }

    async fn http_get(&self, action: &HTTPGetAction) -> anyhow::Result<()> {
        let scheme = action.scheme.as_deref().unwrap_or("HTTP");
        anyhow::ensure!(scheme == "HTTP", "the bed does not probe by {scheme}");
        let address = self.at(&action.port)?;
        let host = action.host.clone().unwrap_or_else(|| address.to_string());
        let mut request = Request::get(action.path.as_deref().unwrap_or("/")).header("host", host);
        for header in action.http_headers.iter().flatten() {
            request = request.header(&header.name, &header.value);
        }
        let status = status(address, request.body(Empty::new())?).await?;
        let is_good = status.is_success() || status.is_redirection();
        anyhow::ensure!(is_good, "status {status}");
        Ok(())
    }

    async fn connect(&self, action: &TCPSocketAction) -> anyhow::Result<()> {
        TcpStream::connect(self.at(&action.port)?).await?;
        Ok(())
    }

    async fn grpc(&self, action: &GRPCAction) -> anyhow::Result<()> {
        let address = SocketAddr::new(self.address, u16::try_from(action.port)?);
        let service = action.service.as_deref().unwrap_or_default();
        grpc_health::check(address, service).await
    }

    fn at(&self, port: &IntOrString) -> anyhow::Result<SocketAddr> {
        let number = match port {
            IntOrString::Int(number) => *number,
            IntOrString::String(name) => self.named(name).context("no such port")?,
        };
        Ok(SocketAddr::new(self.address, u16::try_from(number)?))
    }

    fn named(&self, name: &str) -> Option<i32> {
        let mut ports = self.container.ports.iter().flatten();
        let port = ports.find(|port| port.name.as_deref() == Some(name))?;
        Some(port.container_port)
    }
}

/// The status that a request is answered with, over a connection of its own.
async fn status(address: SocketAddr, request: Request<Empty<Bytes>>) -> anyhow::Result<StatusCode> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender.send_request(request).await?.status())
}

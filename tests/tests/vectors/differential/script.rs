//! Servers of languages' own libraries: a script that prints what it reads.

use super::server::{Server, Tells, installed};
use anyhow::Context as _;
use haldane_tests::process::{Mark, Process};
use std::net::{Ipv4Addr, SocketAddr};

pub(crate) async fn node() -> anyhow::Result<Option<Server>> {
    start(&["node", "nodejs"], include_str!("reads.js")).await
}

pub(crate) async fn python() -> anyhow::Result<Option<Server>> {
    start(&["python3"], include_str!("reads.py")).await
}

async fn start(names: &[&str], script: &str) -> anyhow::Result<Option<Server>> {
    let Some(program) = installed(names) else {
        return Ok(None);
    };
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("script");
    std::fs::write(&file, script)?;
    let process = Process::start_program(&program, [&file])?;
    let line = process.line(Mark::default(), "listening ").await?;
    let port = line.split(' ').nth(1).context("a port")?.parse()?;
    Ok(Some(Server {
        address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        process,
        tells: Tells::Printing,
        _folder: folder,
    }))
}

//! Servers that are configured by a file: they pass on to a backend of the test what they read.

use super::server::{Behind, Server, Tells, installed};
use haldane_tests::process::Process;
use haldane_tests::within;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::Duration;
use tokio::net::TcpStream;

/// How often to try whether a server listens.
const TRY_EVERY: Duration = Duration::from_millis(50);

pub(crate) async fn nginx() -> anyhow::Result<Option<Server>> {
    let args = ["-e", "stderr", "-p", "{folder}", "-c", "{file}"];
    start(&["nginx"], include_str!("nginx.conf"), &args).await
}

pub(crate) async fn haproxy() -> anyhow::Result<Option<Server>> {
    let args = ["-db", "-f", "{file}"];
    start(&["haproxy"], include_str!("haproxy.cfg"), &args).await
}

/// As Debian has it (`apache2-bin`).
pub(crate) async fn apache() -> anyhow::Result<Option<Server>> {
    let args = ["-X", "-f", "{file}"];
    start(&["apache2"], include_str!("apache.conf"), &args).await
}

async fn start(names: &[&str], template: &str, args: &[&str]) -> anyhow::Result<Option<Server>> {
    let Some(program) = installed(names) else {
        return Ok(None);
    };
    let (folder, behind) = (tempfile::tempdir()?, Behind::start().await?);
    let (address, file) = (free_address()?, folder.path().join("config"));
    let fill = |text: &str| {
        let text = text.replace("{listen}", &address.to_string());
        let text = text.replace("{backend}", &behind.backend.address().to_string());
        let text = text.replace("{folder}", &folder.path().display().to_string());
        text.replace("{file}", &file.display().to_string())
    };
    std::fs::write(&file, fill(template))?;
    let mut process = Process::start_program(&program, args.iter().map(|arg| fill(arg)))?;
    within("a server to listen", listens(&mut process, address)).await??;
    Ok(Some(Server {
        address,
        process,
        tells: Tells::Passing(behind),
        _folder: folder,
    }))
}

/// A port of an address that is this test's own: these servers do not tell which port the system gave them.
fn free_address() -> anyhow::Result<SocketAddr> {
    let [one, two, three] = rand::random::<[u8; 3]>();
    // Not 127.0.0.0/16, where everybody else is.
    let own = Ipv4Addr::new(127, one | 1, two, three.clamp(1, 254));
    Ok(TcpListener::bind((own, 0))?.local_addr()?)
}

async fn listens(process: &mut Process, address: SocketAddr) -> anyhow::Result<()> {
    let mut ticks = tokio::time::interval(TRY_EVERY);
    while TcpStream::connect(address).await.is_err() {
        anyhow::ensure!(process.is_running()?, "{}", process.printed());
        ticks.tick().await;
    }
    Ok(())
}

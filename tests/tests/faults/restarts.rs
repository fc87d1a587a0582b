//! Proxies that end: asked to, one after the other, or killed.

use crate::changes::with_tls;
use crate::stand::{Stand, arguments, pods};
use haldane_tests::backend::Backend;
use haldane_tests::client::{Client, connect};
use haldane_tests::ledger::{Audit, Clients, Ledger, Outcome, Target};
use haldane_tests::manifests::{Manifests, SHOP, shop};
use haldane_tests::plane::until;
use haldane_tests::process::Signal;
use haldane_tests::raw::{Pace, Raw};
use haldane_tests::scale::scaled;
use haldane_tests::serve::Serve;
use haldane_tests::tls::{Certificate, connect_over};
use haldane_tests::within;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, copy_bidirectional, duplex};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

/// Proxies with the same table, each with an access log of its own.
struct Proxies {
    ledger: Ledger,
    target: Target,
    manifests: Manifests,
    logs: tempfile::TempDir,
    started: usize,
}

impl Proxies {
    fn new() -> anyhow::Result<Self> {
        let ledger = Ledger::default();
        let target = Target::start(&ledger, "good")?;
        Ok(Self {
            manifests: Manifests::of(&shop(&[], &pods(&[&target])))?,
            target,
            ledger,
            logs: tempfile::tempdir()?,
            started: 0,
        })
    }

    fn log(&self, number: usize) -> PathBuf {
        self.logs.path().join(number.to_string())
    }

    async fn start_at(&mut self, http: &str) -> anyhow::Result<Serve> {
        let log = self.log(self.started).display().to_string();
        self.started += 1;
        Serve::start_at(http, self.manifests.path(), &arguments(&log)).await
    }

    async fn audit(&self) -> anyhow::Result<Audit> {
        let logs: Vec<PathBuf> = (0..self.started).map(|number| self.log(number)).collect();
        let logs: Vec<&Path> = logs.iter().map(PathBuf::as_path).collect();
        Audit::of(&self.ledger, &logs).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f10_proxies_that_take_turns_on_a_port_lose_nothing() -> anyhow::Result<()> {
    let mut proxies = Proxies::new()?;
    let mut serve = proxies.start_at("127.0.0.1:0").await?;
    let running = Clients::of(&proxies.ledger, &[serve.http]).start();
    for _ in 0..scaled(2) {
        running.progress(scaled(150)).await?;
        let next = proxies.start_at(&serve.http.to_string()).await?;
        serve.terminate()?;
        let status = serve.ended().await?;
        assert_eq!(status.code(), Some(0), "{}", serve.printed());
        serve = next;
    }
    running.progress(200).await?;
    running.stop().await?;
    let audit = proxies.audit().await?;
    audit.assert_sound();
    audit.assert_none_failed();
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn f11_a_proxy_that_is_killed_takes_only_what_it_was_busy_with() -> anyhow::Result<()> {
    const CONNECTIONS: usize = 8;
    let mut proxies = Proxies::new()?;
    let stays = proxies.start_at("127.0.0.1:0").await?;
    let mut dies = proxies.start_at("127.0.0.1:0").await?;
    let both = [stays.http, dies.http];
    let clients = Clients::of(&proxies.ledger, &both).connections(CONNECTIONS, 0);
    let running = clients.start();
    for round in 1..=scaled(2) as usize {
        running.progress(200).await?;
        dies.kill().await?;
        running.progress(200).await?;
        dies = proxies.start_at(&both[1].to_string()).await?;
        let failed = failures(&proxies.ledger);
        // Those that were connected to it, and those that tried to be while it was away.
        assert!(failed.len() <= round * 2 * CONNECTIONS, "{failed:#?}");
    }
    let before = failures(&proxies.ledger).len();
    running.progress(400).await?;
    running.stop().await?;
    assert_eq!(failures(&proxies.ledger).len(), before, "all is well again");
    let target = &proxies.target.name;
    assert!(
        proxies
            .ledger
            .executions()
            .iter()
            .all(|line| line.target == *target)
    );
    Ok(())
}

fn failures(ledger: &Ledger) -> Vec<Outcome> {
    let outcomes = ledger.outcomes().into_iter().map(|asked| asked.outcome);
    outcomes.filter(|outcome| !outcome.is_good()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn f19_a_head_that_is_under_way_when_a_drain_begins_is_answered() -> anyhow::Result<()> {
    let ledger = Ledger::default();
    let target = Target::start(&ledger, "good")?;
    let mut stand = Stand::before(&ledger, &[&target]).await?;
    let mut raw = Raw::to(stand.serve.http).await?;
    // One whole request before it: the connection is certainly served by then.
    let head = "GET / HTTP/1.1\r\nHost: shop.example.com\r\nX-Request-Id: r-0\r\n";
    raw.write(format!("{head}\r\n").as_bytes(), Pace::Whole)
        .await;
    raw.read_until(|text| text.contains("\r\n\r\n")).await?;
    raw.write(head.as_bytes(), Pace::Whole).await;
    stand.serve.terminate()?;
    within("connections to be refused", async {
        while TcpStream::connect(stand.serve.http).await.is_ok() {}
    })
    .await?;
    raw.write(b"\r\n", Pace::Whole).await;
    let read = raw.read_to_end().await?;
    let answers = read.matches("HTTP/1.1 200 OK").count();
    assert_eq!(answers, 2, "{read}");
    assert!(read.to_lowercase().contains("connection: close"), "{read}");
    assert_eq!(stand.serve.ended().await?.code(), Some(0));
    Ok(())
}

/// Where a handshake is held up.
#[derive(Clone, Copy, Debug)]
enum HeldUp {
    /// In the middle of what the client says first.
    InHello,
    /// Before what it says last.
    BeforeItsEnd,
}

/// A way to `proxy` that is held up there until `go_on` comes.
async fn held_up(
    proxy: SocketAddr,
    at: HeldUp,
    go_on: oneshot::Receiver<()>,
) -> anyhow::Result<DuplexStream> {
    let (near, mut far) = duplex(64 * 1024);
    let mut stream = connect(proxy).await?;
    tokio::spawn(async move {
        let mut hello = Vec::new();
        far.read_buf(&mut hello).await?;
        let first = match at {
            HeldUp::InHello => hello.len() / 2,
            HeldUp::BeforeItsEnd => hello.len(),
        };
        stream.write_all(&hello[..first]).await?;
        // Whoever waits for it goes on, or has given up.
        let _ = go_on.await;
        stream.write_all(&hello[first..]).await?;
        copy_bidirectional(&mut far, &mut stream).await
    });
    Ok(near)
}

#[tokio::test(flavor = "multi_thread")]
async fn f19_a_handshake_that_is_under_way_when_a_drain_begins_ends_well() -> anyhow::Result<()> {
    for at in [HeldUp::InHello, HeldUp::BeforeItsEnd] {
        let backend = Backend::start("good").await?;
        let shown = Certificate::of(SHOP)?;
        let objects = with_tls(&backend, &shown.pem(), &shown.key_pem());
        let manifests = Manifests::of(&objects)?;
        let mut serve = Serve::start_with(manifests.path(), &["--https", "127.0.0.1:0"]).await?;
        let https = serve.https.expect("it was asked for");
        let (tell, go_on) = oneshot::channel();
        let stream = held_up(https, at, go_on).await?;
        let config = shown.config(&[])?;
        let shaking =
            tokio::spawn(async move { connect_over(&config, SHOP, stream, &["http/1.1"]).await });
        until("the connection to be there", || async {
            let metrics = serve.metrics().await?;
            let open = metrics.sum("haldane_connections", &[("listener", "https")]);
            Ok((open == 1.0).then_some(()))
        })
        .await?;
        serve.terminate()?;
        within("connections to be refused", async {
            while TcpStream::connect(https).await.is_ok() {}
        })
        .await?;
        // It waits for this, or has given up.
        let _ = tell.send(());
        let mut client = Client::h1_over(shaking.await??).await?;
        let answer = client.get(SHOP, "/").await?;
        let seen = (answer.text(), answer.header("connection").to_owned());
        assert_eq!(seen, ("good".to_owned(), "close".to_owned()), "{at:?}");
        assert_eq!(serve.ended().await?.code(), Some(0), "{at:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn f19_a_hang_up_ends_nothing_and_begins_a_new_log() -> anyhow::Result<()> {
    let ledger = Ledger::default();
    let target = Target::start(&ledger, "good")?;
    let mut stand = Stand::before(&ledger, &[&target]).await?;
    let running = stand.clients().start();
    running.progress(50).await?;
    let (log, rotated) = (stand.log(), stand.log().with_extension("1"));
    std::fs::rename(&log, &rotated)?;
    stand.serve.signal(Signal::HUP)?;
    within("a new log", async {
        while !log.exists() {
            running.progress(10).await?;
        }
        anyhow::Ok(())
    })
    .await??;
    running.progress(50).await?;
    running.stop().await?;
    assert!(stand.serve.is_running()?);
    let audit = Audit::of(&ledger, &[&log, &rotated]).await?;
    audit.assert_sound();
    audit.assert_none_failed();
    Ok(())
}

//! The faults of a soak, and what each may cost.

use super::scene::Mood;
use super::{DESCRIPTORS, Load, Soak};
use haldane_tests::client::connect;
use haldane_tests::ledger::Entry;
use haldane_tests::manifests::SHOP;
use haldane_tests::process::Signal;
use haldane_tests::raw::{Pace, Raw};
use rand::RngExt as _;
use std::net::SocketAddr;

/// Requests between two changes of the same fault.
const BETWEEN: u64 = 25;
/// Changes of a table, or connections that are cut, in one round.
const CHANGES: usize = 5;
/// See [`CHANGES`].
const CUTS: usize = 60;

/// What is broken in a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fault {
    /// A backend is killed, and comes back.
    Killed,
    /// A backend refuses connections all the time.
    Refusing,
    /// All backends close connections as they are used.
    Fickle,
    /// A backend says something that is no answer.
    Garbage,
    /// A backend says nothing.
    Hanging,
    /// Answers of a backend break off.
    Cut,
    /// A backend's machine is gone without a word.
    Vanished,
    /// There are no backends for a while.
    Emptied,
    /// Backends come and go, and shares change.
    Churn,
    /// SIGHUP.
    HungUp,
    /// Certificates are replaced, by bad ones and good ones.
    Certificates,
    /// Clients break off what they began to say.
    CutRequests,
    /// More connections than there are descriptors.
    Crowd,
}

impl Fault {
    pub(super) const ALL: [Self; 13] = [
        Self::Killed,
        Self::Refusing,
        Self::Fickle,
        Self::Garbage,
        Self::Hanging,
        Self::Cut,
        Self::Vanished,
        Self::Emptied,
        Self::Churn,
        Self::HungUp,
        Self::Certificates,
        Self::CutRequests,
        Self::Crowd,
    ];

    /// Whether this fault excuses that this request came to no good.
    pub(super) fn may_cost(self, entry: &Entry) -> bool {
        let post = |status| !entry.is_get() && entry.status() == Some(status);
        match self {
            Self::Killed | Self::Refusing | Self::Fickle => entry.is_cut() || post(502),
            Self::Garbage | Self::Cut => entry.is_cut() || entry.status() == Some(502),
            Self::Hanging | Self::Vanished => {
                entry.is_cut() || entry.status() == Some(504) || post(502)
            }
            Self::Emptied => entry.status() == Some(503),
            Self::Churn | Self::HungUp | Self::Certificates | Self::CutRequests | Self::Crowd => {
                false
            }
        }
    }
}

impl Soak {
    fn victim(&mut self) -> usize {
        self.chance.random_range(0..self.scene.actors.len())
    }

    /// What is broken before anybody asks.
    pub(super) async fn before(&mut self, fault: Fault) {
        let victim = self.victim();
        let garbage = self.chance.random_range(0..usize::MAX);
        let actor = &mut self.scene.actors[victim];
        match fault {
            Fault::Refusing => actor.target.kill().await,
            Fault::Garbage => actor.is_now(Mood::Garbage(garbage)),
            Fault::Hanging => actor.is_now(Mood::Hang),
            Fault::Cut => actor.is_now(Mood::Cut),
            Fault::Fickle => self.all_are(Mood::Fickle),
            _ => {}
        }
    }

    fn all_are(&self, mood: Mood) {
        for actor in &self.scene.actors {
            actor.is_now(mood);
        }
    }

    /// What is broken while everybody asks.
    pub(super) async fn during(&mut self, fault: Fault, load: &Load) -> anyhow::Result<()> {
        match fault {
            Fault::Killed => self.kill_one(load).await,
            Fault::Vanished => self.lose_one(load).await,
            Fault::Emptied => self.empty(load).await,
            Fault::Churn => self.churn(load).await,
            Fault::HungUp => self.hang_up(load).await,
            Fault::Certificates => self.certificates(load).await,
            Fault::CutRequests => self.cut_requests().await,
            Fault::Crowd => self.crowd(load).await,
            _ => Ok(()),
        }
    }

    /// Mends what [`Soak::before`] broke.
    pub(super) async fn after(&mut self, fault: Fault) -> anyhow::Result<()> {
        self.all_are(Mood::Sound);
        if !matches!(fault, Fault::Refusing | Fault::Hanging) {
            return Ok(());
        }
        for actor in &mut self.scene.actors {
            // What hangs hangs for ever, unless its backend ends.
            actor.target.kill().await;
            actor.target.revive()?;
        }
        Ok(())
    }

    async fn kill_one(&mut self, load: &Load) -> anyhow::Result<()> {
        let victim = self.victim();
        self.scene.actors[victim].target.kill().await;
        load.progress(BETWEEN).await?;
        self.scene.actors[victim].target.revive()
    }

    async fn lose_one(&mut self, load: &Load) -> anyhow::Result<()> {
        let victim = self.victim();
        self.scene.actors[victim].target.vanish();
        load.progress(4 * BETWEEN).await?;
        self.scene.replace(victim)?;
        self.stand.change(&self.scene.objects()).await
    }

    async fn empty(&mut self, load: &Load) -> anyhow::Result<()> {
        for is_in in [false, true] {
            for actor in &mut self.scene.actors {
                actor.is_in = is_in;
            }
            self.stand.change(&self.scene.objects()).await?;
            load.progress(BETWEEN).await?;
        }
        Ok(())
    }

    async fn churn(&mut self, load: &Load) -> anyhow::Result<()> {
        for _ in 0..CHANGES {
            // Always another share, so that the table is always another one.
            self.scene.share = (self.scene.share + self.chance.random_range(1..1_000)) % 1_000;
            for actor in &mut self.scene.actors {
                actor.is_in = self.chance.random_bool(0.5);
            }
            let (stays, canary) = (
                self.chance.random_range(0..3),
                self.chance.random_range(3..5),
            );
            self.scene.actors[stays].is_in = true;
            self.scene.actors[canary].is_in = true;
            self.stand.change(&self.scene.objects()).await?;
            load.progress(BETWEEN).await?;
        }
        self.scene.share = (self.scene.share + 1) % 1_000;
        for actor in &mut self.scene.actors {
            actor.is_in = true;
        }
        self.stand.change(&self.scene.objects()).await
    }

    async fn hang_up(&mut self, load: &Load) -> anyhow::Result<()> {
        for _ in 0..CHANGES {
            self.stand.serve.signal(Signal::HUP)?;
            load.progress(BETWEEN).await?;
        }
        Ok(())
    }

    async fn certificates(&mut self, load: &Load) -> anyhow::Result<()> {
        let mark = self.stand.serve.mark_errors();
        self.stand.write(&self.scene.objects_with_another_key()?)?;
        let stays = "the table in force stays";
        self.stand.serve.error_line(mark, stays).await?;
        load.progress(BETWEEN).await?;
        self.scene.reissue()?;
        self.stand.change(&self.scene.objects()).await
    }

    async fn cut_requests(&mut self) -> anyhow::Result<()> {
        let https = self.stand.serve.https.expect("it was asked for");
        for index in 0..CUTS {
            let (address, bytes) = beginning(index, self.stand.serve.http, https);
            let at = self.chance.random_range(0..bytes.len());
            let mut raw = Raw::to(address).await?;
            raw.write(&bytes[..at], Pace::Whole).await;
            if self.chance.random_bool(0.5) {
                raw.reset();
            }
        }
        Ok(())
    }

    async fn crowd(&mut self, load: &Load) -> anyhow::Result<()> {
        let mut crowd = Vec::new();
        for _ in 0..DESCRIPTORS {
            crowd.push(connect(self.stand.serve.http).await?);
        }
        load.progress(BETWEEN).await?;
        drop(crowd);
        Ok(())
    }
}

/// Something that is no whole request before its last byte, and where it is said.
fn beginning(index: usize, http: SocketAddr, https: SocketAddr) -> (SocketAddr, Vec<u8>) {
    let post = format!(
        "POST / HTTP/1.1\r\nHost: {SHOP}\r\nX-Request-Id: cut-{index}\r\nContent-Length: 9\r\n\r\ncut short"
    );
    let hello = [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        &[0; 100],
    ]
    .concat();
    match index % 3 {
        0 => (http, post.into_bytes()),
        1 => (
            http,
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0\0\0\x40\x01\x04\0\0\0\x01"
                .to_vec(),
        ),
        _ => (https, hello),
    }
}

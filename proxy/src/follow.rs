//! Following a controller: tables come over one stream and are put in force, answers and counters go back.
//!
//! A thread of its own does it; workers never wait for it. The last table applied stays on disk, so that a proxy that
//! starts while no controller is there serves at once. Losing the controller changes nothing that is served.
//! The protocol stands in `docs/push.md`.

mod apply;
mod backoff;
mod connect;
mod counters;
mod disk;
mod session;
mod target;

pub use target::{Target, TargetFault};

use crate::proxy::Proxy;
use apply::Applier;
use backoff::Backoff;
use connect::Connector;
use disk::Disk;
use session::Ended;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use tokio::sync::oneshot;

/// A stream that lasted so long was a good one: what comes after it starts with short waits again.
const GOOD_STREAM: Duration = Duration::from_secs(5);

/// Whom to follow, and how to prove who we are.
#[derive(Clone, Debug)]
pub struct Follow {
    /// Where the controller is, and which name its certificate must have.
    pub target: Target,
    /// Our chain, as PEM; read at each connection, as the next two.
    pub certificate: PathBuf,
    /// Our key, as PEM.
    pub key: PathBuf,
    /// The authorities that the controller's certificate comes from, as PEM.
    pub authorities: PathBuf,
    /// A directory for the last table applied; nothing is kept where absent.
    pub state: Option<PathBuf>,
    /// Our name, as the controller shows it: printable ASCII of at most 512 bytes.
    pub name: String,
}

/// A proxy that follows. Dropping it ends the stream; the table in force stays.
#[derive(Debug)]
pub struct Following {
    _stop: oneshot::Sender<()>,
}

impl Follow {
    /// Puts the table on disk in force, if there is one, and follows the controller from then on, for ever.
    ///
    /// # Errors
    /// When the system gives no thread or runtime. A controller that is not there is no error.
    pub fn start(self, proxy: Arc<Proxy>) -> io::Result<Following> {
        let (stop, stopped) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        thread::Builder::new()
            .name("follow".to_owned())
            .spawn(move || {
                let _vital = proxy.vital("following");
                runtime.block_on(async {
                    tokio::select! {
                        // Only a dropped sender ends this; nothing is ever sent.
                        _ = stopped => {}
                        () = self.run(proxy) => {}
                    }
                });
                // A table that is being written may take a while on a bad disk; nobody waits for it.
                runtime.shutdown_background();
            })?;
        Ok(Following { _stop: stop })
    }

    async fn run(self, proxy: Arc<Proxy>) {
        let metrics = proxy.metrics().pushed();
        let disk = self.state.clone().map(Disk::in_directory);
        let mut applier = Applier::new(proxy, disk);
        applier.start_from_disk().await;
        let connector = Connector::new(&self);
        let mut backoff = Backoff::default();
        loop {
            let mut near = false;
            for address in connector.addresses().await {
                let begun = tokio::time::Instant::now();
                let ended = self.follow_once(&connector, address, &mut applier).await;
                metrics.connected.set(0);
                near |= ended.is_by_controller();
                tracing::warn!(%address, reason = %ended, "the controller is not followed");
                if begun.elapsed() >= GOOD_STREAM {
                    backoff = Backoff::default();
                }
            }
            tokio::time::sleep(backoff.next_wait(near)).await;
        }
    }

    async fn follow_once(
        &self,
        connector: &Connector,
        address: std::net::SocketAddr,
        applier: &mut Applier,
    ) -> Ended {
        match connector.connect(address).await {
            Ok(channel) => session::follow(channel, &self.name, applier).await,
            Err(fault) => Ended::NoConnection(fault),
        }
    }
}

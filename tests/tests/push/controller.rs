//! A controller's push port in the test's own process, at an address that it can leave and take again.

use haldane_controller::push::{Publisher, PushTls, serve};
use haldane_routing::spec::TableSpec;
use haldane_tests::authority::{Authority, CONTROLLER, Files, PROXY};
use haldane_tests::within;
use haldane_wire::Generation;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// The authority of a test and the place where controllers stand.
pub(crate) struct Place {
    pub(crate) authority: Authority,
    pub(crate) address: SocketAddr,
    /// Open throughout, so that nobody else is given the port; who comes between two controllers waits for the next.
    socket: std::net::TcpListener,
}

impl Place {
    /// A free port; controllers take turns on it.
    pub(crate) fn new() -> anyhow::Result<Self> {
        Self::at(Ipv4Addr::LOCALHOST.into())
    }

    /// A free port of an address.
    pub(crate) fn at(address: IpAddr) -> anyhow::Result<Self> {
        let socket = std::net::TcpListener::bind((address, 0))?;
        socket.set_nonblocking(true)?;
        Ok(Self {
            authority: Authority::new("push")?,
            address: socket.local_addr()?,
            socket,
        })
    }

    pub(crate) fn listen(&self) -> anyhow::Result<TcpListener> {
        Ok(TcpListener::from_std(self.socket.try_clone()?)?)
    }

    /// A controller that leads a term.
    pub(crate) fn lead(&self, term: u64) -> anyhow::Result<Controller> {
        let publisher = Publisher::new();
        publisher.lead(Some(term));
        self.serve(publisher)
    }

    /// A controller that goes on as it was.
    pub(crate) fn serve(&self, publisher: Publisher) -> anyhow::Result<Controller> {
        let credentials = self.authority.credentials(CONTROLLER, &self.authority)?;
        let files = Files::of(&credentials)?;
        let tls = PushTls {
            certificate: files.path("tls.crt"),
            key: files.path("tls.key"),
            client_authorities: files.path("ca.crt"),
            client_name: PROXY.to_owned(),
        };
        let (stop, stopped) = oneshot::channel();
        let serving = serve(self.listen()?, tls, publisher.clone(), async {
            let _ = stopped.await;
        });
        Ok(Controller {
            publisher,
            files,
            stop,
            serving: tokio::spawn(async { Ok(serving.await?) }),
        })
    }
}

/// A controller that pushes.
pub(crate) struct Controller {
    pub(crate) publisher: Publisher,
    pub(crate) files: Files,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<anyhow::Result<()>>,
}

impl Controller {
    /// Waits until this is so of the proxies.
    async fn wait(&self, what: &str, is_so: impl Fn(&Publisher) -> bool) -> anyhow::Result<()> {
        let mut changed = self.publisher.changed();
        within(what, async {
            while !is_so(&self.publisher) {
                changed.changed().await?;
            }
            anyhow::Ok(())
        })
        .await?
    }

    /// Waits until so many proxies follow.
    pub(crate) async fn proxies(&self, count: usize) -> anyhow::Result<()> {
        let what = format!("{count} proxies");
        self.wait(&what, |publisher| publisher.proxies().len() == count)
            .await
    }

    /// Waits until every proxy has applied it.
    pub(crate) async fn live(&self, generation: Generation) -> anyhow::Result<()> {
        let what = format!("{generation} to be live");
        self.wait(&what, |publisher| publisher.live() == Some(generation))
            .await
    }

    /// Publishes a table and waits until every proxy has applied it.
    pub(crate) async fn push(
        &self,
        generation: Generation,
        table: &TableSpec,
    ) -> anyhow::Result<()> {
        self.publisher.publish(generation, table)?;
        self.live(generation).await
    }

    /// Goes away; its streams end.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        drop(self.stop);
        within("the controller to stop", self.serving).await??
    }
}

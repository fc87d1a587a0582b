//! Manifests that change while they are served: a table is replaced whole, or the one in force stays.

use crate::load::{self, Loaded, Source};
use crate::output::counted;
use anyhow::Context as _;
use haldane_proxy::Proxy;
use haldane_routing::spec::TableSpec;
use notify::{RecursiveMode, Watcher as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// Files are often written in several steps: this long without another change makes a whole one.
const QUIET: Duration = Duration::from_millis(20);
/// A directory that never comes to rest is read all the same this often.
const RESTLESS_MAX: Duration = Duration::from_millis(100);

/// A watch over manifests and what came of the last look at them.
pub(crate) struct Reload {
    paths: Vec<PathBuf>,
    source: Source,
    seed: u64,
    in_force: TableSpec,
    reported: Vec<String>,
    changes: mpsc::Receiver<()>,
    _watcher: notify::RecommendedWatcher,
}

impl Reload {
    /// Watches from now on. `loaded` is what is in force.
    ///
    /// # Errors
    /// When the system does not let us watch.
    pub(crate) fn watch(
        paths: Vec<PathBuf>,
        source: Source,
        seed: u64,
        loaded: Loaded,
    ) -> anyhow::Result<Self> {
        // One place: what matters is that something changed, not how often.
        let (changed, changes) = mpsc::channel(1);
        let mut watcher =
            notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
                if event.is_ok_and(|event| !event.kind.is_access()) {
                    // Full means that a look is due already.
                    let _ = changed.try_send(());
                }
            })?;
        for path in &paths {
            let watched = watchable(path);
            watcher
                .watch(watched, RecursiveMode::Recursive)
                .with_context(|| format!("watching {}", path.display()))?;
        }
        Ok(Self {
            reported: lines(&loaded),
            in_force: loaded.table,
            paths,
            source,
            seed,
            changes,
            _watcher: watcher,
        })
    }

    /// Reloads at each change, for ever. What changed before the watch began is seen at once.
    ///
    /// # Errors
    /// When the proxy or the watch is gone.
    pub(crate) async fn run(mut self, proxy: &Arc<Proxy>) -> anyhow::Result<()> {
        self.look(proxy).await?;
        while self.changes.recv().await.is_some() {
            self.settle().await;
            self.look(proxy).await?;
        }
        anyhow::bail!("the manifests are not watched any more")
    }

    /// Waits until nothing changes for a moment.
    async fn settle(&mut self) {
        let restless = tokio::time::sleep(RESTLESS_MAX);
        tokio::pin!(restless);
        loop {
            tokio::select! {
                () = &mut restless => return,
                () = tokio::time::sleep(QUIET) => return,
                changed = self.changes.recv() => if changed.is_none() { return },
            }
        }
    }

    async fn look(&mut self, proxy: &Arc<Proxy>) -> anyhow::Result<()> {
        let loaded = load::load(&self.paths, &self.source);
        self.report(&loaded);
        if loaded.has_errors() || loaded.table == self.in_force {
            return Ok(());
        }
        match load::build(&loaded.table, Some(&proxy.table()), self.seed) {
            Ok(table) => self.install(proxy, table, loaded.table).await,
            Err(error) => {
                eprintln!("{error:#}\nthe table in force stays");
                Ok(())
            }
        }
    }

    async fn install(
        &mut self,
        proxy: &Arc<Proxy>,
        table: haldane_routing::Table,
        spec: TableSpec,
    ) -> anyhow::Result<()> {
        let rules = counted(table.rules().len(), "rule");
        match proxy.install(Arc::new(table)).await {
            Ok(generation) => {
                println!("generation {}: {rules} in force", generation.0);
                self.in_force = spec;
                Ok(())
            }
            Err(haldane_proxy::Rejected::Stopped) => anyhow::bail!("the proxy has stopped"),
            Err(rejected) => {
                eprintln!("{rejected}\nthe table in force stays");
                Ok(())
            }
        }
    }

    /// Prints problems once, not at every change of another file.
    fn report(&mut self, loaded: &Loaded) {
        let now = lines(loaded);
        if now != self.reported {
            now.iter().for_each(|line| eprintln!("{line}"));
            if loaded.has_errors() {
                eprintln!("the table in force stays until the errors are gone");
            }
            self.reported = now;
        }
    }
}

fn lines(loaded: &Loaded) -> Vec<String> {
    loaded.problems.iter().map(ToString::to_string).collect()
}

/// A file that an editor replaces is another file afterwards, so its directory is watched.
fn watchable(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if path.is_file() && !parent.as_os_str().is_empty() => parent,
        Some(_) if path.is_file() => Path::new("."),
        _ => path,
    }
}

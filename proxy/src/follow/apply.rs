//! From parts to a table in force: what is held, what is refused, what is kept on disk.

use super::disk::{Disk, Kept};
use crate::metrics::PushedMetrics;
use crate::proxy::Proxy;
use crate::snapshot::Rejected;
use haldane_routing::spec::TableSpec;
use haldane_routing::{Fault as TableFault, Table};
use haldane_wire::proto::{Hello, Part};
use haldane_wire::{Assembly, Candidate, Fault, Generation};
use std::sync::Arc;
use thiserror::Error;

/// What a reason is cut to: the controller keeps no more.
const REASON_BYTES_MAX: usize = 4 << 10;

/// Why a change was refused.
#[derive(Debug, Error)]
pub(super) enum Refusal {
    /// It is not what was meant, or older than what is held: nothing more is to be had from this stream.
    #[error("{0}")]
    Change(#[from] Fault),
    /// The table is what was meant, and cannot be put in force.
    #[error("{0}")]
    Table(String),
}

/// What a proxy holds, and how it changes.
pub(super) struct Applier {
    proxy: Arc<Proxy>,
    assembly: Assembly,
    disk: Option<Disk>,
    metrics: PushedMetrics,
    /// Drawn anew by each process.
    instance: String,
    /// A change did not come to what it should: we say that we hold nothing, and get all of it.
    distrusts: bool,
    seed: u64,
}

impl Applier {
    pub(super) fn new(proxy: Arc<Proxy>, disk: Option<Disk>) -> Self {
        Self {
            metrics: proxy.metrics().pushed(),
            proxy,
            assembly: Assembly::default(),
            disk,
            instance: format!("{:016x}", rand::random::<u64>()),
            distrusts: false,
            seed: rand::random(),
        }
    }

    pub(super) fn proxy(&self) -> &Proxy {
        &self.proxy
    }

    pub(super) fn metrics(&self) -> &PushedMetrics {
        &self.metrics
    }

    /// Serves the last table there was, if it is on disk. What is there and cannot be used is said and left out.
    pub(super) async fn start_from_disk(&mut self) {
        let Some(kept) = self.disk.as_ref().and_then(Disk::load) else {
            return;
        };
        match self.install(&kept.table).await {
            Ok(()) => self.started_from(&kept),
            Err(reason) => tracing::warn!(reason, "the table on disk cannot be used"),
        }
    }

    fn started_from(&mut self, kept: &Kept) {
        match Assembly::holding(kept.generation, &kept.table) {
            Ok(assembly) => self.assembly = assembly,
            Err(fault) => tracing::warn!(%fault, "the table on disk cannot be built on"),
        }
        self.note_in_force(kept.generation, "a table from disk is in force");
    }

    /// Who we are and what we hold.
    pub(super) fn hello(&mut self, name: &str) -> Hello {
        self.assembly.interrupt();
        let digest = self.assembly.digest().filter(|_| !self.distrusts);
        Hello {
            proxy: name.to_owned(),
            instance: self.instance.clone(),
            generation: self.assembly.generation().map(Into::into),
            digest: digest
                .map_or_else(Default::default, |digest| digest.as_bytes().to_vec().into()),
        }
    }

    /// Takes a part. After the last one, the generation that is now in force.
    ///
    /// # Errors
    /// [`Refusal`]; the table in force stays.
    pub(super) async fn take(&mut self, part: Part) -> Result<Option<Generation>, Refusal> {
        let candidate = match self.assembly.accept(part) {
            Ok(candidate) => candidate,
            Err(fault) => return Err(self.refuse(fault)),
        };
        let Some(candidate) = candidate else {
            return Ok(None);
        };
        self.apply(candidate).await.map(Some)
    }

    fn refuse(&mut self, fault: Fault) -> Refusal {
        self.distrusts = !matches!(fault, Fault::NotNewer { .. });
        self.proxy.metrics().table_rejected();
        fault.into()
    }

    async fn apply(&mut self, candidate: Candidate) -> Result<Generation, Refusal> {
        let generation = candidate.generation();
        let kept = Kept {
            generation,
            table: candidate.table(),
        };
        if self.assembly.digest() != Some(candidate.digest()) {
            let installed = self.install(&kept.table).await;
            installed.map_err(|reason| Refusal::Table(cut(reason)))?;
        }
        self.assembly.adopt(candidate);
        self.distrusts = false;
        self.note_in_force(generation, "a table is in force");
        if let Some(disk) = &mut self.disk {
            disk.save(kept, &self.metrics);
        }
        Ok(generation)
    }

    /// Returns when every worker routes by the table.
    async fn install(&self, spec: &TableSpec) -> Result<(), String> {
        let table = Table::build(spec, Some(&self.proxy.table()), self.seed);
        let table = table.map_err(|faults| {
            self.proxy.metrics().table_rejected();
            lines(&faults)
        })?;
        let installed = self.proxy.install(Arc::new(table)).await;
        installed
            .map(drop)
            .map_err(|rejected: Rejected| rejected.to_string())
    }

    fn note_in_force(&self, generation: Generation, what: &'static str) {
        let rules = self.proxy.table().rules().len();
        tracing::info!(%generation, rules, "{what}");
        let shown = |number| i64::try_from(number).unwrap_or(i64::MAX);
        self.metrics.term.set(shown(generation.term));
        self.metrics.number.set(shown(generation.number));
    }
}

fn lines(faults: &[TableFault]) -> String {
    let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

fn cut(mut reason: String) -> String {
    let end = reason.floor_char_boundary(REASON_BYTES_MAX);
    reason.truncate(end);
    reason
}

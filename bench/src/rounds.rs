//! One measurement of one peer, and the order in which peers take turns.

use serde::Serialize;

use crate::cpu::{CpuSpent, CpuTime, busy_ns};
use crate::load::{Load, Outcome};
use crate::peer::{Kind, Peer};

/// Requests before each measurement: they open upstream connections and warm caches.
pub(crate) const WARM_UP_REQUESTS: u64 = 2_000;

/// How much is sent in a measurement.
#[derive(Clone, Copy, Serialize)]
pub(crate) struct Amount {
    /// Requests that are measured.
    pub(crate) requests: u64,
    /// Keep-alive connections they go over.
    pub(crate) connections: usize,
}

/// What one peer needed in one round.
#[derive(Clone, Serialize)]
pub(crate) struct Sample {
    /// Which peer.
    pub(crate) peer: Kind,
    /// In which round, from 0.
    pub(crate) round: usize,
    /// CPU time of one request in us.
    pub(crate) cpu_us: f64,
    /// The part of it in user mode, in us.
    pub(crate) user_us: f64,
    /// The part of it in the kernel, in us.
    pub(crate) system_us: f64,
    /// Requests answered in a second.
    pub(crate) per_second: f64,
    /// Latency that half of the answers kept to, in us.
    pub(crate) p50_us: f64,
    /// Latency that 99 % of the answers kept to, in us.
    pub(crate) p99_us: f64,
    /// How busy the peer kept its core, 0 to 1: near 1, the peer was what limited the round.
    pub(crate) busy: f64,
    /// How busy everything else kept that core, 0 to 1: noise.
    pub(crate) noise: f64,
    /// How many requests each version answered.
    pub(crate) answers: Vec<u64>,
}

/// The order of `peers` peers in a round: each starts equally often, and follows another each time.
pub(crate) fn order(peers: usize, round: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..peers).collect();
    if peers > 0 {
        order.rotate_left(round % peers);
    }
    if round % 2 == 1 {
        order[1.min(peers)..].reverse();
    }
    order
}

/// Measures one peer once, over fresh connections.
///
/// # Errors
/// If an answer is wrong or missing, or the peer has ended.
pub(crate) async fn measure(
    peer: &Peer,
    round: usize,
    amount: Amount,
    core: usize,
    versions: &[String],
) -> anyhow::Result<Sample> {
    let mut load = Load::connect(peer.address, amount.connections).await?;
    load.send(WARM_UP_REQUESTS, versions).await?;
    let processes = peer.process.tree();
    let (cpu_before, core_before) = (CpuTime::of(&processes)?, busy_ns(core)?);
    let outcome = load.send(amount.requests, versions).await?;
    let spent = CpuTime::of(&processes)?.since(cpu_before);
    Ok(sample(
        peer.kind,
        round,
        &outcome,
        spent,
        busy_ns(core)? - core_before,
    ))
}

fn sample(
    peer: Kind,
    round: usize,
    outcome: &Outcome,
    spent: CpuSpent,
    core_busy_ns: u64,
) -> Sample {
    let requests = outcome.latency.len() as f64;
    let wall_ns = outcome.wall.as_nanos() as f64;
    let cpu_us = spent.total_ns as f64 / requests / 1e3;
    let latency_us = |quantile| outcome.latency.value_at_quantile(quantile) as f64 / 1e3;
    Sample {
        peer,
        round,
        cpu_us,
        user_us: cpu_us * spent.user_share,
        system_us: cpu_us * (1.0 - spent.user_share),
        per_second: requests / wall_ns * 1e9,
        p50_us: latency_us(0.5),
        p99_us: latency_us(0.99),
        busy: spent.total_ns as f64 / wall_ns,
        noise: core_busy_ns.saturating_sub(spent.total_ns) as f64 / wall_ns,
        answers: outcome.answers.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_peer_runs_once_a_round_and_starts_equally_often() {
        for peers in 0..6 {
            let mut starts = vec![0; peers];
            for round in 0..2 * peers {
                let order = order(peers, round);
                starts[order[0]] += 1;
                let mut sorted = order.clone();
                sorted.sort_unstable();
                assert_eq!(sorted, (0..peers).collect::<Vec<_>>());
            }
            assert!(starts.iter().all(|&starts| starts == 2));
        }
    }
}

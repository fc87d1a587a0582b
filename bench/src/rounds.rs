//! One measurement of one peer, and the order in which peers take turns.

use std::sync::Arc;

use serde::Serialize;

use crate::cpu::{CpuSpent, CpuTime, busy_ns, memory_bytes};
use crate::load::{Load, Outcome};
use crate::pace::Pace;
use crate::peer::{Kind, Peer};
use crate::user::Plan;

/// How much is sent in a measurement.
#[derive(Clone, Copy)]
pub(crate) struct Amount {
    /// Requests before, which are not measured; more where routes were not asked for yet.
    pub(crate) warm_up: u64,
    /// Requests that are measured.
    pub(crate) requests: u64,
    /// Clients that ask at the same time.
    pub(crate) users: usize,
    /// When they do.
    pub(crate) pace: Pace,
}

/// What one peer needed in one round of one case.
#[derive(Clone, Default, Serialize)]
pub(crate) struct Sample {
    /// Which case.
    pub(crate) case: &'static str,
    /// Which peer.
    pub(crate) peer: Kind,
    /// In which round, from 0.
    pub(crate) round: usize,
    /// Requests that were due in a second; none in a closed loop.
    pub(crate) rate: Option<f64>,
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
    /// Latency that 99.9 % of the answers kept to, in us.
    pub(crate) p999_us: f64,
    /// How busy the peer kept its core, 0 to 1: near 1, the peer was what limited the round.
    pub(crate) busy: f64,
    /// How busy everything else kept that core, 0 to 1: noise.
    pub(crate) noise: f64,
    /// Memory at the end, while clients are still connected, in MiB.
    pub(crate) memory_mib: f64,
    /// How many requests each version answered.
    pub(crate) answers: Vec<u64>,
    /// HTTP requests that were sent, those before the measurement included.
    pub(crate) sent: u64,
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

/// Measures one peer once, with fresh clients.
///
/// # Errors
/// If an answer is wrong or missing, or the peer has ended.
pub(crate) async fn measure(
    peer: &Peer,
    plan: &Arc<Plan>,
    amount: Amount,
    core: usize,
) -> anyhow::Result<Sample> {
    let mut load = Load::connect(plan, amount.users).await?;
    let warm_up = amount.warm_up.max(plan.unasked());
    load.send(warm_up, Pace::Closed).await?;
    let processes = peer.process.tree();
    let (cpu_before, core_before) = (CpuTime::of(&processes)?, busy_ns(core)?);
    let outcome = load.send(amount.requests, amount.pace).await?;
    let spent = CpuTime::of(&processes)?.since(cpu_before);
    let core_busy_ns = busy_ns(core)? - core_before;
    let turns = warm_up + amount.requests;
    Ok(Sample {
        case: plan.case().name,
        peer: peer.kind,
        rate: match amount.pace {
            Pace::Open(per_second) => Some(per_second),
            Pace::Closed => None,
        },
        memory_mib: memory_bytes(&processes)? as f64 / (1 << 20) as f64,
        sent: plan.case().http_requests(amount.users, turns),
        ..sample(&outcome, spent, core_busy_ns)
    })
}

fn sample(outcome: &Outcome, spent: CpuSpent, core_busy_ns: u64) -> Sample {
    let requests = outcome.latency.len() as f64;
    let wall_ns = outcome.wall.as_nanos() as f64;
    let cpu_us = spent.total_ns as f64 / requests / 1e3;
    let latency_us = |quantile| outcome.latency.value_at_quantile(quantile) as f64 / 1e3;
    Sample {
        cpu_us,
        user_us: cpu_us * spent.user_share,
        system_us: cpu_us * (1.0 - spent.user_share),
        per_second: requests / wall_ns * 1e9,
        p50_us: latency_us(0.5),
        p99_us: latency_us(0.99),
        p999_us: latency_us(0.999),
        busy: spent.total_ns as f64 / wall_ns,
        noise: core_busy_ns.saturating_sub(spent.total_ns) as f64 / wall_ns,
        answers: outcome.answers.clone(),
        ..Sample::default()
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

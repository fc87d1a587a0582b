//! The traffic of one release: who comes when, and how it goes for them.

use super::draw::{Arrivals, Failures};
use haldane_routing::{Schedule, Ticket};
use rand::RngExt as _;
use rand::rngs::SmallRng;
use std::ops::Range;

/// The place of the canary in a split's weights.
const CANARY: usize = 0;

/// What traffic there is. Times are in whole seconds; an answer without a delay comes within its second.
#[derive(Clone, Debug)]
pub(super) struct Traffic {
    pub(super) rps: f64,
    pub(super) stable_errors: f64,
    pub(super) canary_errors: f64,
    /// Until then the canary fails as often as stable.
    pub(super) onset: u64,
    /// When both fail always.
    pub(super) outage: Range<u64>,
    pub(super) canary_fails_after: u64,
    pub(super) stable_fails_after: u64,
    pub(super) requests_per_user: u32,
    pub(super) count_every_request: bool,
}

/// Requests of one version that arrived in one second.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Batch {
    pub(super) requests: u64,
    pub(super) bad: u64,
}

impl Traffic {
    /// Users that arrive in a second; one makes one request unless told otherwise.
    pub(super) fn arrivals(&self) -> Arrivals {
        Arrivals::new(self.rps / f64::from(self.requests_per_user))
    }

    fn rates(&self, second: u64) -> [f64; 2] {
        if self.outage.contains(&second) {
            return [1.0, 1.0];
        }
        match second < self.onset {
            true => [self.stable_errors; 2],
            false => [self.canary_errors, self.stable_errors],
        }
    }

    /// How many requests each arrival counts for.
    fn multiple(&self) -> u64 {
        match self.count_every_request {
            true => self.requests_per_user.into(),
            false => 1,
        }
    }
}

/// One release's traffic as it comes.
pub(super) struct Stream<'t> {
    traffic: &'t Traffic,
    arrivals: &'t Arrivals,
    failures: [Failures; 2],
    ticket: u64,
    random: SmallRng,
}

impl<'t> Stream<'t> {
    pub(super) fn new(traffic: &'t Traffic, arrivals: &'t Arrivals, mut random: SmallRng) -> Self {
        let [canary, stable] = traffic.rates(0);
        Self {
            traffic,
            arrivals,
            failures: [
                Failures::new(canary, &mut random),
                Failures::new(stable, &mut random),
            ],
            // Anywhere in the schedule: releases do not begin with a period.
            ticket: random.random_range(0..1 << 40),
            random,
        }
    }

    /// What arrives in a second, canary's and stable's, split by the schedule.
    pub(super) fn second(&mut self, second: u64, schedule: &Schedule) -> [Batch; 2] {
        let arrived = self.arrivals.draw(&mut self.random);
        let from = self.ticket;
        self.ticket += arrived;
        let canary = (from..self.ticket)
            .filter(|position| schedule.version_of(Ticket::new(*position)).index() == CANARY)
            .count() as u64;
        let [canary_rate, stable_rate] = self.traffic.rates(second);
        [
            self.batch(0, canary, canary_rate),
            self.batch(1, arrived - canary, stable_rate),
        ]
    }

    fn batch(&mut self, arm: usize, users: u64, rate: f64) -> Batch {
        let bad = self.failures[arm].draw(users, rate, &mut self.random);
        let multiple = self.traffic.multiple();
        Batch {
            requests: users * multiple,
            bad: bad * multiple,
        }
    }
}

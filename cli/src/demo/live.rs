//! What is going on right now: written by the acts and the clients, read by whichever view is watching. It keeps what
//! is shown and decides nothing.

use super::counts::Name;
use super::finding::Found;
use super::pulse::Pulse;
use super::report::Report;
use super::weighing::Scales;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Shares are shown over this many answers: whole periods of every split of the demo, and soon filled.
const RECENT: usize = 200;

/// The state of the demo.
#[derive(Debug)]
pub(crate) struct Live {
    began: Instant,
    state: Mutex<Now>,
    interrupted: watch::Sender<bool>,
}

/// One moment of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Now {
    /// The names of all acts.
    pub(crate) acts: Vec<&'static str>,
    /// What those that are over found.
    pub(crate) found: Vec<Found>,
    /// The annotation in force, as it is written.
    pub(crate) annotation: String,
    /// What is happening.
    pub(crate) step: String,
    /// The two versions of the act.
    pub(crate) lanes: [Lane; 2],
    /// How much of the act is done, 0 to 1.
    pub(crate) progress: f64,
    /// Requests of the act that failed.
    pub(crate) failed: u64,
    /// How far the evidence about a release has come, where one is weighed.
    pub(crate) scales: Option<Scales>,
    /// Answers over time.
    pub(crate) pulse: Pulse,
    /// How long the demo has been going on.
    pub(crate) elapsed: Duration,
    events: Vec<Event>,
    recent: VecDeque<usize>,
    stretch: (f64, f64),
}

/// What is worth a line. Nothing is ever taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// The act of this index began.
    Began(usize),
    /// An annotation was written, or traffic sent.
    Said(String),
    /// The act of this index ended.
    Ended(usize),
}

/// One version, as it is shown.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Lane {
    /// Its name.
    pub(crate) version: Name,
    /// The share it ought to have, 0 to 1.
    pub(crate) ideal: f64,
    /// Its share of the last answers, 0 to 1.
    pub(crate) share: f64,
    /// Its answers in this act.
    pub(crate) answers: u64,
}

impl Live {
    /// Nothing has happened yet.
    pub(crate) fn new(acts: Vec<&'static str>) -> Self {
        Self {
            began: Instant::now(),
            state: Mutex::new(Now {
                acts,
                ..Now::default()
            }),
            interrupted: watch::Sender::new(false),
        }
    }

    /// A poisoned lock holds numbers to look at all the same.
    fn lock(&self) -> MutexGuard<'_, Now> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A moment to look at.
    pub(crate) fn now(&self) -> Now {
        let mut now = self.lock().clone();
        now.elapsed = self.began.elapsed();
        now.look_back();
        now
    }

    /// Another act begins.
    pub(crate) fn begin(&self, versions: [Name; 2]) {
        let mut now = self.lock();
        now.lanes = versions.map(|version| Lane {
            version,
            ..Lane::default()
        });
        now.recent.clear();
        now.annotation.clear();
        now.step.clear();
        let act = now.found.len();
        now.events.push(Event::Began(act));
        now.pulse.forget_latencies();
        (now.progress, now.stretch, now.failed) = (0.0, (0.0, 1.0), 0);
        now.scales = None;
    }

    /// It is over.
    pub(crate) fn end(&self, found: Found) {
        let mut now = self.lock();
        now.progress = 1.0;
        let act = now.found.len();
        now.events.push(Event::Ended(act));
        now.found.push(found);
    }

    /// The second version ought to have this share from now on; the first has the rest.
    pub(crate) fn expect(&self, second: f64) {
        let mut now = self.lock();
        (now.lanes[0].ideal, now.lanes[1].ideal) = (1.0 - second, second);
    }

    /// The evidence about a release was weighed.
    pub(crate) fn weigh(&self, scales: Scales) {
        self.lock().scales = Some(scales);
    }

    /// Something happens; it is worth a line.
    pub(crate) fn say(&self, step: String) {
        self.lock().events.push(Event::Said(step.clone()));
        self.show(step);
    }

    /// Something happens in passing.
    pub(crate) fn show(&self, step: String) {
        self.lock().step = step;
    }

    /// An annotation is written; it is worth a line.
    pub(crate) fn say_annotation(&self, annotation: String) {
        self.lock().events.push(Event::Said(annotation.clone()));
        self.show_annotation(annotation);
    }

    /// An annotation is written in passing.
    pub(crate) fn show_annotation(&self, annotation: String) {
        self.lock().annotation = annotation;
    }

    /// What was worth a line, from the one of this index on.
    pub(crate) fn events(&self, from: usize) -> Vec<Event> {
        self.lock().events.iter().skip(from).cloned().collect()
    }

    /// A stretch of the act begins: from so much of it done to so much, 0 to 1.
    pub(crate) fn stretch(&self, from: f64, to: f64) {
        self.lock().stretch = (from, to);
    }

    /// So much of the stretch is done, 0 to 1. What is shown never goes back.
    pub(crate) fn progress(&self, done: f64) {
        let mut now = self.lock();
        let (from, to) = now.stretch;
        now.progress = now.progress.max(from + (to - from) * done.clamp(0.0, 1.0));
    }

    /// A request was answered by a version, or by nobody who counts.
    pub(crate) fn answer(&self, version: Option<Name>, took: Duration) {
        let at = self.began.elapsed();
        self.lock().answer(version, at, took);
    }

    /// Somebody has seen enough.
    pub(crate) fn interrupt(&self) {
        self.interrupted.send_replace(true);
    }

    /// Whether somebody has.
    pub(crate) fn is_interrupted(&self) -> bool {
        *self.interrupted.borrow()
    }

    /// Waits until somebody has.
    pub(crate) async fn interrupted(&self) {
        // The sender lives as long as `self`.
        let _ = self
            .interrupted
            .subscribe()
            .wait_for(|interrupted| *interrupted)
            .await;
    }

    /// What all acts found.
    pub(crate) fn report(&self) -> Report {
        Report::new(self.lock().found.clone(), self.began.elapsed())
    }
}

impl Now {
    fn answer(&mut self, version: Option<Name>, at: Duration, took: Duration) {
        self.pulse.answer(at, took);
        let lane = self
            .lanes
            .iter()
            .position(|lane| Some(lane.version) == version);
        let Some(lane) = lane else {
            self.failed += 1;
            return;
        };
        self.lanes[lane].answers += 1;
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(lane);
    }

    fn look_back(&mut self) {
        for (index, lane) in self.lanes.iter_mut().enumerate() {
            let answers = self
                .recent
                .iter()
                .filter(|recent| **recent == index)
                .count();
            lane.share = answers as f64 / self.recent.len().max(1) as f64;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_of_the_last_answers_and_failures_are_counted_apart() {
        let live = Live::new(Vec::new());
        live.begin(["stable", "canary"]);
        (0..RECENT).for_each(|_| live.answer(Some("stable"), Duration::ZERO));
        (0..RECENT / 4).for_each(|_| live.answer(Some("canary"), Duration::ZERO));
        live.answer(None, Duration::ZERO);
        live.answer(Some("purple"), Duration::ZERO);
        let now = live.now();
        assert_eq!(now.lanes.map(|lane| lane.share), [0.75, 0.25]);
        assert_eq!(
            (now.lanes.map(|lane| lane.answers), now.failed),
            ([200, 50], 2)
        );
    }

    #[test]
    fn progress_runs_through_the_stretch_and_never_goes_back() {
        let live = Live::new(Vec::new());
        live.stretch(0.5, 1.0);
        for (done, expected) in [(0.5, 0.75), (0.25, 0.75), (7.0, 1.0)] {
            live.progress(done);
            assert!((live.now().progress - expected).abs() < 1e-9, "{done}");
        }
    }
}

//! What is counted for one version of one rule: a shard for each share it had and each worker, added up when somebody
//! reads.

use super::cell::{Cell, Own};
use super::code::{Code, CodeCells};
use super::cohort::{Clock, Cohort, SIDES};
use super::histogram::{HistogramCells, HistogramTotals};
use super::outcome::{ErrorClass, Outcome};
use haldane_wire::{Outcome as Judgement, Totals as Told};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Shares of one version that workers count at: the one in force, and those before while requests still run. What was
/// counted under others is kept as one sum for each, without a shard for each worker.
const SHARES_MAX: usize = 4;

/// Shares of one version that a process tells apart in its life: more than every whole percent, at 200 bytes each. What
/// comes beyond counts at no share (0 of 0), and says so. None is ever given up for another: it might come back, and a
/// total that began anew would look like one that had been told already.
const SHARES_KNOWN_MAX: usize = 128;

/// A version's share when a request was assigned: `weight` of `period`. Both are 0 where nothing was shared out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// The version's weight.
    pub weight: u64,
    /// The sum of the weights of all versions.
    pub period: u64,
}

/// The counters of one key.
#[derive(Debug)]
pub struct Series {
    workers: usize,
    /// That of its rule.
    clock: Arc<Clock>,
    shares: Mutex<Shares>,
}

#[derive(Debug, Default)]
struct Shares {
    /// The latest last.
    kept: Vec<Kept>,
    /// What was counted under shares while they were kept, before they were not.
    past: Totals,
    /// The same as the controller is told it, share by share.
    earlier: Vec<(Share, Told)>,
}

/// A share that workers count at.
#[derive(Debug)]
struct Kept {
    share: Share,
    shards: Shards,
    /// What may be told of each side.
    told: [Told; SIDES],
}

/// A shard for each worker.
type Shards = Box<[Arc<Own<Shard>>]>;

/// One worker's counters of one key. Where there are thousands of keys none is in the cache: what each request counts stands
/// together, in this order, so that it waits for few lines of memory.
#[derive(Debug, Default)]
#[repr(C)]
struct Shard {
    begun: Cell,
    finished: Cell,
    /// With the shortest durations still in the first line.
    durations: HistogramCells<Durations>,
    /// In one line with the first codes.
    bytes_in: Cell,
    bytes_out: Cell,
    codes: CodeCells,
    sides: [SideCells; SIDES],
    errors: [Cell; ErrorClass::ALL.len()],
}

/// A place for each duration of a request.
#[derive(Debug, Default)]
#[repr(C)]
struct Durations {
    head: Cell,
    total: [Cell; SIDES],
}

/// What a rollout weighs besides the durations, of every other cohort.
#[derive(Debug, Default)]
#[repr(align(64))]
struct SideCells {
    asked: Cell,
    answered: Cell,
    judged: [Cell; Judgement::ALL.len()],
}

const _: () = assert!(size_of::<SideCells>() == 64, "one line of the cache");

impl Series {
    pub(super) fn new(workers: usize, clock: Arc<Clock>) -> Self {
        Self {
            workers: workers.max(1),
            clock,
            shares: Mutex::default(),
        }
    }

    /// The counters of worker `worker` at a share, which it alone may write. A number beyond the last shares the last.
    #[must_use]
    pub fn shard(&self, share: Share, worker: usize) -> SeriesShard {
        let mut shares = self.lock();
        let place = shares.place(share, self.workers);
        let shards = &shares.kept[place].shards;
        SeriesShard {
            cells: Arc::clone(&shards[worker.min(shards.len() - 1)]),
            clock: Arc::clone(&self.clock),
        }
    }

    /// Whether a worker holds a shard and may still count.
    pub(super) fn is_held(&self) -> bool {
        self.lock().kept.iter().any(|kept| is_held(&kept.shards))
    }

    pub(super) fn totals(&self) -> Totals {
        let shares = self.lock();
        let mut totals = shares.past.clone();
        shares
            .kept
            .iter()
            .for_each(|kept| totals.add_all(&kept.shards));
        totals
    }

    /// Requests of one side that wait for an answer.
    pub(super) fn waiting(&self, side: usize) -> u64 {
        let shares = self.lock();
        let shards = shares.kept.iter().flat_map(|kept| &kept.shards);
        let waiting = |shard: &Arc<Own<Shard>>| {
            let side = &shard.0.sides[side];
            // `answered` first: who is answered between the two reads then waits, and nobody is there less than not at all.
            let answered = side.answered.get();
            side.asked.get().saturating_sub(answered)
        };
        shards.map(waiting).sum()
    }

    /// What was counted on one side may be told.
    pub(super) fn tell(&self, side: usize) {
        for kept in &mut self.lock().kept {
            kept.told[side] = told(&kept.shards, side);
        }
    }

    /// What may be told of each share there ever was. Their sum is all that was counted, but for cohorts that are open.
    pub(super) fn by_share(&self) -> Vec<(Share, Told)> {
        let shares = self.lock();
        let mut all = shares.earlier.clone();
        for kept in &shares.kept {
            let told = kept.told.iter().sum();
            add_told(&mut all, kept.share, &told);
        }
        all
    }

    fn lock(&self) -> MutexGuard<'_, Shares> {
        // Nothing in here can panic half-way through a change.
        self.shares.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shares {
    /// Where a share is kept, made where it is not.
    fn place(&mut self, share: Share, workers: usize) -> usize {
        if let Some(place) = self.kept.iter().position(|kept| kept.share == share) {
            return place;
        }
        // Requests that last for hours hold all of them, or there were too many: what is new counts at no share rather than
        // at a wrong one.
        if !self.has_known(share) || self.kept.len() >= SHARES_MAX && !self.forget_one() {
            return self.place_of_none(workers);
        }
        self.push(share, workers)
    }

    /// Whether a share is known, or there is room to know it.
    fn has_known(&self, share: Share) -> bool {
        let is_earlier = |share: &Share| self.earlier.iter().any(|(known, _)| known == share);
        let kept = self.kept.iter().map(|kept| &kept.share);
        let known = self.earlier.len() + kept.filter(|kept| !is_earlier(kept)).count();
        known < SHARES_KNOWN_MAX || is_earlier(&share)
    }

    fn place_of_none(&mut self, workers: usize) -> usize {
        let none = Share::default();
        let place = self.kept.iter().position(|kept| kept.share == none);
        place.unwrap_or_else(|| self.push(none, workers))
    }

    fn push(&mut self, share: Share, workers: usize) -> usize {
        let shards = (0..workers).map(|_| Arc::default()).collect();
        self.kept.push(Kept {
            share,
            shards,
            told: <[Told; SIDES]>::default(),
        });
        self.kept.len() - 1
    }

    /// Adds the oldest share that nobody counts under to the past; `false` where all are held.
    fn forget_one(&mut self) -> bool {
        let place = self.kept.iter().position(|kept| !is_held(&kept.shards));
        let Some(place) = place else {
            return false;
        };
        let Kept { share, shards, .. } = self.kept.remove(place);
        self.past.add_all(&shards);
        // Nobody waits at it, so all of it may be told.
        let told: [Told; SIDES] = std::array::from_fn(|side| told(&shards, side));
        add_told(&mut self.earlier, share, &told.iter().sum());
        true
    }
}

fn add_told(all: &mut Vec<(Share, Told)>, share: Share, told: &Told) {
    match all.iter_mut().find(|(known, _)| *known == share) {
        Some((_, sum)) => *sum += told,
        None => all.push((share, *told)),
    }
}

/// What the controller is told of one side of these.
fn told(shards: &Shards, side: usize) -> Told {
    let (mut told, mut duration) = (Told::default(), HistogramTotals::default());
    for shard in shards.iter().map(|shard| &shard.0) {
        let judged = &shard.sides[side].judged;
        for (sum, cell) in told.outcomes.iter_mut().zip(judged) {
            *sum += cell.get();
        }
        duration.add(&shard.durations, |cells| &cells.total[side]);
    }
    told.latency = *duration.buckets();
    told.latency_sum_ns = duration.sum_ns();
    told
}

fn is_held(shards: &Shards) -> bool {
    shards.iter().any(|shard| Arc::strong_count(shard) > 1)
}

/// A worker's handle on its own counters of one series.
///
/// Every [`SeriesShard::begin`] is followed by exactly one [`SeriesShard::finish`] or [`SeriesShard::withdraw`] on the
/// same thread.
#[derive(Clone, Debug)]
pub struct SeriesShard {
    cells: Arc<Own<Shard>>,
    clock: Arc<Clock>,
}

impl SeriesShard {
    /// A request was assigned to this series. What comes of it is told with what arrived then.
    pub fn begin(&self) -> Cohort {
        let (shard, cohort) = (&self.cells.0, self.clock.now());
        shard.begun.add(1);
        shard.sides[cohort.side()].asked.add(1);
        cohort
    }

    /// It goes on under another series, without an answer yet, and does not count here.
    pub fn withdraw(&self, cohort: Cohort) {
        self.cells.0.begun.decrement();
        self.answered(cohort);
    }

    /// Its answer begins, whatever becomes of the rest; to be told once.
    pub fn answered(&self, cohort: Cohort) {
        // A cohort that is over does not wait for it.
        if cohort.is_open(self.clock.now()) {
            self.cells.0.sides[cohort.side()].answered.add(1);
        }
    }

    /// It is over.
    pub fn finish(&self, cohort: Cohort, outcome: &Outcome) {
        let (shard, now) = (&self.cells.0, self.clock.now());
        let counts = if cohort.is_open(now) { cohort } else { now };
        let side = counts.side();
        shard.finished.add(1);
        shard.codes.count(outcome.status);
        shard.sides[side].judged[outcome.judged() as usize].add(1);
        if let Some(error) = outcome.error {
            shard.errors[error.index()].add(1);
        }
        if let Some(head) = outcome.head {
            shard.durations.observe(|cells| &cells.head, head);
        }
        shard
            .durations
            .observe(|cells| &cells.total[side], outcome.total);
        shard.bytes_in.add(outcome.bytes_in);
        shard.bytes_out.add(outcome.bytes_out);
    }
}

/// A series added up over all workers.
///
/// Numbers are read one after the other while workers write: a request that ends meanwhile may be in some and not in
/// others. When nothing is written, they agree exactly.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Requests that were assigned, finished or not.
    pub begun: u64,
    /// Requests that are over.
    pub finished: u64,
    /// Finished requests by status.
    pub codes: BTreeMap<Code, u64>,
    /// Finished requests as a rollout judges them, in the order of [`haldane_wire::Outcome::ALL`].
    pub judged: [u64; Judgement::ALL.len()],
    /// Finished requests that went wrong, in the order of [`ErrorClass::ALL`].
    pub errors: [u64; ErrorClass::ALL.len()],
    /// From the request head to the end of the response.
    pub duration: HistogramTotals,
    /// From the request head to the response head.
    pub head: HistogramTotals,
    /// Bytes of request bodies.
    pub bytes_in: u64,
    /// Bytes of response bodies.
    pub bytes_out: u64,
}

impl Totals {
    /// Requests that are not over.
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        self.begun.saturating_sub(self.finished)
    }

    /// Finished requests whose status is of a class, 1 to 5.
    #[must_use]
    pub fn of_class(&self, class: u16) -> u64 {
        let in_class = self
            .codes
            .iter()
            .filter(|(code, _)| code.class() == Some(class));
        in_class.map(|(_, count)| count).sum()
    }

    /// Finished requests that went wrong in one way.
    #[must_use]
    pub fn of_error(&self, class: ErrorClass) -> u64 {
        self.errors[class.index()]
    }

    fn add_all(&mut self, shards: &Shards) {
        shards.iter().for_each(|shard| self.add(&shard.0));
    }

    fn add(&mut self, shard: &Shard) {
        // `finished` first: a request that ends between the two reads is then in flight, never less than none.
        self.finished += shard.finished.get();
        self.begun += shard.begun.get();
        shard.codes.add_to(&mut self.codes);
        for side in &shard.sides {
            let sums = self.judged.iter_mut().zip(&side.judged);
            sums.for_each(|(sum, cell)| *sum += cell.get());
        }
        for side in 0..SIDES {
            self.duration
                .add(&shard.durations, |cells| &cells.total[side]);
        }
        let sums = self.errors.iter_mut().zip(&shard.errors);
        sums.for_each(|(sum, cell)| *sum += cell.get());
        self.head.add(&shard.durations, |cells| &cells.head);
        self.bytes_in = self.bytes_in.wrapping_add(shard.bytes_in.get());
        self.bytes_out = self.bytes_out.wrapping_add(shard.bytes_out.get());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const WORKERS: u16 = 4;
    const EACH: u16 = 10_000;

    fn work(shard: &SeriesShard, worker: u16) {
        for turn in 0..EACH {
            let cohort = shard.begin();
            shard.answered(cohort);
            shard.finish(
                cohort,
                &Outcome {
                    status: 200 + 100 * (turn % 4),
                    error: (turn % 10 == 0).then_some(ErrorClass::ALL[usize::from(worker)]),
                    head: (turn % 2 == 0).then_some(Duration::from_millis(1)),
                    total: Duration::from_millis(2),
                    bytes_in: 1,
                    bytes_out: u64::from(worker),
                },
            );
        }
        shard.begin();
    }

    #[test]
    fn what_threads_count_is_added_up_exactly() {
        let series = Series::new(WORKERS.into(), Arc::default());
        std::thread::scope(|scope| {
            for worker in 0..WORKERS {
                let shard = series.shard(Share::default(), worker.into());
                scope.spawn(move || work(&shard, worker));
            }
        });
        let totals = series.totals();
        assert_eq!(
            (totals.begun, totals.finished, totals.in_flight()),
            (40_004, 40_000, 4)
        );
        assert_eq!(
            [2, 3, 4, 5, 1].map(|class| totals.of_class(class)),
            [10_000, 10_000, 10_000, 10_000, 0]
        );
        assert_eq!(totals.errors[..5], [1_000, 1_000, 1_000, 1_000, 0]);
        assert_eq!(
            (totals.duration.count(), totals.head.count()),
            (40_000, 20_000)
        );
        assert!((totals.duration.sum_seconds() - 80.0).abs() < 1e-9);
        assert_eq!((totals.bytes_in, totals.bytes_out), (40_000, 60_000));
    }

    #[test]
    fn a_series_is_held_while_a_shard_is() {
        let series = Series::new(2, Arc::default());
        assert!(!series.is_held());
        let shard = series.shard(Share::default(), 7);
        assert!(series.is_held());
        drop(shard);
        assert!(!series.is_held());
    }

    fn of(weight: u64) -> Share {
        let period = 100;
        Share { weight, period }
    }

    fn count_at(series: &Series, weight: u64) -> SeriesShard {
        let shard = series.shard(of(weight), 0);
        let cohort = shard.begin();
        shard.answered(cohort);
        shard.finish(
            cohort,
            &Outcome {
                status: 200,
                ..Outcome::default()
            },
        );
        shard
    }

    fn kept(series: &Series) -> Vec<(u64, u64)> {
        (0..SIDES).for_each(|side| series.tell(side));
        let shares = series.by_share().into_iter();
        shares
            .map(|(share, told)| (share.weight, told.requests()))
            .collect()
    }

    #[test]
    fn shares_are_counted_apart_and_added_up_together() {
        let series = Series::new(2, Arc::default());
        for weight in [10, 25, 10] {
            count_at(&series, weight);
        }
        assert_eq!(kept(&series), [(10, 2), (25, 1)]);
        assert_eq!(series.totals().finished, 3);
    }

    #[test]
    fn old_shares_keep_what_was_counted_and_go_on_from_there() {
        let series = Series::new(1, Arc::default());
        for weight in (1..=9).chain([2, 9, 2]) {
            count_at(&series, weight);
        }
        let mut all = kept(&series);
        all.sort_unstable();
        let twice_or_more = [
            (1, 1),
            (2, 3),
            (3, 1),
            (4, 1),
            (5, 1),
            (6, 1),
            (7, 1),
            (8, 1),
            (9, 2),
        ];
        assert_eq!(all, twice_or_more);
        assert_eq!(series.lock().kept.len(), SHARES_MAX);
        assert_eq!(
            (series.totals().finished, series.totals().judged[0]),
            (12, 12)
        );
    }

    #[test]
    fn what_is_told_of_a_share_never_shrinks_and_sums_are_true() {
        let series = Series::new(1, Arc::default());
        let mut before = std::collections::HashMap::new();
        for turn in 0..1_000_u64 {
            count_at(&series, 1 + turn * 7 % 150);
            let told = kept(&series);
            assert!(
                told.iter()
                    .all(|(weight, count)| before.get(weight) <= Some(count))
            );
            before = told.into_iter().collect();
            assert_eq!(before.values().sum::<u64>(), turn + 1);
        }
        // All that are known, and none.
        assert_eq!(series.by_share().len(), SHARES_KNOWN_MAX + 1);
        assert_eq!(series.totals().finished, 1_000);
    }

    #[test]
    fn what_finds_all_shares_held_counts_at_none() {
        let series = Series::new(1, Arc::default());
        let held: Vec<SeriesShard> = (1..=6).map(|weight| count_at(&series, weight)).collect();
        assert_eq!(kept(&series), [(1, 1), (2, 1), (3, 1), (4, 1), (0, 2)]);
        assert_eq!(series.totals().finished, held.len() as u64);
    }
}

//! Exact, fair and unpredictable splits: which version the n-th request of a split goes to.
//!
//! A [`Schedule`] is drawn once from weights and a seed, off the request path; taking a ticket is then one
//! relaxed `fetch_add` and one look-up, from as many threads as there are. It never locks, allocates or
//! draws while it serves, and it knows neither requests nor endpoints. `docs/splitting.md` states what it
//! promises and why that holds.

mod forest;
mod order;
mod placement;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// The longest period of a schedule, in requests: weights as fine as 0.01 %. Finer ones are refused, because
/// a period that takes longer than a release would be exact for nobody.
pub const PERIOD_MAX: u64 = 10_000;

/// The most versions that share one split. A version's number fits in a byte, a table in the cache, and
/// nobody has been seen to release more than a few versions at once.
pub const VERSIONS_MAX: usize = 64;

/// How many slots to draw for a split of a short period: enough orders that hardly a slot of the period
/// belongs to one version in all of them, few enough to draw thousands of splits in a second or two.
const SLOTS_WANTED: u64 = 4_096;

/// However long the period is, there are that many orders of it to choose from.
const ORDERS_MIN: u64 = 8;

/// However short the period is, there are no more orders of it: past this, a slot's share over the orders
/// comes only slowly nearer to the version's.
const ORDERS_MAX: u64 = 256;

/// The place of a version in the list of weights it came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VersionIndex(u8);

impl VersionIndex {
    /// The version at this place, if a split can have so many.
    pub fn new(index: usize) -> Option<Self> {
        let number = u8::try_from(index).ok()?;
        (index < VERSIONS_MAX).then_some(Self(number))
    }

    /// The place, counted from 0.
    pub fn index(self) -> usize {
        self.0.into()
    }
}

/// A position in a schedule. Each is handed out once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(u64);

impl Ticket {
    /// The ticket of the request that comes after `position` others.
    pub fn new(position: u64) -> Self {
        Self(position)
    }

    /// How many tickets were taken before this one.
    pub fn position(self) -> u64 {
        self.0
    }
}

/// Why weights make no schedule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WeightsError {
    /// There is no weight at all.
    #[error("no version to choose from")]
    NoVersion,
    /// There are more than [`VERSIONS_MAX`] weights.
    #[error("{count} versions, at most {max} can share a split")]
    TooManyVersions {
        /// How many weights were given.
        count: usize,
        /// How many are allowed.
        max: usize,
    },
    /// Nobody would get a request.
    #[error("every weight is zero")]
    AllZero,
    /// The weights, divided by what they have in common, sum to more than [`PERIOD_MAX`].
    #[error(
        "weights repeat only after {period} requests, at most {max} are allowed: use rounder weights"
    )]
    PeriodTooLong {
        /// How many requests one period would take.
        period: u128,
        /// How many are allowed.
        max: u64,
    },
}

/// Shares tickets out so that every period is exact and no version is ever off by a whole request.
///
/// With `w` the weights divided by their greatest common divisor, `W` their sum, and `S(n)` how many of the
/// first `n` tickets a version got:
///
/// - after each period of `W` tickets, `S = m * w` exactly;
/// - at every `n`, `S(n)` is `n * w / W` rounded down or up, so less than one request away from it;
/// - a version of weight 0 gets nothing;
/// - over the seed, each single ticket goes to a version with probability `w / W`.
///
/// Threads may share it freely: each position is handed out once, in the order in which they ask.
pub struct Schedule {
    taken: Counter,
    period: u64,
    key: u64,
    orders: Orders,
}

/// The tickets taken, written by every request: alone on its cache line, and on the one that is prefetched
/// with it, so that the fields which are only read stay cached on every core.
#[repr(align(128))]
struct Counter(AtomicU64);

/// The orders that one period can have.
enum Orders {
    /// One slot of the period, anywhere in it, goes to `rare` and the others to `often`. Both a schedule with
    /// one version (a period of one slot) and the usual canary (90/10, 99/1, 50/50) need no table.
    OneSlot {
        rare: VersionIndex,
        often: VersionIndex,
    },
    /// `count` orders of a whole period, one after the other.
    Drawn {
        count: u64,
        slots: Box<[VersionIndex]>,
    },
}

impl Schedule {
    /// Draws a schedule for `weights`, of which `VersionIndex` 0 is the first.
    ///
    /// Equal weights and seed make the same schedule in one build of Haldane; another release of the random
    /// generator may draw another. Replicas of a proxy want different seeds, lest they move in step.
    ///
    /// # Errors
    ///
    /// Weights that nobody could follow exactly: see [`WeightsError`].
    pub fn new(weights: &[u64], seed: u64) -> Result<Self, WeightsError> {
        let shares = reduced(weights)?;
        let period = shares.iter().map(|share| u64::from(share.weight)).sum();
        // StdRng is a stream cipher: whoever saw some slots learns nothing about the others. It is slower
        // than a plain generator, but it runs only here.
        let mut random = StdRng::seed_from_u64(seed);
        let key = random.next_u64();
        let orders = Orders::draw(&shares, period, &mut random);
        Ok(Self {
            taken: Counter(AtomicU64::new(0)),
            period,
            key,
            orders,
        })
    }

    /// Takes the next ticket.
    pub fn next(&self) -> (Ticket, VersionIndex) {
        // Relaxed: the tickets are distinct whatever the order, and nothing else hangs on them.
        let ticket = Ticket(self.taken.0.fetch_add(1, Ordering::Relaxed));
        (ticket, self.version_of(ticket))
    }

    /// The version that `ticket` goes to. Takes no ticket.
    pub fn version_of(&self, ticket: Ticket) -> VersionIndex {
        let slot = ticket.0 % self.period;
        let drawn = mix(self.key, ticket.0 / self.period);
        match &self.orders {
            Orders::OneSlot { rare, often } if slot == scaled(drawn, self.period) => *rare,
            Orders::OneSlot { often, .. } => *often,
            Orders::Drawn { count, slots } => {
                let first = scaled(drawn, *count) * self.period;
                slots[(first + slot) as usize]
            }
        }
    }

    /// After how many tickets every version has exactly its share, at most [`PERIOD_MAX`].
    pub fn period(&self) -> u64 {
        self.period
    }

    /// How many tickets have been taken.
    pub fn position(&self) -> u64 {
        self.taken.0.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for Schedule {
    /// Leaves the tables and the key out: the first are long, the second makes the future predictable.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Schedule")
            .field("period", &self.period)
            .field("position", &self.position())
            .finish_non_exhaustive()
    }
}

impl Orders {
    fn draw(shares: &[Share], period: u64, random: &mut impl Rng) -> Self {
        match shares {
            [only] => Self::OneSlot {
                rare: only.version,
                often: only.version,
            },
            [rare, often] | [often, rare] if rare.weight == 1 => Self::OneSlot {
                rare: rare.version,
                often: often.version,
            },
            _ => Self::draw_tables(shares, period, random),
        }
    }

    fn draw_tables(shares: &[Share], period: u64, random: &mut impl Rng) -> Self {
        let count = (SLOTS_WANTED / period).clamp(ORDERS_MIN, ORDERS_MAX);
        let slots = (0..count)
            .flat_map(|_| order::draw(shares, random))
            .collect();
        Self::Drawn { count, slots }
    }
}

/// A version that gets something, and how many tickets of each period: `1..=PERIOD_MAX`.
#[derive(Clone, Copy, Debug)]
struct Share {
    version: VersionIndex,
    weight: u32,
}

/// The weights above zero, divided by their greatest common divisor.
fn reduced(weights: &[u64]) -> Result<Vec<Share>, WeightsError> {
    let count = weights.len();
    match count {
        0 => return Err(WeightsError::NoVersion),
        1..=VERSIONS_MAX => {}
        _ => {
            return Err(WeightsError::TooManyVersions {
                count,
                max: VERSIONS_MAX,
            });
        }
    }
    let common = weights.iter().copied().fold(0, greatest_common_divisor);
    if common == 0 {
        return Err(WeightsError::AllZero);
    }
    let period = weights
        .iter()
        .map(|weight| u128::from(weight / common))
        .sum();
    if period > u128::from(PERIOD_MAX) {
        return Err(WeightsError::PeriodTooLong {
            period,
            max: PERIOD_MAX,
        });
    }
    Ok(shares(weights, common))
}

fn shares(weights: &[u64], common: u64) -> Vec<Share> {
    (0u8..)
        .zip(weights)
        .filter(|&(_, &weight)| weight > 0)
        .map(|(number, weight)| Share {
            version: VersionIndex(number),
            weight: u32::try_from(weight / common).expect("no weight exceeds the period"),
        })
        .collect()
}

fn greatest_common_divisor(a: u64, b: u64) -> u64 {
    if b == 0 {
        a
    } else {
        greatest_common_divisor(b, a % b)
    }
}

/// The `place`-th number of the SplitMix64 sequence that starts at `key` (Steele, Lea and Flood 2014). For each
/// place it maps keys to numbers one to one, so a random key makes every single number uniform.
fn mix(key: u64, place: u64) -> u64 {
    let mut z = key.wrapping_add(place.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Maps a uniform 64-bit number to `0..bound`. For the bounds used here (at most [`PERIOD_MAX`]) the
/// probabilities are off by less than 2^-64 each.
fn scaled(uniform: u64, bound: u64) -> u64 {
    ((u128::from(uniform) * u128::from(bound)) >> 64) as u64
}

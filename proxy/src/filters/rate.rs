//! Limits per client address: requests a second, requests a minute, requests in flight.
//!
//! One [`Clients`] serves every rule and every worker thread, so that there is one bound on what all clients together
//! can make us remember, and so that a new table forgets nobody's debts. It never reads a clock and never waits.

use haldane_routing::spec::RateSpec;
use ipnet::IpNet;
use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, DefaultHasher, Hasher};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How many times the rate may come at once where nothing else is said: what ingress-nginx has.
const BURST_MULTIPLIER: u32 = 5;

/// Locks that the clients are spread over: several times the worker threads of a large machine, so that two threads
/// seldom want the same one.
const SHARDS: usize = 64;

/// Clients remembered under one lock; with [`SHARDS`], 131 072 clients in about 15 MB.
const CLIENTS_PER_SHARD_MAX: usize = 2_048;

/// Clients looked at to find one to forget: enough to pass over those with requests in flight and those deep in debt,
/// few enough to hold the lock for well under a microsecond.
const SWEEP: usize = 8;

/// Bits of an IPv6 address that name a client: its network, as one host has 2^64 addresses to change between.
const IPV6_CLIENT_BITS: u32 = 64;

/// The limits of one rule, or of several rules that share them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateLimits {
    scope: u64,
    per_second: Option<Pace>,
    per_minute: Option<Pace>,
    connections: Option<u32>,
    exempt: Box<[IpNet]>,
}

impl RateLimits {
    /// Parses what was written. Rules built with the same `scope` share each client's allowance: the object that the
    /// limits were written on is the natural one. A limit of 0 is none; `None` where no limit is left.
    pub fn new(spec: &RateSpec, scope: &str) -> Option<Self> {
        let burst = spec.burst_multiplier.unwrap_or(BURST_MULTIPLIER);
        let limits = Self {
            scope: hash_of(scope),
            per_second: Pace::new(spec.per_second, Duration::from_secs(1), burst),
            per_minute: Pace::new(spec.per_minute, Duration::from_secs(60), burst),
            connections: spec.connections.filter(|most| *most > 0),
            exempt: spec.exempt.clone().into(),
        };
        let limits_something = limits.per_second.is_some()
            || limits.per_minute.is_some()
            || limits.connections.is_some();
        limits_something.then_some(limits)
    }

    fn exempts(&self, address: IpAddr) -> bool {
        self.exempt.iter().any(|network| network.contains(&address))
    }
}

/// Which limit a request was over. All are answered with 503, as ingress-nginx does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Limited {
    /// More requests than a rate and its burst allow.
    #[error("too many requests from this client")]
    Rate,
    /// More requests in flight than allowed.
    #[error("too many requests in flight from this client")]
    Connections,
    /// No room to count this client, as too many others have requests in flight.
    #[error("too many clients to count")]
    Full,
}

/// What every client has used up, over all rules; shared by all threads.
#[derive(Debug)]
pub struct Clients {
    shards: Box<[Mutex<Shard>]>,
    hasher: RandomState,
    epoch: Instant,
}

impl Clients {
    /// Knows nobody. Times given to [`Clients::admit`] count from `epoch`; earlier ones are taken as `epoch`.
    pub fn new(epoch: Instant) -> Arc<Self> {
        Arc::new(Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
            epoch,
        })
    }

    /// Counts a request of this client, or says which limit it is over; a refused request costs the client nothing.
    /// Where requests in flight are limited, the request is in flight until the guard is dropped.
    pub fn admit(
        self: &Arc<Self>,
        limits: &RateLimits,
        address: IpAddr,
        now: Instant,
    ) -> Result<Option<InFlight>, Limited> {
        let address = address.to_canonical();
        if limits.exempts(address) {
            return Ok(None);
        }
        let key = Key::new(limits.scope, address);
        let now_ns = nanoseconds(now.saturating_duration_since(self.epoch));
        let mut shard = self.shard(&key);
        let client = shard.client(key).ok_or(Limited::Full)?;
        client.admit(limits, now_ns)?;
        if limits.connections.is_none() {
            return Ok(None);
        }
        client.in_flight += 1;
        Ok(Some(InFlight {
            clients: Arc::clone(self),
            key,
        }))
    }

    fn shard(&self, key: &Key) -> MutexGuard<'_, Shard> {
        let shard = self.hasher.hash_one(key) as usize % SHARDS;
        self.shards[shard]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request in flight, counted against its client until this is dropped. Not `Clone`: one request, one guard.
#[derive(Debug)]
pub struct InFlight {
    clients: Arc<Clients>,
    key: Key,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let mut shard = self.clients.shard(&self.key);
        if let Some(client) = shard.known(&self.key) {
            client.in_flight = client.in_flight.saturating_sub(1);
        }
    }
}

/// A rate and its burst, as the generic cell rate algorithm has them (ITU-T I.371): a token bucket that needs one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Pace {
    interval_ns: u64,
    ahead_ns_max: u64,
}

impl Pace {
    /// `rate` requests each `period`, and as many more at once as `burst_multiplier` rates. `None` for no rate or 0.
    fn new(rate: Option<u32>, period: Duration, burst_multiplier: u32) -> Option<Self> {
        let rate = u64::from(rate.filter(|rate| *rate > 0)?);
        let interval_ns = (nanoseconds(period) / rate).max(1);
        let burst = rate.saturating_mul(u64::from(burst_multiplier));
        Some(Self {
            interval_ns,
            ahead_ns_max: interval_ns.saturating_mul(burst),
        })
    }

    /// When the client will have paid for this request too; `None` if it is too far ahead of its rate.
    fn pay(self, paid_until_ns: u64, now_ns: u64) -> Option<u64> {
        let start_ns = paid_until_ns.max(now_ns);
        (start_ns - now_ns <= self.ahead_ns_max).then(|| start_ns.saturating_add(self.interval_ns))
    }
}

/// One client in one scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    scope: u64,
    client: IpAddr,
}

impl Key {
    fn new(scope: u64, address: IpAddr) -> Self {
        let client = match address {
            IpAddr::V4(_) => address,
            IpAddr::V6(v6) => {
                let network = u128::MAX << (Ipv6Addr::BITS - IPV6_CLIENT_BITS);
                IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & network))
            }
        };
        Self { scope, client }
    }
}

/// What a client has used up. Times are nanoseconds since the epoch of [`Clients`].
#[derive(Debug)]
struct Client {
    key: Key,
    second_paid_until_ns: u64,
    minute_paid_until_ns: u64,
    in_flight: u32,
}

impl Client {
    fn new(key: Key) -> Self {
        Self {
            key,
            second_paid_until_ns: 0,
            minute_paid_until_ns: 0,
            in_flight: 0,
        }
    }

    /// Pays for one request by every limit, or by none.
    fn admit(&mut self, limits: &RateLimits, now_ns: u64) -> Result<(), Limited> {
        if limits
            .connections
            .is_some_and(|most| self.in_flight >= most)
        {
            return Err(Limited::Connections);
        }
        let second = pay(limits.per_second, self.second_paid_until_ns, now_ns)?;
        let minute = pay(limits.per_minute, self.minute_paid_until_ns, now_ns)?;
        self.second_paid_until_ns = second;
        self.minute_paid_until_ns = minute;
        Ok(())
    }

    fn paid_until_ns(&self) -> u64 {
        self.second_paid_until_ns.max(self.minute_paid_until_ns)
    }
}

fn pay(pace: Option<Pace>, paid_until_ns: u64, now_ns: u64) -> Result<u64, Limited> {
    match pace {
        Some(pace) => pace.pay(paid_until_ns, now_ns).ok_or(Limited::Rate),
        None => Ok(paid_until_ns),
    }
}

/// The clients under one lock. `slots` says where in `clients` each one is.
#[derive(Debug, Default)]
struct Shard {
    slots: HashMap<Key, usize>,
    clients: Vec<Client>,
    hand: usize,
}

impl Shard {
    fn known(&mut self, key: &Key) -> Option<&mut Client> {
        let slot = *self.slots.get(key)?;
        self.clients.get_mut(slot)
    }

    /// This client, new if it was not known; `None` if there is no room for it.
    fn client(&mut self, key: Key) -> Option<&mut Client> {
        let slot = match self.slots.get(&key) {
            Some(slot) => *slot,
            None => self.seat(key)?,
        };
        self.clients.get_mut(slot)
    }

    fn seat(&mut self, key: Key) -> Option<usize> {
        let slot = if self.clients.len() < CLIENTS_PER_SHARD_MAX {
            self.clients.push(Client::new(key));
            self.clients.len() - 1
        } else {
            let slot = self.forgettable()?;
            self.slots.remove(&self.clients[slot].key);
            self.clients[slot] = Client::new(key);
            slot
        };
        self.slots.insert(key, slot);
        Some(slot)
    }

    /// Of the next few clients, the one that loses least by being forgotten: no request in flight, and the smallest
    /// debt. So a flood of new addresses does not wash away those who are being limited.
    fn forgettable(&mut self) -> Option<usize> {
        let seats = self.clients.len();
        let first = self.hand;
        self.hand = (first + SWEEP) % seats;
        (first..first + SWEEP)
            .map(|slot| slot % seats)
            .filter(|slot| self.clients[*slot].in_flight == 0)
            .min_by_key(|slot| self.clients[*slot].paid_until_ns())
    }
}

/// Saturates after 584 years.
fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// The same in every table and process, unlike [`RandomState`]'s.
fn hash_of(scope: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(scope.as_bytes());
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn limits(per_second: u32, per_minute: u32, burst: u32, connections: u32) -> RateLimits {
        let spec = RateSpec {
            per_second: Some(per_second),
            per_minute: Some(per_minute),
            burst_multiplier: Some(burst),
            connections: Some(connections),
            exempt: vec!["10.0.0.0/8".parse().unwrap()],
        };
        RateLimits::new(&spec, "shop/web").unwrap()
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// How many of `asked` requests at one instant pass.
    fn passing(
        clients: &Arc<Clients>,
        limits: &RateLimits,
        from: &str,
        now: Instant,
        asked: usize,
    ) -> usize {
        (0..asked)
            .filter(|_| clients.admit(limits, address(from), now).is_ok())
            .count()
    }

    #[test]
    fn a_burst_and_then_the_rate() {
        type Rates = (u32, u32, u32); // per second, per minute, burst multiplier
        type Step = (u32, usize); // after this many ms, how many of 100 pass
        #[rustfmt::skip]
        let cases: &[(Rates, &[Step])] = &[
            ((2, 0, 5),  &[(0, 11), (0, 0), (499, 0), (1, 1), (500, 1), (5_000, 10), (60_000, 11)]),
            ((1, 0, 0),  &[(0, 1), (999, 0), (1, 1)]),
            ((3, 0, 1),  &[(0, 4), (333, 0), (1, 1)]),
            ((0, 60, 1), &[(0, 61), (1_000, 1), (60_000, 60)]),
            ((10, 60, 0), &[(0, 1), (100, 0), (900, 1)]),
        ];
        for ((second, minute, burst), steps) in cases {
            let mut now = Instant::now();
            let clients = Clients::new(now);
            let limits = limits(*second, *minute, *burst, 0);
            for (after, expected) in *steps {
                now += MS * *after;
                let passed = passing(&clients, &limits, "192.0.2.1", now, 100);
                assert_eq!(
                    passed, *expected,
                    "{second}/s {minute}/min x{burst} after {after} ms"
                );
            }
        }
    }

    #[test]
    fn the_default_burst_is_five_rates() {
        let spec = RateSpec {
            per_second: Some(4),
            ..RateSpec::default()
        };
        let now = Instant::now();
        let limits = RateLimits::new(&spec, "").unwrap();
        assert_eq!(
            passing(&Clients::new(now), &limits, "192.0.2.1", now, 100),
            21
        );
    }

    #[test]
    fn no_limit_is_no_filter() {
        let zero = RateSpec {
            per_second: Some(0),
            connections: Some(0),
            ..RateSpec::default()
        };
        assert_eq!(RateLimits::new(&zero, ""), None);
        assert_eq!(RateLimits::new(&RateSpec::default(), ""), None);
    }

    #[test]
    fn who_shares_an_allowance() {
        // one client's burst of 1 is used up; may the other pass?
        #[rustfmt::skip]
        let cases = [
            ("192.0.2.1",        "192.0.2.1",        false),
            ("192.0.2.1",        "192.0.2.2",        true),
            ("::ffff:192.0.2.1", "192.0.2.1",        false),
            ("2001:db8::1",      "2001:db8::ffff:1", false),
            ("2001:db8::1",      "2001:db8:0:1::1",  true),
            ("10.1.2.3",         "10.1.2.3",         true),
            ("::ffff:10.1.2.3",  "::ffff:10.1.2.3",  true),
        ];
        for (first, second, expected) in cases {
            let now = Instant::now();
            let clients = Clients::new(now);
            let limits = limits(1, 0, 0, 0);
            assert!(clients.admit(&limits, address(first), now).is_ok());
            assert_eq!(
                clients.admit(&limits, address(second), now).is_ok(),
                expected,
                "{first} then {second}"
            );
        }
    }

    #[test]
    fn scopes_are_apart_and_updates_forget_nobody() {
        let now = Instant::now();
        let clients = Clients::new(now);
        let spec = RateSpec {
            per_second: Some(1),
            burst_multiplier: Some(0),
            ..RateSpec::default()
        };
        let again = |scope| {
            passing(
                &clients,
                &RateLimits::new(&spec, scope).unwrap(),
                "192.0.2.1",
                now,
                1,
            )
        };
        assert_eq!([again("a"), again("b"), again("a")], [1, 1, 0]);
    }

    #[test]
    fn requests_in_flight_end_with_their_guard() {
        let now = Instant::now();
        let clients = Clients::new(now);
        let limits = limits(0, 0, 0, 2);
        let ask = || clients.admit(&limits, address("192.0.2.1"), now);
        let first = ask().unwrap().expect("a guard");
        let _second = ask().unwrap().expect("a guard");
        assert_eq!(ask().unwrap_err(), Limited::Connections);
        drop(first);
        assert!(ask().is_ok());
    }

    #[test]
    fn a_refused_request_costs_nothing() {
        let now = Instant::now();
        let clients = Clients::new(now);
        let limits = limits(1, 600, 0, 1);
        let held = clients.admit(&limits, address("192.0.2.1"), now).unwrap();
        assert_eq!(
            passing(&clients, &limits, "192.0.2.1", now + MS * 1_000, 50),
            0
        );
        drop(held);
        assert_eq!(
            passing(&clients, &limits, "192.0.2.1", now + MS * 1_000, 1),
            1
        );
    }

    #[test]
    fn a_time_before_the_epoch_is_the_epoch() {
        let now = Instant::now();
        let clients = Clients::new(now + MS * 5_000);
        assert_eq!(
            passing(&clients, &limits(1, 0, 0, 0), "192.0.2.1", now, 5),
            1
        );
    }

    #[test]
    fn the_table_is_bounded_and_keeps_debtors_and_requests_in_flight() {
        let now = Instant::now();
        let clients = Clients::new(now);
        let rates = limits(1, 0, 50, 0);
        let in_flight = limits(0, 0, 0, 1);
        passing(&clients, &rates, "192.0.2.1", now, 100);
        let _held = clients
            .admit(&in_flight, address("192.0.2.2"), now)
            .unwrap();
        for n in 0..3 * (SHARDS * CLIENTS_PER_SHARD_MAX) as u32 {
            let passer_by = IpAddr::V4((0x0b00_0000 + n).into());
            assert!(clients.admit(&rates, passer_by, now).is_ok());
        }
        let known: usize = clients
            .shards
            .iter()
            .map(|shard| shard.lock().unwrap().slots.len())
            .sum();
        assert!(known <= SHARDS * CLIENTS_PER_SHARD_MAX, "{known} clients");
        assert_eq!(
            clients
                .admit(&rates, address("192.0.2.1"), now)
                .unwrap_err(),
            Limited::Rate
        );
        assert_eq!(
            clients
                .admit(&in_flight, address("192.0.2.2"), now)
                .unwrap_err(),
            Limited::Connections
        );
    }

    #[test]
    fn a_table_of_requests_in_flight_refuses_new_clients() {
        let mut shard = Shard::default();
        let key = |n: u32| Key::new(0, IpAddr::V4(n.into()));
        for n in 0..CLIENTS_PER_SHARD_MAX as u32 {
            shard.client(key(n)).expect("room").in_flight = 1;
        }
        assert!(shard.client(key(u32::MAX)).is_none());
        shard.known(&key(SWEEP as u32)).expect("seated").in_flight = 0;
        assert!(shard.client(key(u32::MAX)).is_some(), "the hand moves on");
    }

    #[test]
    fn threads_share_one_allowance() {
        let now = Instant::now();
        let clients = Clients::new(now);
        let limits = limits(100, 0, 4, 0);
        let passed: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| passing(&clients, &limits, "192.0.2.1", now, 300)))
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .sum()
        });
        assert_eq!(passed, 401);
    }
}

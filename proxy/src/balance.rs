//! Which endpoint of a version takes a request. Pure choice over what [`crate::endpoint`] knows; it waits for nothing.

use crate::endpoint::Endpoint;
use rand::RngExt as _;
use rand::rngs::SmallRng;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// How to choose.
pub(crate) enum Policy<'a> {
    LeastLoaded(&'a mut SmallRng),
    RoundRobin(&'a AtomicUsize),
    /// The same endpoint for the same key.
    Hash(u64),
}

/// The endpoint for one attempt: not ejected and not tried before where there is one; else any not tried; else any.
pub(crate) fn choose<'e>(
    endpoints: &'e [Arc<Endpoint>],
    policy: Policy<'_>,
    tried: &[u32],
    now_ms: u64,
) -> Option<&'e Arc<Endpoint>> {
    let fresh = |e: &Arc<Endpoint>| !tried.contains(&e.id);
    let sound = |e: &Arc<Endpoint>| fresh(e) && !e.is_ejected(now_ms);
    // With all of them ejected the load is spread as if none were.
    let any_sound = endpoints.iter().any(sound);
    let good = |e: &Arc<Endpoint>| if any_sound { sound(e) } else { fresh(e) };
    match (endpoints, policy) {
        ([], _) => None,
        ([only], _) => Some(only),
        (_, Policy::LeastLoaded(rng)) => two_choices(endpoints, rng, good),
        (_, Policy::RoundRobin(next)) => in_turn(endpoints, next.fetch_add(1, Relaxed), good),
        (_, Policy::Hash(key)) => highest_hash(endpoints, key, good),
    }
    .or_else(|| endpoints.first())
}

/// Two different ones at random, and the less loaded of them (Mitzenmacher, "The power of two choices in randomized load
/// balancing", 2001). Where one is no good all are looked at, which happens only while some are ejected.
fn two_choices<'e>(
    endpoints: &'e [Arc<Endpoint>],
    rng: &mut SmallRng,
    good: impl Fn(&Arc<Endpoint>) -> bool,
) -> Option<&'e Arc<Endpoint>> {
    let one = rng.random_range(0..endpoints.len());
    let other = (one + rng.random_range(1..endpoints.len())) % endpoints.len();
    let (one, other) = (&endpoints[one], &endpoints[other]);
    if good(one) && good(other) {
        return Some(less_loaded(one, other));
    }
    let all = endpoints.iter().filter(|e| good(e));
    all.min_by_key(|e| e.in_flight())
}

fn less_loaded<'e>(one: &'e Arc<Endpoint>, other: &'e Arc<Endpoint>) -> &'e Arc<Endpoint> {
    if other.in_flight() < one.in_flight() {
        other
    } else {
        one
    }
}

fn in_turn(
    endpoints: &[Arc<Endpoint>],
    turn: usize,
    good: impl Fn(&Arc<Endpoint>) -> bool,
) -> Option<&Arc<Endpoint>> {
    let start = turn % endpoints.len();
    endpoints[start..]
        .iter()
        .chain(&endpoints[..start])
        .find(|e| good(e))
}

/// Rendezvous hashing (Thaler and Ravishankar, 1998): an endpoint that goes moves only its own keys.
fn highest_hash(
    endpoints: &[Arc<Endpoint>],
    key: u64,
    good: impl Fn(&Arc<Endpoint>) -> bool,
) -> Option<&Arc<Endpoint>> {
    endpoints
        .iter()
        .filter(|e| good(e))
        .max_by_key(|e| hash_of(&(key, &e.address)))
}

/// The same in every process, so that replicas agree.
pub(crate) fn hash_of(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::tests::endpoints;
    use rand::SeedableRng as _;

    fn rng() -> SmallRng {
        SmallRng::seed_from_u64(7)
    }

    #[test]
    fn ejected_and_tried_endpoints_are_passed_over() {
        let all = endpoints(4);
        (0..3).for_each(|_| _ = all[1].failed(0));
        for _ in 0..200 {
            let chosen = choose(
                &all,
                Policy::LeastLoaded(&mut rng()),
                &[all[0].id, all[3].id],
                0,
            );
            assert_eq!(chosen.map(|e| e.id), Some(all[2].id));
        }
    }

    #[test]
    fn when_all_are_ejected_one_is_used_all_the_same() {
        let all = endpoints(2);
        all.iter()
            .for_each(|e| (0..3).for_each(|_| _ = e.failed(0)));
        assert!(choose(&all, Policy::LeastLoaded(&mut rng()), &[], 0).is_some());
    }

    #[test]
    fn the_busier_of_two_is_never_chosen() {
        let all = endpoints(2);
        let _busy = all[0].enter();
        let mut rng = rng();
        for _ in 0..100 {
            let chosen =
                choose(&all, Policy::LeastLoaded(&mut rng), &[], 0).expect("there are two");
            assert_eq!(chosen.id, all[1].id);
        }
    }

    #[test]
    fn round_robin_takes_each_in_turn() {
        let (all, next) = (endpoints(3), AtomicUsize::new(0));
        let ids: Vec<u32> = (0..6)
            .filter_map(|_| choose(&all, Policy::RoundRobin(&next), &[], 0).map(|e| e.id))
            .collect();
        assert_eq!(ids, [0, 1, 2, 0, 1, 2]);
    }

    #[test]
    fn a_lost_endpoint_moves_only_its_own_keys() {
        let all = endpoints(5);
        let at =
            |from: &[Arc<Endpoint>], key| choose(from, Policy::Hash(key), &[], 0).map(|e| e.id);
        for key in 0..500 {
            let before = at(&all, key);
            let after = at(&all[1..], key);
            assert!(before == after || before == Some(all[0].id));
        }
    }
}

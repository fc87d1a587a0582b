//! Which proxies are connected, and what each holds.

use super::publisher::locked;
use haldane_wire::Generation;
use std::collections::HashMap;
use std::sync::Mutex;
use std::time::SystemTime;
use tokio::sync::watch;

/// Proxies at once: twenty times as many as a large cluster has nodes for ingress.
const PROXIES_MAX: usize = 1_000;

/// A connected proxy.
#[derive(Clone, Debug)]
pub struct ProxyState {
    /// Its name, as it gave it.
    pub name: String,
    /// Drawn anew by each of its processes.
    pub instance: String,
    /// What it serves, as far as it has said since it connected.
    pub applied: Option<Generation>,
    /// The last table that it refused and why, until it applies another.
    pub rejected: Option<(Generation, String)>,
    /// When it connected.
    pub since: SystemTime,
}

/// All connected proxies.
#[derive(Debug, Default)]
pub(super) struct Roster {
    entries: Mutex<Entries>,
    changed: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Entries {
    next: u64,
    proxies: HashMap<u64, ProxyState>,
}

/// A proxy's place; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place(u64);

impl Roster {
    /// A place for a proxy that has just connected; `None` where there is none left. A stream that the same process had
    /// before loses its place: it is dead, and must not hold back what is live until that is noticed.
    pub(super) fn enter(&self, name: String, instance: String) -> Option<Place> {
        let mut entries = locked(&self.entries);
        entries
            .proxies
            .retain(|_, proxy| proxy.instance != instance);
        if entries.proxies.len() >= PROXIES_MAX {
            return None;
        }
        entries.next += 1;
        let place = entries.next;
        let proxy = ProxyState {
            name,
            instance,
            applied: None,
            rejected: None,
            since: SystemTime::now(),
        };
        entries.proxies.insert(place, proxy);
        drop(entries);
        self.wake();
        Some(Place(place))
    }

    pub(super) fn leave(&self, place: Place) {
        locked(&self.entries).proxies.remove(&place.0);
        self.wake();
    }

    pub(super) fn applied(&self, place: Place, generation: Generation) {
        self.change(place, |proxy| {
            proxy.applied = Some(generation);
            proxy.rejected = None;
        });
    }

    pub(super) fn rejected(&self, place: Place, generation: Generation, reason: String) {
        self.change(place, |proxy| proxy.rejected = Some((generation, reason)));
    }

    pub(super) fn all(&self) -> Vec<ProxyState> {
        locked(&self.entries).proxies.values().cloned().collect()
    }

    pub(super) fn live(&self) -> Option<Generation> {
        let entries = locked(&self.entries);
        let applied = entries.proxies.values().map(|proxy| proxy.applied);
        // `None` is less than any generation, so one proxy that holds nothing decides.
        applied.min().flatten()
    }

    pub(super) fn changed(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    fn change(&self, place: Place, change: impl FnOnce(&mut ProxyState)) {
        if let Some(proxy) = locked(&self.entries).proxies.get_mut(&place.0) {
            change(proxy);
        }
        self.wake();
    }

    fn wake(&self) {
        self.changed.send_modify(|count| *count += 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generation(number: u64) -> Generation {
        Generation { term: 1, number }
    }

    fn enter(roster: &Roster, instance: &str) -> Place {
        roster
            .enter("haldane/proxy".to_owned(), instance.to_owned())
            .expect("there is room")
    }

    #[test]
    fn live_is_what_the_slowest_has_applied() {
        let roster = Roster::default();
        assert_eq!(roster.live(), None);
        let (one, two) = (enter(&roster, "1"), enter(&roster, "2"));
        roster.applied(one, generation(5));
        assert_eq!(roster.live(), None);
        roster.applied(two, generation(4));
        assert_eq!(roster.live(), Some(generation(4)));
        roster.rejected(two, generation(5), "no".to_owned());
        assert_eq!(roster.live(), Some(generation(4)));
        roster.leave(two);
        assert_eq!(roster.live(), Some(generation(5)));
    }

    #[test]
    fn a_process_has_one_place() {
        let roster = Roster::default();
        let before = enter(&roster, "1");
        let now = enter(&roster, "1");
        roster.applied(before, generation(1));
        assert_eq!((roster.all().len(), roster.live()), (1, None));
        roster.leave(before);
        assert_eq!(roster.all().len(), 1);
        roster.applied(now, generation(2));
        assert_eq!(roster.live(), Some(generation(2)));
    }

    #[test]
    fn there_is_room_for_so_many() {
        let roster = Roster::default();
        for index in 0..PROXIES_MAX {
            enter(&roster, &index.to_string());
        }
        assert_eq!(roster.enter(String::new(), "one more".to_owned()), None);
        assert!(roster.enter(String::new(), "7".to_owned()).is_some());
    }

    #[test]
    fn whoever_waits_is_woken() {
        let roster = Roster::default();
        let mut changed = roster.changed();
        let place = enter(&roster, "1");
        assert!(changed.has_changed().expect("the roster is there"));
        changed.mark_unchanged();
        roster.applied(place, generation(1));
        assert!(changed.has_changed().expect("the roster is there"));
    }
}

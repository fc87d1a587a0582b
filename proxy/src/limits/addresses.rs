//! How many connections of one worker come from the same address. Looked at once for each connection, and only where
//! there is a bound.

use foldhash::HashMap;
use std::cell::RefCell;
use std::net::{IpAddr, Ipv6Addr};
use std::rc::Rc;

/// The bits of an IPv6 address that a client does not choose itself (RFC 6177).
const IPV6_NETWORK: u128 = u128::MAX << 64;

/// The addresses that have connections; at most as many as there are connections.
pub(crate) struct Addresses {
    max: Option<u32>,
    counts: RefCell<HashMap<IpAddr, u32>>,
}

impl Addresses {
    /// At most `max` connections for each.
    pub(crate) fn new(max: Option<u32>) -> Rc<Self> {
        Rc::new(Self {
            max,
            counts: RefCell::default(),
        })
    }

    /// A place for one connection more.
    ///
    /// # Errors
    /// When the address has as many as it may.
    pub(crate) fn enter(self: &Rc<Self>, address: IpAddr) -> Result<Place, Full> {
        let Some(max) = self.max else {
            return Ok(Place(None));
        };
        let address = network(address);
        let mut counts = self.counts.borrow_mut();
        let count = counts.entry(address).or_default();
        if *count >= max {
            return Err(Full);
        }
        *count += 1;
        Ok(Place(Some((self.clone(), address))))
    }
}

/// The address has as many connections as it may.
#[derive(Debug)]
pub(crate) struct Full;

/// A connection's place among those of its address, left when it is dropped.
pub(crate) struct Place(Option<(Rc<Addresses>, IpAddr)>);

impl Drop for Place {
    fn drop(&mut self) {
        let Some((addresses, address)) = self.0.take() else {
            return;
        };
        let mut counts = addresses.counts.borrow_mut();
        let left = counts.get_mut(&address).map_or(0, |count| {
            *count -= 1;
            *count
        });
        if left == 0 {
            counts.remove(&address);
        }
    }
}

fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & IPV6_NETWORK).into(),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn enter(addresses: &Rc<Addresses>, text: &str) -> Option<Place> {
        addresses.enter(text.parse().unwrap()).ok()
    }

    #[test]
    fn an_address_has_so_many_places_and_gets_them_back() {
        let addresses = Addresses::new(Some(2));
        let (first, second) = (
            enter(&addresses, "192.0.2.1"),
            enter(&addresses, "::ffff:192.0.2.1"),
        );
        assert!(first.is_some() && second.is_some());
        assert!(enter(&addresses, "192.0.2.1").is_none());
        let other = enter(&addresses, "192.0.2.2");
        assert!(other.is_some());
        drop(first);
        assert!(enter(&addresses, "192.0.2.1").is_some());
        drop((second, other));
        assert!(addresses.counts.borrow().is_empty());
    }

    #[test]
    fn a_network_of_ipv6_counts_as_one() {
        let addresses = Addresses::new(Some(1));
        let _first = enter(&addresses, "2001:db8::1").unwrap();
        assert!(enter(&addresses, "2001:db8::ffff:2").is_none());
        assert!(enter(&addresses, "2001:db8:0:1::1").is_some());
    }

    #[test]
    fn without_a_bound_nothing_is_counted() {
        let addresses = Addresses::new(None);
        let _place = enter(&addresses, "192.0.2.1").unwrap();
        assert!(addresses.counts.borrow().is_empty());
    }
}

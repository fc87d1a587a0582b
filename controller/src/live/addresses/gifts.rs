//! Which Ingresses have which addresses, and which are still to be given theirs.

use super::Addresses;
use crate::live::name::{Kind, ObjectName};
use crate::live::parts::{Part, Parts};
use std::collections::BTreeMap;

/// The addresses of one Ingress; none, if it is not served any more.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Gift {
    pub(crate) uid: String,
    pub(crate) addresses: Addresses,
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Gifts {
    given: BTreeMap<ObjectName, Gift>,
    due: BTreeMap<ObjectName, Gift>,
}

impl Gifts {
    /// Takes in what there is now. An Ingress that never had an address of ours is not touched to take it away.
    pub(crate) fn refresh(&mut self, parts: &Parts, addresses: &Addresses) {
        self.given.retain(|name, _| parts.contains_key(name));
        self.due.clear();
        for (name, part) in parts.iter().filter(|(name, _)| name.kind == Kind::Ingress) {
            let gift = gift(part, addresses);
            let given = self.given.get(name).filter(|given| given.uid == gift.uid);
            let differs = match given {
                Some(given) => *given != gift,
                None => !gift.addresses.is_empty(),
            };
            if differs {
                self.due.insert(name.clone(), gift);
            }
        }
    }

    /// The next one to give. It counts as given until [`Gifts::failed`].
    pub(crate) fn next(&mut self) -> Option<(ObjectName, Gift)> {
        let (name, gift) = self.due.pop_first()?;
        self.given.insert(name.clone(), gift.clone());
        Some((name, gift))
    }

    /// It was not given after all; the next refresh finds that out.
    pub(crate) fn failed(&mut self, name: &ObjectName) {
        if let Some(gift) = self.given.remove(name) {
            self.due.insert(name.clone(), gift);
        }
    }

    pub(crate) fn due(&self) -> usize {
        self.due.len()
    }
}

fn gift(part: &Part, addresses: &Addresses) -> Gift {
    let is_served = part.since.is_some();
    Gift {
        uid: part.uid.clone(),
        addresses: if is_served {
            addresses.clone()
        } else {
            Addresses::new()
        },
    }
}

#[cfg(test)]
mod tests {
    use super::super::written;
    use super::*;

    fn parts(objects: &[(&str, bool)]) -> Parts {
        let part = |(name, served): &(&str, bool)| {
            let part = Part {
                uid: "u".to_owned(),
                since: served.then_some(1),
                ..Part::default()
            };
            (ObjectName::new(Kind::Ingress, "shop", name), part)
        };
        objects.iter().map(part).collect()
    }

    #[track_caller]
    fn check(
        gifts: &mut Gifts,
        objects: &[(&str, bool)],
        address: &str,
        expected: &[(&str, usize)],
    ) {
        gifts.refresh(&parts(objects), &vec![written(address)]);
        let mut given = Vec::new();
        while let Some((name, gift)) = gifts.next() {
            given.push((name.name, gift.addresses.len()));
        }
        let given: Vec<_> = given
            .iter()
            .map(|(name, count)| (name.as_str(), *count))
            .collect();
        assert_eq!(given, expected);
    }

    #[test]
    fn addresses_are_given_once_and_taken_back() {
        let mut gifts = Gifts::default();
        let (a, b) = (("a", true), ("b", true));
        check(&mut gifts, &[a, b], "192.0.2.1", &[("a", 1), ("b", 1)]);
        check(&mut gifts, &[a, b], "192.0.2.1", &[]);
        check(
            &mut gifts,
            &[a, ("b", false), ("c", false)],
            "192.0.2.1",
            &[("b", 0)],
        );
        check(&mut gifts, &[a, ("b", false)], "lb.example", &[("a", 1)]);
        check(&mut gifts, &[], "lb.example", &[]);
    }
}

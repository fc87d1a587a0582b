//! Something for each rule of a table, side by side, in parts that one table has in common with the next.
//!
//! One after the other for the look-up: where the part is, is in the cache, and a rule's place in it leads straight to what there
//! is for the rule. In parts for what changes: a table of a hundred thousand rules differs from the next in a few.

use std::array;
use std::cell::OnceCell;
use std::rc::Rc;
use std::sync::Arc;

/// Rules of a part. Where each takes a line of the cache, a part fills a page of memory, with the count of who holds it.
const PART: usize = 63;

/// What there is for rules that stand side by side, each made when it is first asked for.
struct Part<T>([OnceCell<T>; PART]);

/// By the rule's place in the table.
pub(crate) struct ByRule<T>(Box<[OnceCell<Rc<Part<T>>>]>);

impl<T: Clone> Part<T> {
    fn new() -> Self {
        Self(array::from_fn(|_| OnceCell::new()))
    }

    /// What still holds of it when its rules are others.
    fn next<R>(&self, before: &[Arc<R>], now: &[Arc<R>]) -> Self {
        let stays = |at: usize| Arc::ptr_eq(before.get(at)?, now.get(at)?).then_some(at);
        let next = |at| stays(at).map(|at| self.0[at].clone());
        Self(array::from_fn(|at| next(at).unwrap_or_default()))
    }
}

impl<T: Clone> ByRule<T> {
    /// For a table of so many rules.
    pub(crate) fn new(rules: usize) -> Self {
        let parts = (0..rules.div_ceil(PART)).map(|_| OnceCell::new());
        Self(parts.collect())
    }

    /// For the next table. A part of which no rule changed is the same for both; of any other, what there is for a rule that
    /// did not change is copied.
    pub(crate) fn next<R>(&self, before: &[Arc<R>], now: &[Arc<R>]) -> Self {
        let next = |(at, now)| {
            let part = self.next_part(at, before, now);
            part.map_or_else(OnceCell::new, OnceCell::from)
        };
        Self(now.chunks(PART).enumerate().map(next).collect())
    }

    fn next_part<R>(&self, at: usize, before: &[Arc<R>], now: &[Arc<R>]) -> Option<Rc<Part<T>>> {
        let part = self.0.get(at)?.get()?;
        let before = before.chunks(PART).nth(at)?;
        let same = are_same(before, now);
        let changed = || Rc::new(part.next(before, now));
        Some(if same { part.clone() } else { changed() })
    }

    /// What there is for the rule at this place, or is made now.
    pub(crate) fn get(&self, rule: usize, make: impl FnOnce() -> T) -> &T {
        let part = self.0[rule / PART].get_or_init(|| Rc::new(Part::new()));
        part.0[rule % PART].get_or_init(make)
    }

    /// What there is for the rule at this place.
    pub(crate) fn known(&self, rule: usize) -> Option<&T> {
        self.0.get(rule / PART)?.get()?.0[rule % PART].get()
    }
}

fn are_same<R>(before: &[Arc<R>], now: &[Arc<R>]) -> bool {
    let mut pairs = before.iter().zip(now);
    before.len() == now.len() && pairs.all(|(before, now)| Arc::ptr_eq(before, now))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    const RULES: usize = 2 * PART + 1;

    /// Rules that were asked for: every other one, and none of the second part.
    fn was_asked(at: usize) -> bool {
        at.is_multiple_of(2) && at / PART != 1
    }

    /// Once `change` has made the next table, of the rules that were asked for those at places that `stays` are known.
    #[track_caller]
    fn check(change: impl FnOnce(&mut Vec<Arc<usize>>), stays: impl Fn(usize) -> bool) {
        let rules: Vec<_> = (0..RULES).map(Arc::new).collect();
        let first = ByRule::new(RULES);
        for at in (0..RULES).filter(|at| was_asked(*at)) {
            first.get(at, || at);
        }
        let mut now = rules.clone();
        change(&mut now);
        let next = first.next(&rules, &now);
        for at in 0..now.len() {
            let expected = (was_asked(at) && stays(at)).then_some(at);
            assert_eq!(next.known(at).copied(), expected, "{at}");
            assert_eq!(*next.get(at, || RULES), expected.unwrap_or(RULES), "{at}");
        }
        assert!((now.len()..=4 * PART).all(|at| next.known(at).is_none()));
    }

    #[test]
    fn what_there_is_for_a_rule_stays_while_the_rule_does() {
        check(|_| (), |_| true);
        for changed in [0, PART - 1, PART, 2 * PART] {
            check(|rules| rules[changed] = Arc::new(9), |at| at != changed);
        }
        check(|rules| rules.truncate(PART + 1), |_| true);
        check(Vec::clear, |_| true);
        check(|rules| rules.truncate(PART - 1), |_| true);
        let longer = |rules: &mut Vec<_>| rules.extend((RULES..4 * PART).map(Arc::new));
        check(longer, |at| at < RULES);
        check(|rules| rules.swap(1, 2), |at| at != 1 && at != 2);
    }

    #[test]
    fn a_part_that_did_not_change_is_the_same_for_both_tables() {
        let rules: Vec<_> = (0..RULES).map(Arc::new).collect();
        let first = ByRule::new(RULES);
        let [same, copied] = [0, PART].map(|at| first.get(at, || Cell::new(0)));
        let mut now = rules.clone();
        now[PART + 1] = Arc::new(0);
        let next = first.next(&rules, &now);
        same.set(1);
        copied.set(1);
        assert_eq!(
            [0, PART].map(|at| next.get(at, || Cell::new(9)).get()),
            [1, 0]
        );
    }
}

//! Positions in a table, each of its own type so that one cannot stand for another.

/// A rule's place in [`crate::Table::rules`]; means nothing in another table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleIndex(u32);

/// A backend's place in [`crate::Table::backends`]; means nothing in another table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BackendIndex(u32);

impl RuleIndex {
    /// `at` is below [`crate::spec`]'s bound on rules, so it fits.
    pub(crate) fn new(at: usize) -> Self {
        Self(u32::try_from(at).expect("a table has fewer than 2^32 rules"))
    }

    pub(crate) const fn of(number: u32) -> Self {
        Self(number)
    }

    pub(crate) const fn number(self) -> u32 {
        self.0
    }

    /// The place as a number.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl BackendIndex {
    pub(crate) fn new(at: usize) -> Self {
        Self(u32::try_from(at).expect("a table has fewer than 2^32 backends"))
    }

    /// The place as a number.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

//! The order of tables.

use crate::proto;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Orders tables: a later term wins, then the greater number.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Generation {
    /// One holder's time with the lease; grows whenever the lease is taken.
    pub term: u64,
    /// Grows with every table of a term.
    pub number: u64,
}

/// Such as `3.17`: the seventeenth of the third term.
impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.term, self.number)
    }
}

impl From<proto::Generation> for Generation {
    fn from(sent: proto::Generation) -> Self {
        Self {
            term: sent.term,
            number: sent.number,
        }
    }
}

impl From<Generation> for proto::Generation {
    fn from(generation: Generation) -> Self {
        Self {
            term: generation.term,
            number: generation.number,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_term_wins_whatever_the_number() {
        let of = |term, number| Generation { term, number };
        assert!(of(2, 1) > of(1, 9));
        assert!(of(2, 2) > of(2, 1));
        assert_eq!(of(3, 17).to_string(), "3.17");
    }
}

//! Requests by status code: exact codes while there are few, classes beyond, so that no backend can grow our labels.

use super::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;

/// Exact codes that one worker tells apart in one series. Applications use about ten; one that answers with every
/// number there is gets this many and then classes.
const EXACT_MAX: usize = 16;

/// A slot holds the code in its upper 16 bits and the count below: 2^48 requests last 89 years at 100 000 a second.
const COUNT_BITS: u32 = 48;

/// The values of [`Code`] that are not exact codes: none, five classes, other.
const CLASSES: usize = 7;

/// The label `code`: an exact status (`404`), a class (`4xx`) for codes beyond the first 16 of a series, `none` where no
/// response head was sent, `other` beyond the first 16 and outside 100 to 599.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Code(u16);

impl Code {
    /// No response head was sent.
    pub const NONE: Self = Self(0);
    const OTHER: u16 = 6;

    fn class_of(status: u16) -> Self {
        match status / 100 {
            class @ 1..=5 => Self(class),
            _ => Self(Self::OTHER),
        }
    }

    /// 1 to 5; `None` where there was no status or an unknown one.
    #[must_use]
    pub fn class(self) -> Option<u16> {
        let class = if self.0 < 100 {
            self.0
        } else {
            Self::class_of(self.0).0
        };
        (1..=5).contains(&class).then_some(class)
    }
}

impl From<u16> for Code {
    /// 0 stands for no status; what no status can be (below 100) becomes `other`.
    fn from(status: u16) -> Self {
        match status {
            0 => Self::NONE,
            1..=99 => Self(Self::OTHER),
            _ => Self(status),
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str("none"),
            class @ 1..=5 => write!(f, "{class}xx"),
            Self::OTHER => f.write_str("other"),
            exact => write!(f, "{exact}"),
        }
    }
}

/// One worker's counts.
#[derive(Debug, Default)]
pub(super) struct CodeCells {
    exact: [Cell; EXACT_MAX],
    classes: [Cell; CLASSES],
}

impl CodeCells {
    pub(super) fn count(&self, status: u16) {
        let code = Code::from(status);
        if code.0 < 100 {
            return self.classes[usize::from(code.0)].add(1);
        }
        let mark = u64::from(code.0) << COUNT_BITS;
        let free_or_same =
            |slot: &&Cell| slot.get() == 0 || slot.get() >> COUNT_BITS == u64::from(code.0);
        match self.exact.iter().find(free_or_same) {
            Some(slot) => slot.set((slot.get() | mark) + 1),
            None => self.classes[usize::from(Code::class_of(code.0).0)].add(1),
        }
    }

    pub(super) fn add_to(&self, totals: &mut BTreeMap<Code, u64>) {
        let exact = self.exact.iter().map(|slot| unpack(slot.get()));
        let classes = (0..).map(Code).zip(self.classes.iter().map(Cell::get));
        for (code, count) in exact.chain(classes).filter(|(_, count)| *count > 0) {
            *totals.entry(code).or_default() += count;
        }
    }
}

fn unpack(slot: u64) -> (Code, u64) {
    let code = u16::try_from(slot >> COUNT_BITS).expect("16 bits are left");
    (Code(code), slot & ((1 << COUNT_BITS) - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(statuses: impl IntoIterator<Item = u16>, expected: &str) {
        let cells = CodeCells::default();
        statuses.into_iter().for_each(|status| cells.count(status));
        let mut totals = BTreeMap::new();
        cells.add_to(&mut totals);
        let shown: Vec<_> = totals
            .iter()
            .map(|(code, count)| format!("{code}={count}"))
            .collect();
        assert_eq!(shown.join(" "), expected);
    }

    #[test]
    fn codes_are_counted_exactly_and_then_by_class() {
        check([], "");
        check([200, 404, 200], "200=2 404=1");
        check([0, 0, 503], "none=2 503=1");
        check([7, 65_535], "other=1 65535=1");
        check(
            200..216,
            "200=1 201=1 202=1 203=1 204=1 205=1 206=1 207=1 208=1 209=1 210=1 211=1 212=1 213=1 214=1 215=1",
        );
        check(
            (100..116).chain([200, 299, 599, 999, 100]),
            concat!(
                "2xx=2 5xx=1 other=1 100=2 101=1 102=1 103=1 104=1 105=1 ",
                "106=1 107=1 108=1 109=1 110=1 111=1 112=1 113=1 114=1 115=1"
            ),
        );
    }

    #[test]
    fn a_code_knows_its_class() {
        for (code, class) in [
            (0, None),
            (5, None),
            (99, None),
            (100, Some(1)),
            (404, Some(4)),
            (599, Some(5)),
            (600, None),
        ] {
            assert_eq!(Code::from(code).class(), class, "{code}");
        }
        assert_eq!(Code::class_of(503).class(), Some(5));
    }
}

//! What a period's order is made of: "slot s goes to version v" statements, and which of them came true.
//!
//! Statements that can only come true together are kept in groups, so that deciding a long chain costs one
//! step for each statement, once. Knows nothing of weights or chances.

use super::VersionIndex;

/// Every statement about one period, and the slots decided so far.
pub(super) struct Placements {
    all: Vec<Placement>,
    slots: Vec<Option<VersionIndex>>,
}

/// "`slot` goes to `version`", and the next statement of its group.
pub(super) struct Placement {
    slot: u32,
    version: VersionIndex,
    next: Option<u32>,
}

impl Placement {
    pub(super) fn new(slot: u32, version: VersionIndex) -> Self {
        Self {
            slot,
            version,
            next: None,
        }
    }
}

/// Statements that come true together, or none: the ends of a linked list in [`Placements`].
#[derive(Clone, Copy, Default)]
pub(super) struct Group(Option<(u32, u32)>);

impl Placements {
    pub(super) fn new(slots: u32) -> Self {
        Self {
            all: Vec::new(),
            slots: vec![None; slots as usize],
        }
    }

    /// A group of one statement.
    pub(super) fn add(&mut self, statement: Placement) -> Group {
        let place = u32::try_from(self.all.len()).expect("a period has far fewer statements");
        self.all.push(statement);
        Group(Some((place, place)))
    }

    /// One group of two; neither may be used again.
    pub(super) fn join(&mut self, left: Group, right: Group) -> Group {
        let (Some((head, middle)), Some((next, tail))) = (left.0, right.0) else {
            return Group(left.0.or(right.0));
        };
        self.all[middle as usize].next = Some(next);
        Group(Some((head, tail)))
    }

    /// All statements of the group come true.
    pub(super) fn decide(&mut self, group: Group) {
        let mut place = group.0.map(|(head, _)| head);
        while let Some(index) = place {
            let Placement {
                slot,
                version,
                next,
            } = self.all[index as usize];
            let before = self.slots[slot as usize].replace(version);
            debug_assert_eq!(before, None, "slot {slot} is given twice");
            place = next;
        }
    }

    /// The version of each slot, once all are decided.
    pub(super) fn into_order(self) -> Vec<VersionIndex> {
        let decided = self.slots.into_iter().collect::<Option<_>>();
        decided.expect("every slot is decided when its period is complete")
    }
}

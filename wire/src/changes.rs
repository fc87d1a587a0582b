//! What has to be sent so that a proxy holds a table, cut into parts of bounded size.

use crate::digest::Digest;
use crate::generation::Generation;
use crate::key::Key;
use crate::{PART_BYTES_MAX, proto};
use bytes::Bytes;
use std::sync::Arc;

/// What the protocol adds to an object's name and written form: tags and lengths.
const FRAMING_BYTES: usize = 32;

/// What makes a proxy's table another one: a whole table, or what differs. Cheap to copy; streams share it.
#[derive(Clone, Debug)]
pub struct Changes {
    whole: bool,
    list: Arc<[Change]>,
    digest: Digest,
}

/// One object that is new or other (with its written form), or gone.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    key: Key,
    written: Option<Bytes>,
}

impl Change {
    pub(crate) fn put(key: &Key, written: &Bytes) -> Self {
        Self {
            key: key.clone(),
            written: Some(written.clone()),
        }
    }

    pub(crate) fn remove(key: &Key) -> Self {
        Self {
            key: key.clone(),
            written: None,
        }
    }

    fn bytes(&self) -> usize {
        FRAMING_BYTES + self.key.name.len() + self.written.as_ref().map_or(0, Bytes::len)
    }

    fn add_to(&self, part: &mut proto::Part) {
        let key = self.key.write();
        match &self.written {
            Some(spec) => part.changed.push(proto::Object {
                key: Some(key),
                spec: spec.clone(),
            }),
            None => part.removed.push(key),
        }
    }
}

impl Changes {
    pub(crate) fn new(whole: bool, list: Arc<[Change]>, digest: Digest) -> Self {
        Self {
            whole,
            list,
            digest,
        }
    }

    /// How many objects change.
    #[must_use]
    pub fn objects(&self) -> usize {
        self.list.len()
    }

    /// The parts to send, in order; at least one. They are made one by one, as the stream takes them.
    #[must_use]
    pub fn parts(&self, generation: Generation) -> Parts {
        Parts {
            changes: self.clone(),
            generation,
            next: 0,
            index: 0,
            ended: false,
        }
    }
}

/// The parts of one change.
#[derive(Clone, Debug)]
pub struct Parts {
    changes: Changes,
    generation: Generation,
    next: usize,
    index: u32,
    ended: bool,
}

impl Parts {
    /// How many of the changes left fit into one part; one always does.
    fn fitting(&self) -> usize {
        let mut bytes = 0;
        let left = &self.changes.list[self.next..];
        let fit = left.iter().take_while(|change| {
            bytes += change.bytes();
            bytes <= PART_BYTES_MAX
        });
        fit.count().max(left.len().min(1))
    }
}

impl Iterator for Parts {
    type Item = proto::Part;

    fn next(&mut self) -> Option<proto::Part> {
        if self.ended {
            return None;
        }
        let end = self.next + self.fitting();
        self.ended = end == self.changes.list.len();
        let mut part = proto::Part {
            generation: Some(self.generation.into()),
            whole: self.changes.whole && self.index == 0,
            index: self.index,
            last: self.ended,
            ..proto::Part::default()
        };
        for change in &self.changes.list[self.next..end] {
            change.add_to(&mut part);
        }
        if self.ended {
            part.digest = Bytes::copy_from_slice(self.changes.digest.as_bytes());
        }
        self.next = end;
        self.index += 1;
        Some(part)
    }
}

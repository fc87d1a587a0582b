//! The objects of one table by their keys.

use crate::digest::Digest;
use crate::key::Key;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The objects of one table, each with what is kept of it: its written form, or its value. Cheap to copy.
#[derive(Clone, Debug)]
pub(crate) struct Book<T> {
    entries: BTreeMap<Key, Arc<Entry<T>>>,
    bytes: usize,
}

/// One object.
#[derive(Debug)]
pub(crate) struct Entry<T> {
    /// SHA-256 of its written form.
    pub(crate) digest: Digest,
    /// How long that is.
    pub(crate) bytes: usize,
    pub(crate) kept: T,
}

impl<T> Default for Book<T> {
    fn default() -> Self {
        Self {
            entries: BTreeMap::new(),
            bytes: 0,
        }
    }
}

impl<T> Book<T> {
    /// Puts an object in; whether there was one.
    pub(crate) fn insert(&mut self, key: Key, entry: Arc<Entry<T>>) -> bool {
        self.bytes += entry.bytes;
        let before = self.entries.insert(key, entry);
        self.bytes -= before.as_ref().map_or(0, |entry| entry.bytes);
        before.is_some()
    }

    /// Takes an object out; whether there was one.
    pub(crate) fn remove(&mut self, key: &Key) -> bool {
        let before = self.entries.remove(key);
        self.bytes -= before.as_ref().map_or(0, |entry| entry.bytes);
        before.is_some()
    }

    pub(crate) fn find(&self, key: &Key) -> Option<&Arc<Entry<T>>> {
        self.entries.get(key)
    }

    /// In the order of the keys.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Key, &Arc<Entry<T>>)> {
        self.entries.iter()
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// All written forms together.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn digest(&self) -> Digest {
        Digest::of_table(self.iter().map(|(key, entry)| (key, entry.digest)))
    }
}

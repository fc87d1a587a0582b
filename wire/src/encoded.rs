//! A table in its written form, made once for all proxies.

use crate::book::{Book, Entry};
use crate::changes::{Change, Changes};
use crate::digest::Digest;
use crate::key::Key;
use crate::{OBJECT_BYTES_MAX, OBJECTS_MAX, TABLE_BYTES_MAX, object};
use bytes::Bytes;
use haldane_routing::spec::TableSpec;
use std::sync::Arc;
use thiserror::Error;

/// Why a table cannot be sent.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EncodeFault {
    /// Two objects of a kind have one name.
    #[error("there are two of {0}")]
    Duplicate(Key),
    /// An object is longer than [`OBJECT_BYTES_MAX`].
    #[error("{key} has {bytes} bytes, at most {OBJECT_BYTES_MAX} are sent")]
    ObjectTooLarge {
        /// The object.
        key: Key,
        /// How long it is.
        bytes: usize,
    },
    /// All objects together are longer than [`TABLE_BYTES_MAX`].
    #[error("the table has {bytes} bytes, at most {TABLE_BYTES_MAX} are sent")]
    TableTooLarge {
        /// How long they are.
        bytes: usize,
    },
    /// There are more objects than [`OBJECTS_MAX`].
    #[error("the table has {count} objects, at most {OBJECTS_MAX} are sent")]
    TooManyObjects {
        /// How many there are.
        count: usize,
    },
}

/// A table whose every object was written once; streams share the bytes.
#[derive(Clone, Debug)]
pub struct Encoded {
    book: Book<Bytes>,
    digest: Digest,
}

impl Encoded {
    /// Writes a table. Objects that are as they were in `previous` share its bytes and its hashes.
    ///
    /// # Errors
    /// [`EncodeFault`], the first there is.
    pub fn new(table: &TableSpec, previous: Option<&Self>) -> Result<Self, EncodeFault> {
        let mut book = Book::default();
        for (key, written) in object::write_all(table) {
            check_object(&key, written.len())?;
            let entry = entry(&key, written, previous);
            if book.insert(key.clone(), entry) {
                return Err(EncodeFault::Duplicate(key));
            }
        }
        check_table(&book)?;
        Ok(Self {
            digest: book.digest(),
            book,
        })
    }

    /// The same for every table of the same objects.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// How many objects there are.
    #[must_use]
    pub fn objects(&self) -> usize {
        self.book.len()
    }

    /// How many bytes their written forms have.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.book.bytes()
    }

    /// All of it, for a proxy that holds nothing it could build on.
    #[must_use]
    pub fn whole(&self) -> Changes {
        let all = self.book.iter();
        let all = all.map(|(key, entry)| Change::put(key, &entry.kept));
        Changes::new(true, all.collect(), self.digest)
    }

    /// What makes this table of an older one.
    #[must_use]
    pub fn delta_from(&self, older: &Self) -> Changes {
        let removed = differences(&older.book, &self.book, |_, now| now.is_none());
        let removed = removed.map(|(key, _)| Change::remove(key));
        let changed = differences(&self.book, &older.book, |entry, then| {
            then.is_none_or(|then| then.digest != entry.digest)
        });
        let changed = changed.map(|(key, entry)| Change::put(key, &entry.kept));
        Changes::new(false, removed.chain(changed).collect(), self.digest)
    }

    pub(crate) fn book(&self) -> &Book<Bytes> {
        &self.book
    }
}

/// The objects of one book whose counterparts in the other, if there are any, make a difference. Both are walked once,
/// in their order: a look-up for each would take most of the time that a small change costs.
fn differences<'a>(
    book: &'a Book<Bytes>,
    other: &'a Book<Bytes>,
    differs: impl Fn(&Entry<Bytes>, Option<&Entry<Bytes>>) -> bool,
) -> impl Iterator<Item = (&'a Key, &'a Arc<Entry<Bytes>>)> {
    let mut others = other.iter().peekable();
    book.iter().filter(move |(key, entry)| {
        while others.next_if(|(other, _)| other < key).is_some() {}
        let counterpart = others.next_if(|(other, _)| other == key);
        differs(entry, counterpart.map(|(_, entry)| &**entry))
    })
}

fn entry(key: &Key, written: Bytes, previous: Option<&Encoded>) -> Arc<Entry<Bytes>> {
    let before = previous.and_then(|previous| previous.book.find(key));
    match before {
        Some(before) if before.kept == written => before.clone(),
        _ => Arc::new(Entry {
            digest: Digest::of(&written),
            bytes: written.len(),
            kept: written,
        }),
    }
}

fn check_object(key: &Key, bytes: usize) -> Result<(), EncodeFault> {
    if bytes > OBJECT_BYTES_MAX {
        let key = key.clone();
        return Err(EncodeFault::ObjectTooLarge { key, bytes });
    }
    Ok(())
}

fn check_table(book: &Book<Bytes>) -> Result<(), EncodeFault> {
    let (bytes, count) = (book.bytes(), book.len());
    if bytes > TABLE_BYTES_MAX {
        return Err(EncodeFault::TableTooLarge { bytes });
    }
    if count > OBJECTS_MAX {
        return Err(EncodeFault::TooManyObjects { count });
    }
    Ok(())
}

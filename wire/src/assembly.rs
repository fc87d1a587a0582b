//! A proxy's side of a change: parts in, a table out, whole or not at all.

use crate::book::{Book, Entry};
use crate::digest::Digest;
use crate::encoded::{EncodeFault, Encoded};
use crate::generation::Generation;
use crate::key::Key;
use crate::object::{ObjectFault, Spec};
use crate::{OBJECT_BYTES_MAX, OBJECTS_MAX, TABLE_BYTES_MAX, proto};
use haldane_routing::spec::TableSpec;
use std::collections::HashSet;
use std::sync::Arc;
use thiserror::Error;

/// Why a change is refused. What was held before is still held.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Fault {
    /// A part is not the next of its change.
    #[error("part {came} of generation {generation} comes where part {due} is due")]
    OutOfOrder {
        /// The change it says it belongs to.
        generation: Generation,
        /// Its place, as it says.
        came: u32,
        /// The place that is due, in a change of one generation.
        due: u32,
    },
    /// The table is not newer than the one held.
    #[error("generation {offered} is not newer than {held}")]
    NotNewer {
        /// What was sent.
        offered: Generation,
        /// What is held.
        held: Generation,
    },
    /// The change builds on another table, and none is held.
    #[error("there is no table that the change could build on")]
    NothingToBuildOn,
    /// The table that results is not the one that was meant.
    #[error("the table has digest {found} and should have {expected}")]
    WrongDigest {
        /// As it was sent; not 32 bytes long where it is no digest.
        expected: String,
        /// Of what resulted.
        found: Digest,
    },
    /// An object, or the table with it, is longer than its bound.
    #[error("{bytes} bytes are too many, at most {max} are taken")]
    TooLarge {
        /// How long it is.
        bytes: usize,
        /// How long it may be.
        max: usize,
    },
    /// There are more objects than [`OBJECTS_MAX`].
    #[error("more than {OBJECTS_MAX} objects are too many")]
    TooManyObjects,
    /// Something without which a part says nothing is not there, or is of no kind that we know.
    #[error("a part has no {0} that is known")]
    Missing(&'static str),
    /// A key stands in one change twice.
    #[error("{0} is changed twice")]
    Repeated(Key),
    /// What is to be removed is not there.
    #[error("there is no {0} to remove")]
    NotThere(Key),
    /// An object cannot be read.
    #[error("{key}: {fault}")]
    Object {
        /// The object.
        key: Key,
        /// What is wrong with it.
        fault: ObjectFault,
    },
}

/// What a proxy holds, and the change that is coming in.
#[derive(Debug, Default)]
pub struct Assembly {
    held: Option<Held>,
    coming: Option<Coming>,
}

#[derive(Debug)]
struct Held {
    generation: Generation,
    digest: Digest,
    book: Book<Spec>,
}

/// A change whose last part is not there.
#[derive(Debug)]
struct Coming {
    generation: Generation,
    due: u32,
    book: Book<Spec>,
    touched: HashSet<Key>,
}

/// A table that came whole and is the one that was meant. It is held once [`Assembly::adopt`] is told so.
#[derive(Debug)]
pub struct Candidate(Held);

impl Candidate {
    /// Its place in the order of tables.
    #[must_use]
    pub fn generation(&self) -> Generation {
        self.0.generation
    }

    /// Its digest.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.0.digest
    }

    /// The table, its objects in the order of their names.
    #[must_use]
    pub fn table(&self) -> TableSpec {
        let mut table = TableSpec::default();
        let objects = self.0.book.iter();
        objects.for_each(|(_, entry)| entry.kept.add_to(&mut table));
        table
    }
}

impl Assembly {
    /// Of a proxy that holds a table already.
    ///
    /// # Errors
    /// When the table could never have been sent.
    pub fn holding(generation: Generation, table: &TableSpec) -> Result<Self, EncodeFault> {
        let encoded = Encoded::new(table, None)?;
        let mut book = Book::default();
        for (key, entry) in encoded.book().iter() {
            let kept = Spec::read(key, &entry.kept).expect("what was just written can be read");
            book.insert(key.clone(), entry_of(entry.digest, entry.bytes, kept));
        }
        let held = Held {
            generation,
            digest: encoded.digest(),
            book,
        };
        Ok(Self {
            held: Some(held),
            coming: None,
        })
    }

    /// The generation held.
    #[must_use]
    pub fn generation(&self) -> Option<Generation> {
        self.held.as_ref().map(|held| held.generation)
    }

    /// The digest of the table held.
    #[must_use]
    pub fn digest(&self) -> Option<Digest> {
        self.held.as_ref().map(|held| held.digest)
    }

    /// Takes the next part; after the last one, the table.
    ///
    /// # Errors
    /// [`Fault`]; the whole change is forgotten.
    pub fn accept(&mut self, part: proto::Part) -> Result<Option<Candidate>, Fault> {
        let coming = self.coming.take();
        let mut coming = self.continued(coming, &part)?;
        for key in &part.removed {
            coming.remove(key)?;
        }
        for object in &part.changed {
            coming.put(object)?;
        }
        if part.last {
            return coming.finish(&part.digest).map(Some);
        }
        coming.due += 1;
        self.coming = Some(coming);
        Ok(None)
    }

    /// The candidate is in force: what comes next builds on it.
    pub fn adopt(&mut self, candidate: Candidate) {
        self.held = Some(candidate.0);
    }

    /// Forgets a change that did not come whole, as when its stream has ended.
    pub fn interrupt(&mut self) {
        self.coming = None;
    }

    fn continued(&self, coming: Option<Coming>, part: &proto::Part) -> Result<Coming, Fault> {
        let generation = part.generation.ok_or(Fault::Missing("generation"))?.into();
        let due = coming.as_ref().map_or(0, |coming| coming.due);
        let next = match coming {
            None if part.index == 0 => return self.begun(generation, part.whole),
            Some(coming) => coming.is_continued_by(generation, part).then_some(coming),
            None => None,
        };
        next.ok_or(Fault::OutOfOrder {
            generation,
            came: part.index,
            due,
        })
    }

    fn begun(&self, generation: Generation, whole: bool) -> Result<Coming, Fault> {
        let newer = |held: &&Held| held.generation >= generation;
        if let Some(held) = self.held.as_ref().filter(newer) {
            return Err(Fault::NotNewer {
                offered: generation,
                held: held.generation,
            });
        }
        let base = if whole {
            Some(Book::default())
        } else {
            self.held.as_ref().map(|held| held.book.clone())
        };
        Ok(Coming {
            generation,
            due: 0,
            book: base.ok_or(Fault::NothingToBuildOn)?,
            touched: HashSet::new(),
        })
    }
}

impl Coming {
    fn is_continued_by(&self, generation: Generation, part: &proto::Part) -> bool {
        self.generation == generation && self.due == part.index && !part.whole
    }

    fn remove(&mut self, sent: &proto::Key) -> Result<(), Fault> {
        let key = self.touch(sent)?;
        if self.book.remove(&key) {
            Ok(())
        } else {
            Err(Fault::NotThere(key))
        }
    }

    fn put(&mut self, object: &proto::Object) -> Result<(), Fault> {
        let key = self.touch(object.key.as_ref().ok_or(Fault::Missing("key"))?)?;
        let bytes = object.spec.len();
        within(bytes, OBJECT_BYTES_MAX)?;
        let spec = Spec::read(&key, &object.spec).map_err(|fault| Fault::Object {
            key: key.clone(),
            fault,
        })?;
        let digest = Digest::of(&object.spec);
        self.book.insert(key, entry_of(digest, bytes, spec));
        within(self.book.bytes(), TABLE_BYTES_MAX)?;
        if self.book.len() > OBJECTS_MAX {
            return Err(Fault::TooManyObjects);
        }
        Ok(())
    }

    fn touch(&mut self, sent: &proto::Key) -> Result<Key, Fault> {
        let key = Key::read(sent).ok_or(Fault::Missing("kind"))?;
        if self.touched.insert(key.clone()) {
            Ok(key)
        } else {
            Err(Fault::Repeated(key))
        }
    }

    fn finish(self, expected: &[u8]) -> Result<Candidate, Fault> {
        let found = self.book.digest();
        if expected != found.as_bytes() {
            let expected = expected.iter().map(|byte| format!("{byte:02x}"));
            let expected = expected.take(found.as_bytes().len()).collect();
            return Err(Fault::WrongDigest { expected, found });
        }
        Ok(Candidate(Held {
            generation: self.generation,
            digest: found,
            book: self.book,
        }))
    }
}

fn within(bytes: usize, max: usize) -> Result<(), Fault> {
    if bytes > max {
        return Err(Fault::TooLarge { bytes, max });
    }
    Ok(())
}

fn entry_of(digest: Digest, bytes: usize, kept: Spec) -> Arc<Entry<Spec>> {
    Arc::new(Entry {
        digest,
        bytes,
        kept,
    })
}

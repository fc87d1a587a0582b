//! What many rules of a table have in common, parsed and held once.
//!
//! A table of a hundred thousand rules has few kinds of them. Rules that are written alike share what was parsed, so that
//! requests for different rules read the same memory, which is in the cache then. Rules that are kept from the table before
//! keep what they have.

use crate::filters::Filters;
use crate::forward::{Alike, Version};
use crate::spec::{FiltersSpec, ForwardSpec, VersionSpec};
use foldhash::HashMap;
use std::borrow::Borrow;
use std::cell::RefCell;
use std::hash::Hash;
use std::sync::Arc;

/// All that rules may have in common, by how it is written.
#[derive(Default)]
pub(crate) struct Common {
    pub(crate) filters: Once<FiltersSpec, Filters>,
    pub(crate) versions: Once<Vec<VersionSpec>, [Version]>,
    pub(crate) forwards: Once<ForwardSpec, Alike>,
}

/// Things that are made once for all equal keys.
pub(crate) struct Once<K, V: ?Sized>(RefCell<HashMap<K, Arc<V>>>);

impl<K, V: ?Sized> Default for Once<K, V> {
    fn default() -> Self {
        Self(RefCell::default())
    }
}

impl<K: Eq + Hash, V: ?Sized> Once<K, V> {
    /// What there is for this key, else what `make` makes; where it makes nothing, the next one is asked again.
    pub(crate) fn get<Q>(&self, key: &Q, make: impl FnOnce() -> Option<Arc<V>>) -> Option<Arc<V>>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ToOwned<Owned = K> + ?Sized,
    {
        if let Some(known) = self.0.borrow().get(key) {
            return Some(Arc::clone(known));
        }
        let made = make()?;
        self.0
            .borrow_mut()
            .insert(key.to_owned(), Arc::clone(&made));
        Some(made)
    }
}

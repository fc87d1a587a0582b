//! Changes to headers, as types that cannot hold an invalid name or value.

use crate::fault::Faults;
use crate::parse;
use crate::spec::HeaderEditsSpec;
use http::{HeaderMap, HeaderName, HeaderValue};

/// The most names, and the most values, that one filter changes: as many headers as a request may have at most servers.
const EDITS_MAX: usize = 128;

/// Changes to headers, in this order: remove, set, add.
#[derive(Clone, Debug, Default)]
pub struct HeaderEdits {
    remove: Box<[HeaderName]>,
    set: Box<[(HeaderName, HeaderValue)]>,
    add: Box<[(HeaderName, HeaderValue)]>,
}

impl HeaderEdits {
    pub(crate) fn parse_at(
        step: &str,
        spec: &HeaderEditsSpec,
        faults: &mut Faults,
    ) -> Option<Self> {
        faults.within(step, |faults| {
            let remove = faults.each("remove", &spec.remove, EDITS_MAX, |name, faults| {
                faults.note(parse::changeable_header(name))
            });
            let set = faults.each("set", &spec.set, EDITS_MAX, pair);
            let add = faults.each("add", &spec.add, EDITS_MAX, pair);
            Some(Self {
                remove: remove?.into(),
                set: set?.into(),
                add: add?.into(),
            })
        })
    }

    /// Carries the changes out.
    pub fn apply(&self, headers: &mut HeaderMap) {
        for name in &self.remove {
            headers.remove(name);
        }
        for (name, value) in &self.set {
            headers.insert(name.clone(), value.clone());
        }
        for (name, value) in &self.add {
            headers.append(name.clone(), value.clone());
        }
    }

    /// Names to remove.
    #[must_use]
    pub fn remove(&self) -> &[HeaderName] {
        &self.remove
    }

    /// Values that replace what is there.
    #[must_use]
    pub fn set(&self) -> &[(HeaderName, HeaderValue)] {
        &self.set
    }

    /// Values that stand beside what is there.
    #[must_use]
    pub fn add(&self) -> &[(HeaderName, HeaderValue)] {
        &self.add
    }
}

fn pair(
    (name, value): &(String, String),
    faults: &mut Faults,
) -> Option<(HeaderName, HeaderValue)> {
    let name = faults.note(parse::changeable_header(name));
    let value = faults.note(parse::header_value(value));
    Some((name?, value?))
}

//! What an object of a table is called.

use crate::proto;
use std::fmt;
use std::sync::Arc;

/// What an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A rule, named by its id.
    Rule,
    /// A backend.
    Backend,
    /// A certificate.
    Certificate,
}

impl Kind {
    /// Its number in the protocol.
    pub(crate) fn number(self) -> u8 {
        match self {
            Self::Rule => 1,
            Self::Backend => 2,
            Self::Certificate => 3,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rule => "rule",
            Self::Backend => "backend",
            Self::Certificate => "certificate",
        })
    }
}

/// An object's place in a table: there is one object for each key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// What it is.
    pub kind: Kind,
    /// Its id or name.
    pub name: Arc<str>,
}

impl Key {
    pub(crate) fn new(kind: Kind, name: &str) -> Self {
        Self {
            kind,
            name: name.into(),
        }
    }

    /// `None` where the kind is none that we know.
    pub(crate) fn read(sent: &proto::Key) -> Option<Self> {
        let kind = match sent.kind() {
            proto::Kind::Unspecified => return None,
            proto::Kind::Rule => Kind::Rule,
            proto::Kind::Backend => Kind::Backend,
            proto::Kind::Certificate => Kind::Certificate,
        };
        Some(Self::new(kind, &sent.name))
    }

    pub(crate) fn write(&self) -> proto::Key {
        proto::Key {
            kind: self.kind.number().into(),
            name: self.name.to_string(),
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.kind, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_comes_back_as_it_was_sent() {
        for kind in [Kind::Rule, Kind::Backend, Kind::Certificate] {
            let key = Key::new(kind, "shop/web");
            assert_eq!(Key::read(&key.write()), Some(key));
        }
    }

    #[test]
    fn an_unknown_kind_is_no_key() {
        for kind in [0, 4, -1] {
            let name = String::new();
            assert_eq!(Key::read(&proto::Key { kind, name }), None, "{kind}");
        }
    }
}

//! One object of a table: from its value to its written form, and back.

use crate::key::{Key, Kind};
use bytes::Bytes;
use haldane_routing::spec::{BackendSpec, CertificateSpec, RuleSpec, TableSpec};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use thiserror::Error;

/// An object's value, shared by the tables that hold it unchanged.
#[derive(Clone, Debug)]
pub(crate) enum Spec {
    Rule(Arc<RuleSpec>),
    Backend(Arc<BackendSpec>),
    Certificate(Arc<CertificateSpec>),
}

/// Why bytes are not the object that they are said to be.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ObjectFault {
    /// It does not say what an object of its kind says.
    #[error("{path}: {reason}")]
    Field {
        /// Where, such as `matches[0].path`; `.` for the whole.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// It calls itself something else.
    #[error("it calls itself {0:?}")]
    Name(String),
}

impl Spec {
    /// Reads a written form.
    pub(crate) fn read(key: &Key, written: &[u8]) -> Result<Self, ObjectFault> {
        let spec = match key.kind {
            Kind::Rule => Self::Rule(parse(written)?),
            Kind::Backend => Self::Backend(parse(written)?),
            Kind::Certificate => Self::Certificate(parse(written)?),
        };
        if *key.name == *spec.name() {
            Ok(spec)
        } else {
            Err(ObjectFault::Name(spec.name().to_owned()))
        }
    }

    fn name(&self) -> &str {
        match self {
            Self::Rule(rule) => &rule.id,
            Self::Backend(backend) => &backend.name,
            Self::Certificate(certificate) => &certificate.name,
        }
    }

    /// Puts a copy into a table.
    pub(crate) fn add_to(&self, table: &mut TableSpec) {
        match self {
            Self::Rule(rule) => table.rules.push(RuleSpec::clone(rule)),
            Self::Backend(backend) => table.backends.push(BackendSpec::clone(backend)),
            Self::Certificate(certificate) => {
                table.certificates.push(CertificateSpec::clone(certificate));
            }
        }
    }
}

/// Where a fault is, only who reads again needs to know: keeping count of it takes most of the time that reading takes.
fn parse<T: DeserializeOwned>(written: &[u8]) -> Result<Arc<T>, ObjectFault> {
    let parsed = serde_json::from_slice(written);
    parsed
        .map(Arc::new)
        .map_err(|error| fault::<T>(written, &error))
}

/// Why bytes that cannot be read cannot.
fn fault<T: DeserializeOwned>(written: &[u8], error: &serde_json::Error) -> ObjectFault {
    let mut json = serde_json::Deserializer::from_slice(written);
    match serde_path_to_error::deserialize::<_, T>(&mut json) {
        Err(fault) => ObjectFault::Field {
            path: fault.path().to_string(),
            reason: fault.inner().to_string(),
        },
        // What stands behind the object is no part of it.
        Ok(_) => ObjectFault::Field {
            path: ".".to_owned(),
            reason: error.to_string(),
        },
    }
}

/// Every object of a table with its key and its written form, in the table's order.
pub(crate) fn write_all(table: &TableSpec) -> impl Iterator<Item = (Key, Bytes)> {
    let rules = table.rules.iter();
    let rules = rules.map(|rule| (Key::new(Kind::Rule, &rule.id), write(rule)));
    let backends = table.backends.iter();
    let backends = backends.map(|backend| (Key::new(Kind::Backend, &backend.name), write(backend)));
    let certificates = table.certificates.iter();
    let certificates = certificates.map(|certificate| {
        let key = Key::new(Kind::Certificate, &certificate.name);
        (key, write(certificate))
    });
    rules.chain(backends).chain(certificates)
}

fn write<T: Serialize>(spec: &T) -> Bytes {
    serde_json::to_vec(spec)
        .expect("specs are plain data whose maps have text for keys")
        .into()
}

//! What the controller and its proxies say to each other.
//!
//! [`proto`] is the protocol as it is on the wire. The controller turns a table into an [`Encoded`] and sends
//! [`Changes`] in parts; a proxy puts the parts together again in an [`Assembly`], whole or not at all, and sends
//! [`Series`] back. [`Credentials`] are how both prove who they are.
//!
//! This crate never opens a connection or a file, has no clock, and knows nothing of Kubernetes.

mod assembly;
mod book;
mod changes;
mod credentials;
mod digest;
mod encoded;
mod generation;
mod key;
mod object;
mod report;

pub use assembly::{Assembly, Candidate, Fault};
pub use changes::{Changes, Parts};
pub use credentials::{Credentials, CredentialsFault, server_name};
pub use digest::Digest;
pub use encoded::{EncodeFault, Encoded};
pub use generation::Generation;
pub use key::{Key, Kind};
pub use object::ObjectFault;
pub use report::{
    LATENCY_BOUNDS_US, Outcome, SERIES_PER_MESSAGE_MAX, Series, SeriesFault, SeriesId, Totals,
    counters,
};

/// What a part is filled up to. Each stream keeps a buffer of this size on either side, and a controller has many streams.
pub const PART_BYTES_MAX: usize = 256 << 10;

/// The longest written form of one object: four times the 10 000 endpoints that a backend may have. An object longer
/// than [`PART_BYTES_MAX`] travels in a part of its own.
pub const OBJECT_BYTES_MAX: usize = 4 << 20;

/// The longest message: a part that was filled up to its bound but for one byte, and then took the largest object.
pub const MESSAGE_BYTES_MAX: usize = PART_BYTES_MAX + OBJECT_BYTES_MAX + (64 << 10);

/// A whole table: six times one of 10 000 rules, 5 000 Services and 100 000 endpoints.
pub const TABLE_BYTES_MAX: usize = 64 << 20;

/// Objects in a table: ten times as many as in the largest that is tested, so that many small ones cost no more than
/// few large ones.
pub const OBJECTS_MAX: usize = 250_000;

#[expect(
    missing_docs,
    unused_qualifications,
    clippy::all,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    reason = "generated from proto/haldane/push/v1/push.proto, where each field is described"
)]
pub mod proto {
    tonic::include_proto!("haldane.push.v1");
}

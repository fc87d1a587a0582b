//! What the controller and its proxies say to each other.
//!
//! [`proto`] is the protocol as it is on the wire. This crate never opens a connection, and knows nothing of Kubernetes.

#[expect(
    missing_docs,
    unused_qualifications,
    clippy::all,
    reason = "generated from proto/haldane/push/v1/push.proto, where each field is described"
)]
pub mod proto {
    tonic::include_proto!("haldane.push.v1");
}

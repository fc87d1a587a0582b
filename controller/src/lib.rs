//! Haldane's control plane: Kubernetes objects in, route table and problems out.
//!
//! [`read_manifests`] reads objects from files, [`translate`] turns objects into a [`haldane_routing::spec::TableSpec`]
//! and says what is wrong with them. Translation is pure: no clock, no network, no randomness, and never a template or
//! a piece of code: every value is parsed once into a type, or refused. [`push`] hands tables to proxies;
//! [`live`] does all of it beside a cluster.

mod annotations;
mod backends;
mod canary;
mod class;
mod decided;
mod derive;
mod endpoints;
mod hint;
mod ingress;
mod limits;
pub mod live;
mod lookup;
mod objects;
mod pattern;
mod places;
mod problem;
pub mod push;
mod read;
mod release;
mod render;
mod rollouts;
mod rules;
mod service;
mod settings;
mod shares;
mod steady;
mod tls;
mod translate;
mod versions;
pub mod webhooks;

pub use annotations::weights::read as weights;
pub use class::CONTROLLER;
pub use objects::{Objects, Sourced};
pub use problem::{Problem, Severity};
pub use read::read_manifests;
pub use render::render;
pub use translate::{Options, Translation, translate};

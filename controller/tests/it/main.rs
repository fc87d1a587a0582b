//! Manifests in, table and problems out.

mod support;

mod ages;
mod annotations;
mod canary;
mod class;
mod endpoints;
mod literal;
mod manifests;
mod places;
mod services;
mod tls;
mod tools;
mod versions;

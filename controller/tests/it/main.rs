//! Manifests in, table and problems out.

mod support;

mod first;

//! Bounds of the route table that are checked here already, where the field that breaks them is known.

/// How many values one list may have: networks, hosts and users are compared one by one.
pub(crate) const LIST_MAX: usize = 256;

/// How many endpoints one version may have. Kubernetes supports 5 000 pods behind one Service, with two addresses each.
pub(crate) const ENDPOINTS_MAX: usize = 10_000;

/// The longest text, in bytes: what common servers take as one header line.
pub(crate) const TEXT_BYTES_MAX: usize = 4096;

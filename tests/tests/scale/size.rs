//! How large the cluster is.

use haldane_tests::scale::scaled;

/// Which part of the whole is filled in by default.
const PART: u64 = 20;

/// How much of everything there is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    /// Paths in all Ingresses.
    pub(crate) paths: u64,
    pub(crate) services: u64,
    /// Endpoints of all Services.
    pub(crate) endpoints: u64,
    /// Stand-ins for proxies.
    pub(crate) proxies: u64,
}

impl Size {
    /// What was asked for; never more than the whole.
    pub(crate) fn asked() -> Self {
        let of = |whole: u64| scaled(whole.div_ceil(PART)).min(whole);
        Self {
            paths: of(10_000),
            services: of(5_000),
            endpoints: of(100_000),
            proxies: of(50),
        }
    }
}

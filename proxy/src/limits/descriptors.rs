//! How many connections the process may open: asked of the system once, at start.

use super::CONNECTIONS;
use rustix::process::{Resource, getrlimit, setrlimit};

/// Of the descriptors, the part that client connections may have: each of them can need another one to an upstream.
const CLIENTS_SHARE: u64 = 2;
/// Connections that a worker may always have, however few descriptors there are.
const CONNECTIONS_MIN: u64 = 16;

/// Allows the process as many descriptors as it may allow itself. Programs that start with few do so for the sake of
/// old callers of `select`, which this is none of.
pub(crate) fn raise() {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        limit.current = limit.maximum;
        // What is not granted is counted with below.
        let _ = setrlimit(Resource::Nofile, limit);
    }
}

/// Connections that each worker may hold where nobody said how many.
pub(crate) fn connections(workers: usize) -> usize {
    share(getrlimit(Resource::Nofile).current, workers)
}

fn share(descriptors: Option<u64>, workers: usize) -> usize {
    let Some(descriptors) = descriptors else {
        return CONNECTIONS;
    };
    let workers = u64::try_from(workers).unwrap_or(1).max(1);
    let each = (descriptors / CLIENTS_SHARE / workers).max(CONNECTIONS_MIN);
    usize::try_from(each).map_or(CONNECTIONS, |each| each.min(CONNECTIONS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_share_half_of_the_descriptors() {
        assert_eq!(share(None, 2), CONNECTIONS);
        assert_eq!(share(Some(1_048_576), 2), CONNECTIONS);
        assert_eq!(share(Some(1_024), 2), 256);
        assert_eq!(share(Some(0), 2), 16);
        assert_eq!(share(Some(1_024), 0), 512);
    }
}

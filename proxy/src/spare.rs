//! Header maps of one worker, used again and again: hyper keeps the map of an answer for the connection's next request, so
//! the map of a request that is over is free for an answer, and neither is asked of the allocator.

use http::HeaderMap;
use std::cell::RefCell;

/// Maps kept by one worker: as many as are usually between a request and its answer.
const KEPT_MAX: usize = 64;

/// The most fields that a kept map has room for; larger ones are given back, so that few large heads do not hold memory.
const FIELDS_KEPT_MAX: usize = 64;

thread_local! {
    static KEPT: RefCell<Vec<HeaderMap>> = const { RefCell::new(Vec::new()) };
}

/// An empty map with room for this many fields, or soon to have it.
pub(crate) fn headers(fields: usize) -> HeaderMap {
    let kept = KEPT.with_borrow_mut(Vec::pop);
    kept.unwrap_or_else(|| HeaderMap::with_capacity(fields))
}

/// Keeps a map that is of no more use to its owner.
pub(crate) fn keep(mut headers: HeaderMap) {
    if headers.capacity() == 0 || headers.capacity() > FIELDS_KEPT_MAX {
        return;
    }
    headers.clear();
    // A thread that is ending has no store any more; the map then goes with it.
    let _ = KEPT.try_with(|kept| {
        let mut kept = kept.borrow_mut();
        if kept.len() < KEPT_MAX {
            kept.push(headers);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use http::header::HOST;

    #[test]
    fn a_kept_map_comes_back_empty_and_large_ones_do_not() {
        let mut used = HeaderMap::with_capacity(3);
        used.insert(HOST, HeaderValue::from_static("a"));
        let room = used.capacity();
        keep(used);
        keep(HeaderMap::with_capacity(FIELDS_KEPT_MAX + 1));
        keep(HeaderMap::new());
        let again = headers(1);
        assert_eq!((again.len(), again.capacity()), (0, room));
        assert_eq!(KEPT.with_borrow(Vec::len), 0);
    }

    #[test]
    fn no_more_are_kept_than_the_bound() {
        (0..=KEPT_MAX).for_each(|_| keep(HeaderMap::with_capacity(1)));
        assert_eq!(KEPT.with_borrow(Vec::len), KEPT_MAX);
    }
}

//! Copies of requests to another version. Their answers are thrown away and they slow nothing down: a copy that finds
//! no place is not sent.

use crate::answer::Routed;
use crate::attempt::{Reply, attempt};
use crate::balance::{self, Policy};
use crate::body::{Answer, RequestBody};
use crate::outgoing::Outgoing;
use crate::worker::Worker;
use haldane_routing::{BackendIndex, Forward};
use http::Response;
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use std::future::poll_fn;
use std::rc::Rc;
use std::time::Duration;

/// Copies under way from one worker: above it the mirror is slower than the traffic, and copies are left out.
const UNDER_WAY_MAX: usize = 256;

/// Starts the copies that the rule asks for. A body that is still coming in is not copied, so only requests whose body
/// is empty or was read whole have one.
pub(crate) fn send(
    worker: &Rc<Worker>,
    routed: &Routed,
    forward: &Forward,
    outgoing: &Outgoing<'_>,
    body: &RequestBody,
) {
    for mirror in forward.mirrors() {
        let drawn = worker.rng.borrow_mut().random_range(0..10_000) < mirror.per_10000();
        let room = Rc::strong_count(&worker.mirrors) <= UNDER_WAY_MAX;
        if !drawn || !room || outgoing.upgrade.is_some() {
            continue;
        }
        if let Some(body) = body.duplicate() {
            worker.metrics.mirrored();
            tokio::task::spawn_local(copy(
                worker.clone(),
                routed.local.clone(),
                mirror.backend(),
                outgoing.duplicate(),
                body,
            ));
        }
    }
}

/// How long a mirror may take to send an answer that nobody reads.
const READ_TIME_MAX: Duration = Duration::from_secs(60);

async fn copy(
    worker: Rc<Worker>,
    local: Rc<crate::snapshot::Local>,
    backend: BackendIndex,
    outgoing: Outgoing<'static>,
    body: RequestBody,
) {
    let _under_way = worker.mirrors.clone();
    let backend = local.snapshot.backends[backend.index()].clone();
    let now_ms = worker.shared.endpoints.now_ms();
    let mut rng = SmallRng::from_rng(&mut *worker.rng.borrow_mut());
    let Some(endpoint) = balance::choose(
        &backend.endpoints,
        Policy::LeastLoaded(&mut rng),
        &[],
        now_ms,
    ) else {
        return;
    };
    let answered = attempt(
        &worker,
        (&backend, endpoint),
        &outgoing,
        body,
        &mut None,
        false,
    )
    .await;
    if let Ok(Reply::Response(response)) = answered {
        // A mirror that is slower than this is given up, with its connection.
        let _ = tokio::time::timeout(READ_TIME_MAX, read_away(response)).await;
    }
}

/// Reads an answer to its end, so that its connection can be used again.
async fn read_away(mut response: Response<Answer>) {
    while let Some(Ok(_)) = poll_fn(|cx| response.body_mut().poll(cx)).await {}
}

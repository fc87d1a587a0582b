//! 90/10, exactly: request by request over one connection, then at speed over many.

use super::{CANARY, Cast, STABLE};
use crate::demo::counts::{Observed, worst_prefix};
use crate::demo::finding::{Found, Share, grouped, shares, within_one};
use crate::demo::load::{Answer, Anyone, Audience, CONNECTIONS, Control, Load};
use crate::demo::release::Release;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// As the report has it.
pub(super) const NAME: &str = "90/10 split";

/// The canary's part.
const SHARE: f64 = 0.1;

pub(super) async fn play(cast: &Cast) -> anyhow::Result<Found> {
    let release = Release::start(&cast.world, "split", [(STABLE, 3), (CANARY, 1)]).await?;
    release
        .annotate(&[("weights", "stable=90, canary=10")])
        .await?;
    cast.live().expect(SHARE);

    let few = cast.scale.part(10);
    cast.live().stretch(0.0, 0.3);
    cast.say(format!(
        "{} requests on one connection, one after the other",
        grouped(few)
    ));
    let order = Arc::new(Order::default());
    let one = Load {
        connections: 1,
        ..cast.load(few, Duration::from_millis(1_200))
    };
    let in_order = release.send(one, &Control::new(), order.clone()).await;

    let many = cast.scale.requests();
    cast.live().stretch(0.3, 1.0);
    cast.say(format!(
        "{} requests on {CONNECTIONS} connections",
        grouped(many)
    ));
    let load = cast.load(many, Duration::from_millis(3_300));
    let at_speed = release.send(load, &Control::new(), Arc::new(Anyone)).await;
    release.end().await;
    Ok(found(&in_order, order.worst(), &at_speed))
}

fn found(in_order: &Observed, worst: f64, at_speed: &Observed) -> Found {
    let [stable, canary] = [STABLE, CANARY].map(|version| grouped(at_speed.clients.of(version)));
    Found {
        act: NAME,
        headline: format!(
            "{} requests: {stable} stable, {canary} canary",
            grouped(at_speed.sent)
        ),
        findings: vec![
            within_one(in_order.sent, worst),
            shares(in_order, tenth(in_order.sent)),
            shares(at_speed, tenth(at_speed.sent)),
        ],
    }
}

/// Nine parts and one part of a whole number of tens.
fn tenth(requests: u64) -> [Share; 2] {
    [
        Share::exactly(STABLE, requests / 10 * 9),
        Share::exactly(CANARY, requests / 10),
    ]
}

/// Remembers which answers were the canary's, in the order of the requests: there is one at a time.
#[derive(Default)]
struct Order(Mutex<Vec<bool>>);

impl Order {
    fn worst(&self) -> f64 {
        worst_prefix(
            &self.0.lock().unwrap_or_else(PoisonError::into_inner),
            SHARE,
        )
    }
}

impl Audience for Order {
    fn answered(&self, answer: &Answer) {
        let mut order = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        order.push(answer.reply.version == Some(CANARY));
    }
}

//! From 90/10 to 50/50 while traffic runs: nothing fails, and from then on it is half and half.

use super::{CANARY, Cast, STABLE};
use crate::demo::counts::Observed;
use crate::demo::finding::{Found, Share, alike, grouped, shares, times};
use crate::demo::load::{Anyone, Control};
use crate::demo::release::Release;
use std::sync::Arc;
use std::time::Duration;

/// As the report has it.
pub(super) const NAME: &str = "change to 50/50";

pub(super) async fn play(cast: &Cast) -> anyhow::Result<Found> {
    let release = Release::start(&cast.world, "change", [(STABLE, 3), (CANARY, 1)]).await?;
    release
        .annotate(&[("weights", "stable=90, canary=10")])
        .await?;
    cast.live().expect(0.1);
    let during = change_amid_traffic(cast, &release).await?;

    let requests = cast.scale.part(2);
    cast.live().stretch(0.6, 1.0);
    cast.say(format!("{} requests more", grouped(requests)));
    let load = cast.load(requests, Duration::from_millis(1_700));
    let after = release.send(load, &Control::new(), Arc::new(Anyone)).await;
    release.end().await;
    Ok(found(&during, &after))
}

fn found(during: &Observed, after: &Observed) -> Found {
    let half = |version| Share {
        version,
        count: after.sent / 2,
        within: 1,
    };
    let (sent, failed) = (grouped(during.sent), grouped(during.failed));
    let [stable, canary] = [STABLE, CANARY].map(|version| grouped(after.clients.of(version)));
    Found {
        act: NAME,
        headline: format!("{failed} of {sent} failed meanwhile; then {stable} / {canary}"),
        findings: vec![
            times(during.sent, "failed meanwhile", 0, during.failed),
            alike(during, [STABLE, CANARY]),
            shares(after, [half(STABLE), half(CANARY)]),
        ],
    }
}

async fn change_amid_traffic(cast: &Cast, release: &Release) -> anyhow::Result<Observed> {
    cast.live().stretch(0.0, 0.6);
    cast.say("live traffic at 90/10");
    let control = Control::new();
    let traffic = release.send(cast.endless(), &control, Arc::new(Anyone));
    let (during, changed) = tokio::join!(traffic, change(cast, release, &control));
    changed.map(|()| during)
}

/// Changes the weights amid traffic, and stops the traffic whatever comes of it.
async fn change(cast: &Cast, release: &Release, control: &Control) -> anyhow::Result<()> {
    let before = cast.scale.answers_between() * 5;
    control.answers(before).await;
    cast.live().progress(0.5);
    let changed = release
        .annotate(&[("weights", "stable=50, canary=50")])
        .await;
    cast.live().expect(0.5);
    cast.say("the weights changed under that traffic");
    control.answers(before).await;
    control.stop();
    changed
}

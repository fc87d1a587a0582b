//! The canary's pods go away amid traffic: stable takes its part, nothing fails, and what it took is on record.

use super::{CANARY, Cast, STABLE};
use crate::demo::counts::Observed;
use crate::demo::finding::{Found, Share, alike, grouped, shares, times};
use crate::demo::load::{Answer, Anyone, Audience, Control};
use crate::demo::release::Release;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// As the report has it.
pub(super) const NAME: &str = "canary loses pods";

pub(super) async fn play(cast: &Cast) -> anyhow::Result<Found> {
    let release = Release::start(&cast.world, "lost", [(STABLE, 3), (CANARY, 1)]).await?;
    release
        .annotate(&[("weights", "stable=90, canary=10")])
        .await?;
    cast.live().expect(0.1);
    let watch = Watch {
        with_pods: cast.world.tables_acknowledged(),
        late: AtomicU64::new(0),
    };
    let watch = Arc::new(watch);
    let during = lose_amid_traffic(cast, &release, watch.clone()).await?;

    let requests = cast.scale.part(10);
    cast.live().stretch(0.8, 1.0);
    cast.say(format!(
        "{} requests more, without a canary",
        grouped(requests)
    ));
    let load = cast.load(requests, Duration::from_millis(600));
    let after = release.send(load, &Control::new(), Arc::new(Anyone)).await;
    release.end().await;
    Ok(found(&during, &after, watch.late.load(Relaxed)))
}

/// Both stretches together are whole periods of one split: losing endpoints does not disturb it.
fn found(during: &Observed, after: &Observed, late: u64) -> Found {
    let both = during.clone().and(after);
    let failed_over = both.charged.by("failover");
    let due = failed_over + both.charged.of(CANARY, "split");
    Found {
        act: NAME,
        headline: format!(
            "{} failed, stable took {} for the canary",
            both.failed,
            grouped(failed_over)
        ),
        findings: vec![
            times(both.sent, "failed", 0, both.failed),
            times(during.sent, "on canary once gone", 0, late),
            times(both.sent, "due to canary", both.sent / 10, due),
            times(
                after.sent,
                "by failover",
                after.sent / 10,
                after.charged.by("failover"),
            ),
            alike(during, [STABLE, CANARY]),
            shares(
                after,
                [
                    Share::exactly(STABLE, after.sent),
                    Share::exactly(CANARY, 0),
                ],
            ),
        ],
    }
}

async fn lose_amid_traffic(
    cast: &Cast,
    release: &Release,
    watch: Arc<Watch>,
) -> anyhow::Result<Observed> {
    let requests = cast.scale.part(2);
    cast.live().stretch(0.0, 0.8);
    cast.say(format!("{} requests at 90/10", grouped(requests)));
    let control = Control::new();
    let load = cast.load(requests, Duration::from_millis(2_200));
    let traffic = release.send(load, &control, watch);
    let (during, lost) = tokio::join!(traffic, lose(cast, release, &control, requests / 2));
    lost.map(|()| during)
}

/// Takes the canary's pods away once so many answers came.
async fn lose(
    cast: &Cast,
    release: &Release,
    control: &Control,
    answers: u64,
) -> anyhow::Result<()> {
    control.answers(answers).await;
    cast.say("the canary's pods go away amid the traffic");
    release.lose(CANARY).await?;
    cast.live().expect(0.0);
    Ok(())
}

/// Looks for answers of a canary that had no endpoint any more when it was asked.
struct Watch {
    /// The last table with its endpoints.
    with_pods: u64,
    late: AtomicU64,
}

impl Audience for Watch {
    fn answered(&self, answer: &Answer) {
        if answer.sent_under > self.with_pods && answer.reply.version == Some(CANARY) {
            self.late.fetch_add(1, Relaxed);
        }
    }
}

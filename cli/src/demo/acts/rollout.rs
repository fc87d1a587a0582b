//! Two releases that nobody watches: a good one climbs its ladder and is promoted, one that fails three requests in a
//! hundred is aborted. The proxy's own counters are the evidence.

use super::{CANARY, Cast, STABLE};
use crate::demo::counts::Observed;
use crate::demo::finding::{Finding, Found, Share, alike, grouped, shares, times};
use crate::demo::load::{Anyone, Control};
use crate::demo::manifests::annotation;
use crate::demo::release::Release;
use crate::demo::weighing::Weighing;
use crate::echo::Faults;
use haldane_rollout::{Action, Decision, Stratum};
use jiff::Timestamp;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

/// As the report has them.
pub(super) const GOOD: &str = "good release";
pub(super) const BAD: &str = "bad release, 3 %";

/// What the releases are asked for: a ladder, and the time on a step that somebody who watches has. Every bound is the
/// default.
pub(crate) fn plan(step_interval: &str) -> [(&str, &str); 3] {
    [
        ("rollout", "auto"),
        ("steps", "10,25,50,100"),
        ("step-interval", step_interval),
    ]
}

/// Answers between two looks at the evidence.
pub(crate) const LOOK: u64 = 100;
/// After so many requests without an end, the act says so: many times what either release needs.
pub(crate) const REQUESTS_MAX: u64 = 100_000;

/// Every how many requests the bad canary fails: 3 %.
const FAIL_EVERY: NonZeroU64 = NonZeroU64::new(33).expect("it is not 0");

pub(super) async fn play_good(cast: &Cast) -> anyhow::Result<Found> {
    let played = play(cast, "good", Faults::default()).await?;
    let (during, after) = (&played.during, &played.after);
    let requests = grouped(during.sent);
    Ok(Found {
        act: GOOD,
        headline: format!(
            "promoted after {requests} requests, {} failed",
            during.failed
        ),
        findings: vec![
            played.ended(Action::Promote),
            times(during.sent, "failed", 0, during.failed),
            alike(during, [STABLE, CANARY]),
            shares(
                after,
                [
                    Share::exactly(STABLE, 0),
                    Share::exactly(CANARY, after.sent),
                ],
            ),
        ],
    })
}

pub(super) async fn play_bad(cast: &Cast) -> anyhow::Result<Found> {
    let faults = Faults {
        fail_every: Some(FAIL_EVERY),
        ..Faults::default()
    };
    let played = play(cast, "bad", faults).await?;
    let (during, after) = (&played.during, &played.after);
    let asked = during.charged.of(CANARY, "split");
    let headline = format!(
        "aborted at {} of all, {} of {} failed there",
        played.at,
        grouped(during.failed),
        grouped(asked)
    );
    let due = asked / FAIL_EVERY.get();
    Ok(Found {
        act: BAD,
        headline,
        findings: vec![
            played.ended(Action::Abort),
            times(asked, "failed on canary", due, during.failed),
            shares(
                after,
                [
                    Share::exactly(STABLE, after.sent),
                    Share::exactly(CANARY, 0),
                ],
            ),
        ],
    })
}

/// A release that has come to an end.
struct Played {
    action: Action,
    /// The share at which it did.
    at: Stratum,
    during: Observed,
    after: Observed,
}

impl Played {
    fn ended(&self, expected: Action) -> Finding {
        let word = |action| match action {
            Action::Promote => "promoted",
            Action::Abort => "aborted",
            Action::Hold | Action::Advance { .. } => "undecided",
        };
        Finding {
            sent: self.during.sent,
            expected: word(expected).to_owned(),
            counted: word(self.action).to_owned(),
            ok: self.action == expected,
        }
    }
}

async fn play(cast: &Cast, service: &'static str, faults: Faults) -> anyhow::Result<Played> {
    let pods = [(STABLE, 2), (CANARY, 1)];
    let release = Release::with_faults(&cast.world, service, pods, faults).await?;
    weigh(&release, Stratum::NONE).await?;
    let plan = plan(cast.scale.step_interval());
    for (name, value) in plan {
        cast.live().say_annotation(annotation(name, value));
    }
    cast.live().expect(0.0);
    cast.live().stretch(0.0, 0.9);
    let control = Control::new();
    let mut ladder = Ladder {
        cast,
        release: &release,
        weighing: Weighing::begin([STABLE, CANARY], &plan, Timestamp::now())?,
    };
    let (during, ended) = tokio::join!(
        release.send(cast.endless(), &control, Arc::new(Anyone)),
        ladder.climb(&control)
    );
    let (action, at) = ended?;

    let requests = cast.scale.part(10);
    cast.live().stretch(0.9, 1.0);
    cast.say(format!("{} requests more", grouped(requests)));
    let load = cast.load(requests, Duration::from_millis(400));
    let after = release.send(load, &Control::new(), Arc::new(Anyone)).await;
    release.end().await;
    Ok(Played {
        action,
        at,
        during,
        after,
    })
}

async fn weigh(release: &Release, share: Stratum) -> anyhow::Result<()> {
    let (canary, stable) = (share.weight(), share.period() - share.weight());
    let weights = format!("{STABLE}={stable}, {CANARY}={canary}");
    release.reannotate(&[("weights", &weights)]).await
}

struct Ladder<'a> {
    cast: &'a Cast,
    release: &'a Release,
    weighing: Weighing,
}

impl Ladder<'_> {
    /// Looks at the evidence amid traffic and does what is decided, and stops the traffic whatever comes of it.
    async fn climb(&mut self, control: &Control) -> anyhow::Result<(Action, Stratum)> {
        let mut ended = Ok((Action::Hold, Stratum::NONE));
        for _ in 0..REQUESTS_MAX / LOOK {
            control.answers(LOOK).await;
            let at = self.weighing.share();
            let looked = self.look().await;
            let is_over = !matches!(looked, Ok(Action::Hold | Action::Advance { .. }));
            ended = looked.map(|action| (action, at));
            if is_over {
                break;
            }
        }
        control.stop();
        ended
    }

    async fn look(&mut self) -> anyhow::Result<Action> {
        let counted = self.release.counted_by_share();
        let decision = self.weighing.look(&counted, Timestamp::now())?;
        self.cast.live().weigh(self.weighing.scales());
        self.show(&decision);
        if decision.action != Action::Hold {
            weigh(self.release, self.weighing.share()).await?;
            let share = self.weighing.share().share();
            self.cast.live().expect(share);
            self.cast.live().progress(share);
        }
        Ok(decision.action)
    }

    fn show(&self, decision: &Decision) {
        let [requests, bad] = self.weighing.canary();
        let step = format!(
            "{}: canary failed {} of {}",
            decision.action,
            grouped(bad),
            grouped(requests)
        );
        if decision.action == Action::Hold {
            self.cast.live().show(step);
        } else {
            self.cast.say(format!("{step}; {}", decision.why()));
        }
    }
}

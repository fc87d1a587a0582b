//! Users who keep their version: a raise moves some from stable to the canary and nobody back, an abort moves all.

mod users;

use super::{CANARY, Cast, STABLE};
use crate::demo::counts::Observed;
use crate::demo::finding::{Finding, Found, Share, grouped, shares, times};
use crate::demo::load::Control;
use crate::demo::release::Release;
use std::sync::Arc;
use std::time::Duration;
use users::{Moves, Users};

/// As the report has it.
pub(super) const NAME: &str = "sticky users";

/// How often each user comes back in each stretch.
const VISITS: u64 = 10;
/// How long one visit of all users takes, about.
const VISIT: Duration = Duration::from_millis(120);

pub(super) async fn play(cast: &Cast) -> anyhow::Result<Found> {
    let release = Release::start(&cast.world, "users", [(STABLE, 2), (CANARY, 1)]).await?;
    let users = Arc::new(Users::new(cast.scale.users()));
    let street = Street {
        cast,
        release: &release,
        users: &users,
    };

    street.open("stable=90, canary=10", 0.1).await?;
    let first = street
        .visits(1, (0.0, 0.1), "all come for the first time")
        .await;
    let again = street
        .visits(
            VISITS,
            (0.1, 0.4),
            "the same users come again, with their cookies",
        )
        .await;
    street.open("stable=70, canary=30", 0.3).await?;
    let raised = street
        .visits(
            VISITS,
            (0.4, 0.8),
            "the canary is raised to 30 %; they come again",
        )
        .await;
    street.open("stable=100, canary=0", 0.0).await?;
    let aborted = street
        .visits(
            VISITS / 2,
            (0.8, 1.0),
            "the canary is aborted; they come once more",
        )
        .await;

    release.end().await;
    let Moves { joined, left } = raised.moves;
    let changed = again.moves.joined + again.moves.left;
    Ok(Found {
        act: NAME,
        headline: format!("{changed} changed version; at 30 % {joined} joined and {left} left"),
        findings: findings(&first, &again, &raised, &aborted),
    })
}

fn findings(first: &Visits, again: &Visits, raised: &Visits, aborted: &Visits) -> Vec<Finding> {
    let returns = [again, raised, aborted];
    let sent = returns.iter().map(|visits| visits.seen.sent).sum();
    let by_ticket = returns
        .iter()
        .map(|visits| visits.seen.charged.by("sticky"))
        .sum();
    let tenth = first.seen.sent / 10;
    vec![
        first.are(first.seen.sent - tenth, tenth),
        times(
            again.seen.sent,
            "changed version",
            0,
            again.moves.joined + again.moves.left,
        ),
        again.are_of_users(),
        times(raised.seen.sent, "left the canary", 0, raised.moves.left),
        raised.are_of_users(),
        aborted.are(aborted.seen.sent, 0),
        times(sent, "by their ticket", sent, by_ticket),
    ]
}

struct Street<'a> {
    cast: &'a Cast,
    release: &'a Release,
    users: &'a Arc<Users>,
}

impl Street<'_> {
    async fn open(&self, weights: &str, canary: f64) -> anyhow::Result<()> {
        self.release
            .annotate(&[("weights", weights), ("sticky", "cookie")])
            .await?;
        self.cast.live().expect(canary);
        Ok(())
    }

    /// Every user comes so many times.
    async fn visits(&self, times: u64, (from, to): (f64, f64), step: &str) -> Visits {
        let requests = self.cast.scale.users() * times;
        self.cast.live().stretch(from, to);
        self.cast
            .say(format!("{} requests: {step}", grouped(requests)));
        let load = self
            .cast
            .load(requests, VISIT * u32::try_from(times).unwrap_or(u32::MAX));
        let seen = self
            .release
            .send(load, &Control::new(), self.users.clone())
            .await;
        Visits {
            seen,
            moves: self.users.take_moves(),
            on_canary: self.users.on(CANARY),
            times,
        }
    }
}

/// What a stretch of visits came to.
struct Visits {
    seen: Observed,
    moves: Moves,
    /// Users who are on the canary at its end.
    on_canary: u64,
    times: u64,
}

impl Visits {
    fn are(&self, stable: u64, canary: u64) -> Finding {
        shares(
            &self.seen,
            [
                Share::exactly(STABLE, stable),
                Share::exactly(CANARY, canary),
            ],
        )
    }

    /// Whoever is on the canary was there at every visit, and so were the others on stable.
    fn are_of_users(&self) -> Finding {
        let canary = self.on_canary * self.times;
        self.are(self.seen.sent.saturating_sub(canary), canary)
    }
}

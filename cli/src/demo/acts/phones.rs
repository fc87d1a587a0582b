//! A `User-Agent` decides: iPhones see the canary, nobody else does.

use super::{CANARY, Cast, STABLE};
use crate::demo::counts::Observed;
use crate::demo::finding::{Found, Share, grouped, shares, times};
use crate::demo::load::{Answer, Audience, Control};
use crate::demo::release::Release;
use http::header::USER_AGENT;
use http::{HeaderMap, HeaderValue};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// As the report has it.
pub(super) const NAME: &str = "User-Agent match";

/// Who comes, in turn; the first is an iPhone.
const AGENTS: [&str; 4] = [
    "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148",
    "Mozilla/5.0 (Linux; Android 16; Pixel 10) AppleWebKit/537.36 Mobile Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 15_0) AppleWebKit/605.1.15 Safari/605.1.15",
    "curl/8.15.0",
];

pub(super) async fn play(cast: &Cast) -> anyhow::Result<Found> {
    let release = Release::start(&cast.world, "phones", [(STABLE, 2), (CANARY, 1)]).await?;
    let by_agent = ("match.canary", "header User-Agent ~ \"iPhone\"");
    release
        .annotate(&[by_agent, ("weights", "stable=100, canary=0")])
        .await?;
    let requests = cast.scale.part(2);
    cast.live().expect(1.0 / AGENTS.len() as f64);
    cast.say(format!(
        "{} requests, one in {} from an iPhone",
        grouped(requests),
        AGENTS.len()
    ));

    let crowd = Arc::new(Crowd::default());
    let load = cast.load(requests, Duration::from_millis(2_500));
    let seen = release.send(load, &Control::new(), crowd.clone()).await;
    release.end().await;
    Ok(found(&seen, &crowd))
}

fn found(seen: &Observed, crowd: &Crowd) -> Found {
    let phones = seen.sent / AGENTS.len() as u64;
    let others = seen.sent - phones;
    let on_canary = crowd.phones_on_canary.load(Relaxed);
    let on_stable = crowd.others_on_stable.load(Relaxed);
    let strays = grouped(others - on_stable);
    let headline = format!(
        "{} of {} iPhones on canary, {strays} others",
        grouped(on_canary),
        grouped(phones)
    );
    let findings = vec![
        times(phones, "iPhones on canary", phones, on_canary),
        times(others, "others on stable", others, on_stable),
        times(phones, "decided by match", phones, seen.charged.by("match")),
        shares(
            seen,
            [
                Share::exactly(STABLE, others),
                Share::exactly(CANARY, phones),
            ],
        ),
    ];
    Found {
        act: NAME,
        headline,
        findings,
    }
}

#[derive(Default)]
struct Crowd {
    phones_on_canary: AtomicU64,
    others_on_stable: AtomicU64,
}

fn agent(number: u64) -> usize {
    usize::try_from(number % AGENTS.len() as u64)
        .expect("a remainder is smaller than what it is of")
}

impl Audience for Crowd {
    fn headers(&self, number: u64) -> HeaderMap {
        HeaderMap::from_iter([(USER_AGENT, HeaderValue::from_static(AGENTS[agent(number)]))])
    }

    fn answered(&self, answer: &Answer) {
        match (agent(answer.number), answer.reply.version) {
            (0, Some(CANARY)) => self.phones_on_canary.fetch_add(1, Relaxed),
            (1.., Some(STABLE)) => self.others_on_stable.fetch_add(1, Relaxed),
            _ => 0,
        };
    }
}

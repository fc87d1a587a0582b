//! Blue and green, flipped under load: no request fails, and none that was sent after a flip was acknowledged reaches
//! the old colour.

use super::Cast;
use crate::demo::counts::Name;
use crate::demo::finding::{Found, alike, grouped, times};
use crate::demo::load::{Answer, Audience, Control};
use crate::demo::manifests::annotation;
use crate::demo::release::Release;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// As the report has it.
pub(super) const NAME: &str = "blue/green flips";

const BLUE: Name = "blue";
const GREEN: Name = "green";

pub(super) async fn play(cast: &Cast) -> anyhow::Result<Found> {
    let release = Release::start(&cast.world, "colours", [(BLUE, 2), (GREEN, 2)]).await?;
    activate(&release, BLUE).await?;
    cast.live().say_annotation(annotation("active", BLUE));
    cast.live().expect(0.0);
    let flips = cast.scale.flips();
    cast.say(format!("live traffic, and {flips} flips amid it"));

    let watch = Arc::new(Watch {
        blue_first: cast.world.tables_acknowledged(),
        late: AtomicU64::new(0),
    });
    let control = Control::new();
    let (seen, flipped) = tokio::join!(
        release.send(cast.endless(), &control, watch.clone()),
        flip(cast, &release, &control, flips)
    );
    flipped?;

    release.end().await;
    let late = watch.late.load(Relaxed);
    Ok(Found {
        act: NAME,
        headline: format!(
            "{flips} flips amid {} requests, {late} late, {} failed",
            grouped(seen.sent),
            seen.failed
        ),
        findings: vec![
            times(seen.sent, "failed", 0, seen.failed),
            times(seen.sent, "late after a flip", 0, late),
            alike(&seen, [BLUE, GREEN]),
        ],
    })
}

async fn activate(release: &Release, colour: Name) -> anyhow::Result<()> {
    let other = if colour == BLUE { GREEN } else { BLUE };
    release
        .reannotate(&[("active", colour), ("preview", other)])
        .await
}

/// Flips so often amid traffic, and stops the traffic whatever comes of it.
async fn flip(cast: &Cast, release: &Release, control: &Control, flips: u64) -> anyhow::Result<()> {
    let mut flipped = Ok(());
    for flip in 1..=flips {
        control.answers(cast.scale.answers_between()).await;
        let green = flip % 2 == 1;
        flipped = activate(release, if green { GREEN } else { BLUE }).await;
        if flipped.is_err() {
            break;
        }
        cast.live().expect(if green { 1.0 } else { 0.0 });
        cast.live().progress(flip as f64 / (flips + 1) as f64);
        cast.live()
            .show(format!("flip {flip} of {flips}, amid live traffic"));
    }
    control.answers(cast.scale.answers_between()).await;
    control.stop();
    flipped
}

/// Looks at each answer's colour.
struct Watch {
    /// The table that made blue active; each one after it flips.
    blue_first: u64,
    late: AtomicU64,
}

impl Audience for Watch {
    fn answered(&self, answer: &Answer) {
        if is_late(self.blue_first, answer) {
            self.late.fetch_add(1, Relaxed);
        }
    }
}

/// Whether no table in force between the request and its answer had the colour that answered. With two tables or more in
/// between, either colour was right at some time.
fn is_late(blue_first: u64, answer: &Answer) -> bool {
    let active = |table: u64| {
        if (table - blue_first).is_multiple_of(2) {
            BLUE
        } else {
            GREEN
        }
    };
    let mut tables = answer.sent_under..=answer.answered_under;
    answer
        .reply
        .version
        .is_some_and(|version| tables.all(|table| active(table) != version))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::client::Reply;

    #[test]
    fn an_answer_is_late_if_its_colour_was_active_at_no_time() {
        let cases = [
            ((5, 5, BLUE), false),
            ((5, 5, GREEN), true),
            ((6, 6, GREEN), false),
            ((6, 6, BLUE), true),
            ((5, 6, GREEN), false),
            ((5, 6, BLUE), false),
            ((7, 7, GREEN), true),
        ];
        for ((sent_under, answered_under, version), expected) in cases {
            let reply = Reply {
                version: Some(version),
                cookie: None,
            };
            let answer = Answer {
                number: 0,
                reply,
                sent_under,
                answered_under,
            };
            assert_eq!(is_late(5, &answer), expected, "{answer:?}");
        }
    }
}

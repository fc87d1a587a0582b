//! A leader that stood still wakes up, and does not know that another has led since.

use crate::shop::{Shop, until_served};
use anyhow::Context as _;
use haldane_tests::plane::{Follower, Proxy, until};
use haldane_tests::process::Signal;
use haldane_tests::scale::scaled;
use haldane_tests::within;
use std::time::{Duration, Instant};

const PROXIES: usize = 2;
/// The shortest time in seconds that is longer than a Lease lasts without renewal, and the longest that is asked for.
const FROZEN_S_MIN: u64 = 12;
const FROZEN_S_MAX: u64 = 30;
/// Changes after the thaw, so that whoever believes to lead has something to say.
const CHANGES_AFTER: usize = 4;

pub(crate) async fn no_proxy_takes_an_older_table() -> anyhow::Result<()> {
    let shop = Shop::open("freeze").await?;
    let one = shop.plane.controller(0).await?;
    one.until_leads(true).await?;
    let two = shop.plane.controller(1).await?;
    let proxies = shop.proxies(PROXIES).await?;
    let follower = shop.plane.follower("stand-in")?;
    let first = follower.newer(None, 1).await?;

    one.signal(Signal::STOP)?;
    let frozen = Instant::now();
    two.until_leads(true).await?;
    println!(
        "another leads {} ms after the leader froze",
        frozen.elapsed().as_millis()
    );
    shop.set_weight("100").await?;
    until_served(&proxies, "canary").await?;
    println!(
        "a change is served {} ms after the leader froze",
        frozen.elapsed().as_millis()
    );
    let second = follower.newer(Some(first.generation), 1).await?;
    assert!(second.generation.term > first.generation.term);

    stay_frozen(frozen, &proxies).await?;
    one.signal(Signal::CONT)?;
    one.until_leads(false).await?;
    for change in 0..CHANGES_AFTER {
        let (weight, version) = if change % 2 == 0 {
            ("0", "stable")
        } else {
            ("100", "canary")
        };
        shop.set_weight(weight).await?;
        until_served(&proxies, version).await?;
    }
    assert_eq!(one.status().await?["leader"], false);
    assert_forward(&follower, &proxies)
}

/// Traffic goes on until the leader has been frozen for long enough.
async fn stay_frozen(since: Instant, proxies: &[Proxy]) -> anyhow::Result<()> {
    let seconds = scaled(2).clamp(FROZEN_S_MIN, FROZEN_S_MAX);
    let enough = Duration::from_secs(seconds);
    let thaw = until("the thaw", || async {
        until_served(proxies, "canary").await?;
        Ok((since.elapsed() >= enough).then_some(()))
    });
    within("the thaw", thaw).await?
}

/// Every table that anybody took is newer than the one before.
fn assert_forward(follower: &Follower, proxies: &[Proxy]) -> anyhow::Result<()> {
    let applied = follower.applied();
    let own: Vec<_> = applied
        .iter()
        .map(|one| (one.generation.term, one.generation.number))
        .collect();
    let mut all = vec![("stand-in".to_owned(), own)];
    for (index, proxy) in proxies.iter().enumerate() {
        all.push((format!("proxy-{index}"), proxy.generations()?));
    }
    for (name, generations) in &all {
        let shown: Vec<String> = generations
            .iter()
            .map(|(term, number)| format!("{term}.{number}"))
            .collect();
        println!("{name} applied {}", shown.join(", "));
        assert!(generations.is_sorted_by(|one, next| one < next), "{name}");
        let last = generations.last().context("a table")?;
        assert!(
            generations.len() > CHANGES_AFTER && last.0 > generations[0].0,
            "{name}: {shown:?}"
        );
    }
    Ok(())
}

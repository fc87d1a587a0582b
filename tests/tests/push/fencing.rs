//! Two controllers that both believe they lead: a proxy never goes back to the older one.

use crate::controller::Place;
use crate::proxy::Follower;
use crate::table::{Versions, generation};
use haldane_tests::shop::{assert_none_failed, load};

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_slept_is_not_followed_any_more() -> anyhow::Result<()> {
    let (place, versions) = (Place::new()?, Versions::start().await?);
    let old = place.lead(1)?;
    let proxy = Follower::start(&place, &[]).await?;
    old.proxies(1).await?;
    old.push(generation(1, 1), &versions.table(1, 0)).await?;
    let running = load(proxy.http, 4).start();
    let sleeper = haldane_controller::push::Publisher::new();
    sleeper.lead(Some(1));
    old.stop().await?;

    let new = place.lead(2)?;
    new.proxies(1).await?;
    new.push(generation(2, 1), &versions.table(0, 1)).await?;
    new.stop().await?;

    // The old leader wakes up, does not know of the new one, and has many tables to its name.
    let mark = proxy.mark_errors();
    let old = place.serve(sleeper)?;
    old.publisher
        .publish(generation(1, 900), &versions.table(1, 0))?;
    let line = proxy.error_line(mark, "you hold 2.1").await?;
    assert!(line.contains("this controller has 1.900"), "{line}");
    assert_eq!(proxy.get().await?.text(), "canary");
    assert_eq!(old.publisher.live(), None);
    old.stop().await?;

    let new = place.lead(3)?;
    new.proxies(1).await?;
    new.push(generation(3, 1), &versions.table(1, 0)).await?;
    assert_eq!(proxy.get().await?.text(), "stable");
    assert_none_failed(&running.stop().await?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_lead_is_asked_again() -> anyhow::Result<()> {
    let (place, versions) = (Place::new()?, Versions::start().await?);
    let follower = place.serve(haldane_controller::push::Publisher::new())?;
    let proxy = Follower::start(&place, &[]).await?;
    proxy
        .error_line(Default::default(), "not the leader")
        .await?;
    follower.publisher.lead(Some(7));
    follower.proxies(1).await?;
    follower
        .push(generation(7, 1), &versions.table(1, 0))
        .await?;
    assert_eq!(proxy.get().await?.text(), "stable");
    Ok(())
}

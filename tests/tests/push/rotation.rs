//! Certificates of both sides that change while tables are pushed.

use crate::controller::Place;
use crate::proxy::Follower;
use crate::table::{Versions, generation};
use haldane_tests::authority::{CONTROLLER, PROXY};
use haldane_tests::shop::{assert_none_failed, load};

#[tokio::test(flavor = "multi_thread")]
async fn every_push_arrives_while_certificates_change() -> anyhow::Result<()> {
    let (place, versions) = (Place::new()?, Versions::start().await?);
    let controller = place.lead(1)?;
    let proxy = Follower::start(&place, &[]).await?;
    controller.proxies(1).await?;
    let running = load(proxy.http, 2);
    controller
        .push(generation(1, 1), &versions.table(1, 0))
        .await?;
    let running = running.start();
    for term in 2..6 {
        let renewed = |name| place.authority.credentials(name, &place.authority);
        controller.files.replace(&renewed(CONTROLLER)?)?;
        proxy.files.replace(&renewed(PROXY)?)?;
        for number in 0..5 {
            let generation = generation(term - 1, 10 * term + number);
            controller
                .push(generation, &versions.table(number, 1))
                .await?;
        }
        // Streams outlive certificates; a new term begins new ones, with the new certificates on both sides.
        controller.publisher.lead(Some(term));
        controller.proxies(1).await?;
        controller
            .push(generation(term, 1), &versions.table(1, term))
            .await?;
    }
    let rejected = proxy
        .metrics()
        .await?
        .sum("haldane_table_rejected_total", &[]);
    assert_eq!(rejected, 0.0);
    assert_none_failed(&running.stop().await?);
    Ok(())
}

//! Tables that are pushed are in force, and what comes of requests is told.

use crate::controller::Place;
use crate::proxy::Follower;
use crate::table::{Versions, generation};
use haldane_routing::By;
use haldane_routing::spec::TableSpec;
use haldane_tests::client::{Client, get, get_with};
use haldane_tests::manifests::SHOP;
use haldane_tests::shop::{assert_none_failed, load};
use haldane_tests::within;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_live_is_what_is_served() -> anyhow::Result<()> {
    let (place, versions) = (Place::new()?, Versions::start().await?);
    let controller = place.lead(1)?;
    let proxies = [
        Follower::start(&place, &[]).await?,
        Follower::start(&place, &[]).await?,
    ];
    for proxy in &proxies {
        assert!(!proxy.is_ready().await?, "no table is in force");
    }
    controller.proxies(2).await?;
    controller
        .push(generation(1, 1), &versions.table(1, 0))
        .await?;
    for proxy in &proxies {
        assert!(proxy.is_ready().await?);
        assert_eq!(proxy.get().await?.text(), "stable");
    }
    // Live means that the very next request goes by it, at every proxy.
    for number in 2..30 {
        let canary = number % 2;
        controller
            .push(generation(1, number), &versions.table(1 - canary, canary))
            .await?;
        for proxy in &proxies {
            let expected = if canary == 1 { "canary" } else { "stable" };
            assert_eq!(proxy.get().await?.text(), expected, "{number}");
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn before_the_first_table_clients_are_asked_to_come_again() -> anyhow::Result<()> {
    let place = Place::new()?;
    let controller = place.lead(1)?;
    let proxy = Follower::start(&place, &[]).await?;
    let grpc = get_with(SHOP, "/", &[("content-type", "application/grpc")]);
    for (asked, status) in [(get(SHOP, "/"), 503), (grpc, 200)] {
        let answer = Client::h2(proxy.http).await?.ask(asked).await?;
        assert_eq!(answer.status, status);
        assert_eq!(answer.header("retry-after"), "1");
        assert_eq!(
            answer.header("grpc-status"),
            if status == 200 { "14" } else { "" }
        );
    }
    assert_eq!(proxy.get().await?.status, 503);
    assert!(!proxy.is_ready().await?);
    let refused = [("reason", "no_table")];
    assert_eq!(
        proxy
            .metrics()
            .await?
            .sum("haldane_refused_total", &refused),
        3.0
    );
    // A table without a rule is a table: it says that there is nothing here.
    controller.proxies(1).await?;
    controller
        .push(generation(1, 1), &TableSpec::default())
        .await?;
    let answer = proxy.get().await?;
    assert_eq!(
        (answer.status.as_u16(), answer.header("retry-after")),
        (404, "")
    );
    assert!(proxy.is_ready().await?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_controller_is_told_what_requests_came_to_at_each_share() -> anyhow::Result<()> {
    let (place, versions) = (Place::new()?, Versions::start().await?);
    let controller = place.lead(1)?;
    let proxy = Follower::start(&place, &[]).await?;
    controller.proxies(1).await?;
    for (number, canary) in [(1, 10), (2, 25)] {
        let table = versions.table(100 - canary, canary);
        controller.push(generation(1, number), &table).await?;
        assert_none_failed(&load(proxy.http, 4).requests(400).run().await?);
    }
    let expected = [
        ("canary", 10, 40),
        ("canary", 25, 100),
        ("stable", 75, 300),
        ("stable", 90, 360),
    ];
    let counted = || {
        let series = controller.publisher.counters().into_iter();
        let mut series: Vec<_> = series
            .inspect(|series| assert_eq!((series.id.by, series.id.period), (By::Split, 100)))
            .map(|series| {
                (
                    series.id.version,
                    series.id.weight,
                    series.totals.requests(),
                )
            })
            .collect();
        series.sort();
        series
    };
    let all = expected.map(|(version, weight, requests)| (version.to_owned(), weight, requests));
    within("all to be told", async {
        while counted() != all {
            tokio::task::yield_now().await;
        }
    })
    .await?;
    // The Prometheus page knows versions, not their shares.
    let metrics = proxy.metrics().await?;
    assert_eq!(
        (metrics.requests("stable"), metrics.requests("canary")),
        (660, 140)
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_tables_come_to_the_last() -> anyhow::Result<()> {
    let (place, versions) = (Place::new()?, Versions::start().await?);
    let controller = place.lead(1)?;
    let proxy = Follower::start(&place, &[]).await?;
    controller.proxies(1).await?;
    controller
        .push(generation(1, 1), &versions.table(1, 0))
        .await?;
    let running = load(proxy.http, 4).start();
    running.progress(100).await?;
    for number in 2..=1_000 {
        controller
            .publisher
            .publish(generation(1, number), &versions.table(number, 1))?;
    }
    controller
        .push(generation(1, 1_001), &versions.table(0, 1))
        .await?;
    assert_eq!(proxy.get().await?.text(), "canary");
    running.progress(100).await?;
    assert_none_failed(&running.stop().await?);
    let applied = proxy.metrics().await?.sum("haldane_generation", &[]) as u64;
    println!("of 1 001 tables {applied} were put in force");
    assert!(applied < 1_001);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn loopback_is_no_place_for_a_backend_in_a_cluster() -> anyhow::Result<()> {
    let (place, versions) = (Place::new()?, Versions::start().await?);
    let controller = place.lead(1)?;
    let credentials = place
        .authority
        .credentials("haldane-proxy", &place.authority)?;
    let files = haldane_tests::authority::Files::of(&credentials)?;
    let proxy = Follower::start_as(&place, files, &[]).await?;
    controller.proxies(1).await?;
    controller
        .push(generation(1, 1), &versions.table(1, 0))
        .await?;
    assert!(proxy.get().await?.status.is_server_error());
    assert_eq!(versions.stable.requests(), 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_controller_that_goes_and_comes_back_is_not_missed() -> anyhow::Result<()> {
    let (place, versions) = (Place::new()?, Versions::start().await?);
    let mut controller = place.lead(1)?;
    let proxy = Follower::start(&place, &[]).await?;
    controller.proxies(1).await?;
    controller
        .push(generation(1, 1), &versions.table(1, 0))
        .await?;
    let running = load(proxy.http, 4).start();
    for term in 2..5 {
        controller.stop().await?;
        running.progress(200).await?;
        controller = place.lead(term)?;
        controller.proxies(1).await?;
        controller
            .push(generation(term, 1), &versions.table(0, 1))
            .await?;
    }
    assert_eq!(proxy.get().await?.text(), "canary");
    assert_none_failed(&running.stop().await?);
    Ok(())
}

//! What a controller with good credentials sends and a proxy must not take: its table stays, its traffic goes on, and the
//! reason is answered and logged.

use crate::controller::Place;
use crate::liar::Liar;
use crate::proxy::Follower;
use crate::table::{Versions, generation};
use haldane_routing::spec::{BackendSpec, CertificateSpec, TableSpec};
use haldane_tests::authority::CONTROLLER;
use haldane_tests::shop::{assert_none_failed, load};
use haldane_wire::proto::Part;
use haldane_wire::{Encoded, Generation};

fn whole(table: &TableSpec, generation: Generation) -> anyhow::Result<Vec<Part>> {
    let encoded = Encoded::new(table, None)?;
    Ok(encoded.whole().parts(generation).collect())
}

/// Some bytes of every object become others, on their way.
fn changed(mut parts: Vec<Part>, find: &str, put: &str) -> Vec<Part> {
    for object in parts.iter_mut().flat_map(|part| &mut part.changed) {
        let text = String::from_utf8_lossy(&object.spec).replacen(find, put, 1);
        object.spec = text.into_bytes().into();
    }
    parts
}

/// Parts without end, each of one large object.
fn endless(generation: Generation) -> anyhow::Result<Vec<Part>> {
    let tls = |index: u32| {
        let mut backend = BackendSpec {
            name: format!("{index}"),
            ..BackendSpec::default()
        };
        backend.tls.ca_pem = Some("x".repeat(4_000_000));
        backend
    };
    let mut parts = Vec::new();
    for index in 0..20 {
        let table = TableSpec {
            backends: vec![tls(index)],
            ..TableSpec::default()
        };
        let mut part = whole(&table, generation)?.remove(0);
        part.index = index;
        part.whole = index == 0;
        part.last = false;
        parts.push(part);
    }
    Ok(parts)
}

/// A lie, and what the proxy says of it.
struct Lie {
    parts: Vec<Part>,
    reason: &'static str,
}

/// Lies to a proxy that holds 5.5. `canary` is the table that none of them must put in force.
fn lies(canary: &TableSpec) -> anyhow::Result<Vec<Lie>> {
    let newer = generation(6, 1);
    let mut unknown = canary.clone();
    unknown.backends.pop();
    let mut broken = canary.clone();
    broken.certificates.push(CertificateSpec {
        name: "shop/broken".to_owned(),
        ..CertificateSpec::default()
    });
    let change = |find, put| anyhow::Ok(changed(whole(canary, newer)?, find, put));
    let lies = [
        (
            whole(canary, generation(4, 9))?,
            "4.9 is not newer than 5.5",
        ),
        (
            whole(canary, generation(5, 4))?,
            "5.4 is not newer than 5.5",
        ),
        (
            whole(canary, generation(5, 5))?,
            "5.5 is not newer than 5.5",
        ),
        (
            change("\"weight\":0", "\"weight\":1")?,
            "the table has digest",
        ),
        (
            change("\"weight\":0", "\"weight\":-1")?,
            "rule \"shop/web\": action.forward.versions[0].weight",
        ),
        (endless(newer)?, "bytes are too many"),
        (whole(&unknown, newer)?, "there is no backend \"canary\""),
        (whole(&broken, newer)?, "shop/broken"),
    ];
    let lies = lies.map(|(parts, reason)| Lie { parts, reason });
    Ok(lies.into())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_must_not_get_in_does_not() -> anyhow::Result<()> {
    let (place, versions) = (Place::new()?, Versions::start().await?);
    let controller = place.lead(5)?;
    let proxy = Follower::start(&place, &[]).await?;
    controller.proxies(1).await?;
    controller
        .push(generation(5, 5), &versions.table(1, 0))
        .await?;
    controller.stop().await?;
    let running = load(proxy.http, 2).start();
    let canary = versions.table(0, 1);
    let credentials = place.authority.credentials(CONTROLLER, &place.authority)?;
    for Lie { parts, reason } in lies(&canary)? {
        let mark = proxy.mark_errors();
        let mut liar = Liar::start(&place, &credentials, parts)?;
        let refusal = liar.refusal().await?;
        assert!(refusal.contains(reason), "{refusal:?} is not {reason:?}");
        proxy.error_line(mark, "a table was refused").await?;
        assert_eq!(proxy.get().await?.text(), "stable", "{reason}");
        liar.stop().await;
    }
    let controller = place.lead(6)?;
    controller.proxies(1).await?;
    controller.push(generation(6, 1), &canary).await?;
    assert_eq!(proxy.get().await?.text(), "canary");
    assert_none_failed(&running.stop().await?);
    Ok(())
}

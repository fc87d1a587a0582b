//! Who cannot prove that it is the controller is not followed; who cannot prove that it is a proxy gets no table.

use crate::controller::Place;
use crate::liar::Liar;
use crate::proxy::Follower;
use crate::table::{Versions, generation};
use haldane_tests::authority::{Authority, CONTROLLER, Files, PROXY};
use haldane_tests::process::Mark;
use haldane_tests::shop::{assert_none_failed, load};
use haldane_wire::Encoded;
use tokio::io::AsyncWriteExt as _;

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_pushes_nothing() -> anyhow::Result<()> {
    let (place, versions) = (Place::new()?, Versions::start().await?);
    let (ours, other) = (&place.authority, Authority::new("other")?);
    let controller = place.lead(1)?;
    let proxy = Follower::start(&place, &[]).await?;
    controller.proxies(1).await?;
    controller
        .push(generation(1, 1), &versions.table(1, 0))
        .await?;
    controller.stop().await?;
    let running = load(proxy.http, 2).start();
    let table = Encoded::new(&versions.table(0, 1), None)?;
    let parts: Vec<_> = table.whole().parts(generation(9, 9)).collect();
    for (credentials, reason) in [
        (other.credentials(CONTROLLER, ours)?, "UnknownIssuer"),
        (ours.expired(CONTROLLER, ours)?, "certificate expired"),
        (
            ours.credentials("grafana", ours)?,
            "certificate not valid for name",
        ),
        (
            ours.credentials(PROXY, ours)?,
            "certificate not valid for name",
        ),
    ] {
        let mark = proxy.mark_errors();
        let liar = Liar::start(&place, &credentials, parts.clone())?;
        proxy.error_line(mark, reason).await?;
        assert_eq!(proxy.get().await?.text(), "stable", "{reason}");
        liar.stop().await;
    }
    let mark = proxy.mark_errors();
    let clear = place.listen()?;
    let (mut socket, _) = haldane_tests::within("a connection", clear.accept()).await??;
    socket.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
    proxy.error_line(mark, "the TLS handshake failed").await?;
    assert_none_failed(&running.stop().await?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_gets_no_table() -> anyhow::Result<()> {
    let (place, versions) = (Place::new()?, Versions::start().await?);
    let (ours, other) = (&place.authority, Authority::new("other")?);
    let controller = place.lead(1)?;
    controller
        .publisher
        .publish(generation(1, 1), &versions.table(1, 0))?;
    for credentials in [
        other.credentials(PROXY, ours)?,
        ours.expired(PROXY, ours)?,
        ours.credentials("grafana", ours)?,
    ] {
        let proxy = Follower::start_as(&place, Files::of(&credentials)?, &[]).await?;
        proxy
            .error_line(Mark::default(), "the controller is not followed")
            .await?;
        assert!(!proxy.is_ready().await?);
        assert!(controller.publisher.proxies().is_empty());
    }
    Ok(())
}

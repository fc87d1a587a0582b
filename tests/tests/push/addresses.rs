//! Controllers, clients and backends that have addresses of IPv6, alone or beside others.

use crate::controller::Place;
use crate::proxy::Follower;
use crate::table::{Versions, generation};
use haldane_tests::authority::{Files, PROXY};
use haldane_tests::client::Client;
use haldane_tests::manifests::SHOP;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

#[tokio::test(flavor = "multi_thread")]
async fn a_controller_that_comes_back_is_found_over_ipv6() -> anyhow::Result<()> {
    let Ok(place) = Place::at(Ipv6Addr::LOCALHOST.into()) else {
        eprintln!("this machine has no IPv6; nothing is tried");
        return Ok(());
    };
    let versions = Versions::at(Ipv6Addr::LOCALHOST.into()).await?;
    let credentials = place.authority.credentials(PROXY, &place.authority)?;
    let allowed = ["--allow-loopback-endpoints"];
    // Every address of this machine, of both kinds.
    let files = Files::of(&credentials)?;
    let proxy = Follower::start_at("[::]:0", &place, files, &allowed).await?;
    let mut clients = Vec::new();
    for address in [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()] {
        let both = SocketAddr::new(address, proxy.http.port());
        clients.push(Client::h1(both).await?);
    }
    for (term, expected) in [(1, "stable"), (2, "canary")] {
        let controller = place.lead(term)?;
        controller.proxies(1).await?;
        let table = versions.table(2 - term, term - 1);
        controller.push(generation(term, 1), &table).await?;
        for client in &mut clients {
            assert_eq!(client.get(SHOP, "/").await?.text(), expected);
        }
        controller.stop().await?;
    }
    Ok(())
}

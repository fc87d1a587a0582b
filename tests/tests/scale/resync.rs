//! A real proxy gets the whole table.

use crate::crowd::Crowd;
use crate::fill::{PATHS_PER_INGRESS, host};
use haldane_tests::client::Client;
use std::time::Instant;

pub(crate) async fn a_proxy_without_anything_is_ready_at_once() -> anyhow::Result<()> {
    let crowd = Crowd::shared().await?;
    for round in 0..3 {
        let begun = Instant::now();
        let proxy = crowd.plane.proxy(&format!("new-{round}")).await?;
        let started = begun.elapsed();
        proxy.until_ready().await?;
        let ready = begun.elapsed();
        println!(
            "a proxy that starts with nothing has the whole table after {} ms, {} ms of them until it listens",
            ready.as_millis(),
            started.as_millis()
        );
        // The last route there is; nobody is behind it.
        let last = crowd.size.paths / PATHS_PER_INGRESS - 1;
        for (host, path, is_there) in [
            (host(last), "/api/v1/part-9", true),
            (host(last + 1), "/", false),
        ] {
            let answer = Client::h1(proxy.http).await?.get(&host, path).await?;
            assert_eq!(answer.status != 404, is_there, "{host}{path}");
        }
    }
    Ok(())
}

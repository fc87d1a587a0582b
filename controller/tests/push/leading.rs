//! Who may push, and who may follow.

use crate::fake::{Fake, Served, hello, say, within};
use crate::tables::{generation, table};
use haldane_wire::proto::{Applied, FromProxy, Hello, from_proxy};
use haldane_wire::{Digest, Generation};
use tokio::io::AsyncReadExt as _;
use tonic::Code;

#[tokio::test]
async fn without_a_lease_nobody_is_served() {
    let served = Served::start().await;
    let refused = served.begin(&served.proxy(), hello("1", None)).await;
    assert_eq!(
        refused.err().map(|status| status.code()),
        Some(Code::FailedPrecondition)
    );

    served.publisher.lead(Some(1));
    let proxy = served.follow("1").await;
    served.publisher.lead(None);
    assert_eq!(proxy.end().await, Code::FailedPrecondition);
    served
        .wait("nobody to be left", |publisher| {
            publisher.proxies().is_empty()
        })
        .await;

    served.publisher.lead(Some(2));
    let proxy = served.follow("1").await;
    served.publisher.lead(Some(3));
    assert_eq!(
        proxy.end().await,
        Code::FailedPrecondition,
        "another term is another leader"
    );
}

#[tokio::test]
async fn a_server_that_stops_ends_its_streams() {
    let served = Served::leading().await;
    let proxy = served.follow("1").await;
    served.stop().await;
    assert_ne!(proxy.end().await, Code::Ok);
}

#[tokio::test]
async fn a_controller_that_is_behind_sends_nothing() {
    let held = |term, number| Some((generation(term, number), Digest::of(b"newer")));
    for (term, number) in [(2, 1), (1, 8), (1, 7)] {
        let served = Served::leading().await;
        let first = hello("1", held(term, number));
        let proxy = served.begin(&served.proxy(), first).await.unwrap();
        served
            .publisher
            .publish(generation(1, 7), &table(&["a"]))
            .unwrap();
        assert_eq!(
            proxy.end().await,
            Code::FailedPrecondition,
            "{term}.{number}"
        );
    }
}

#[track_caller]
fn named(proxy: &str, instance: &str) -> FromProxy {
    say(from_proxy::Message::Hello(Hello {
        proxy: proxy.to_owned(),
        instance: instance.to_owned(),
        ..Hello::default()
    }))
}

fn applied(generation: Option<Generation>) -> from_proxy::Message {
    let generation = generation.map(Into::into);
    from_proxy::Message::Applied(Applied { generation })
}

#[tokio::test]
async fn nonsense_ends_the_stream_that_it_comes_on() {
    let served = Served::leading().await;
    served
        .publisher
        .publish(generation(1, 1), &table(&["a"]))
        .unwrap();
    let long = "n".repeat(513);
    for first in [
        say(applied(None)),
        FromProxy::default(),
        named("", "1"),
        named("haldane/proxy", ""),
        named("haldane/proxy\n", "1"),
        named(&long, "1"),
    ] {
        let refused = served.begin(&served.proxy(), first.clone()).await;
        let code = refused.err().map(|status| status.code());
        assert_eq!(code, Some(Code::InvalidArgument), "{first:?}");
    }
    for second in [
        applied(None),
        applied(Some(generation(1, 2))),
        from_proxy::Message::Hello(Hello::default()),
    ] {
        let proxy: Fake = served.follow("1").await;
        proxy.say(second.clone()).await;
        assert_eq!(proxy.end().await, Code::InvalidArgument, "{second:?}");
    }
    assert_eq!(served.publisher.live(), None);
}

#[tokio::test]
async fn a_stranger_is_let_in_no_further_than_the_handshake() {
    let served = Served::leading().await;
    let other = crate::authority::Authority::new("other");
    for (who, credentials) in [
        (
            "another authority",
            other.credentials("haldane-proxy", &served.authority),
        ),
        (
            "another name",
            served.authority.credentials("grafana", &served.authority),
        ),
    ] {
        let mut stream = served.connect(&credentials).await;
        let read = within("the refusal", stream.read_u8()).await;
        assert!(read.is_err(), "{who}");
    }
    assert!(served.publisher.proxies().is_empty());
    served.follow("1").await;
}

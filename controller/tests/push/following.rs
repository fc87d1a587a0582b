//! What a proxy gets, and what its answers change.

use crate::fake::{Served, hello};
use crate::tables::{generation, names, table};
use haldane_routing::By;
use haldane_wire::{Encoded, Series, SeriesId, Totals, counters, proto::from_proxy};

#[tokio::test]
async fn first_the_whole_then_what_differs() {
    let served = Served::leading().await;
    let mut proxy = served.follow("1").await;
    let publisher = &served.publisher;
    publisher
        .publish(generation(1, 1), &table(&["a", "b"]))
        .unwrap();
    let (objects, first) = proxy.change().await;
    assert_eq!((objects, names(&first.table())), (2, vec!["a", "b"]));
    assert_eq!(
        publisher.live(),
        None,
        "nothing is live before it is applied"
    );
    proxy.apply(first).await;
    served.wait_live(generation(1, 1)).await;

    publisher
        .publish(generation(1, 2), &table(&["b", "c"]))
        .unwrap();
    let (objects, second) = proxy.change().await;
    assert_eq!((objects, names(&second.table())), (2, vec!["b", "c"]));
    proxy.apply(second).await;
    served.wait_live(generation(1, 2)).await;
}

#[tokio::test]
async fn a_refused_table_is_not_built_on() {
    let served = Served::leading().await;
    let mut proxy = served.follow("1").await;
    let publisher = &served.publisher;
    publisher.publish(generation(1, 1), &table(&["a"])).unwrap();
    let (_, first) = proxy.change().await;
    proxy.apply(first).await;
    publisher
        .publish(generation(1, 2), &table(&["a", "bad"]))
        .unwrap();
    let (_, bad) = proxy.change().await;
    proxy.reject(bad.generation(), &"x".repeat(10_000)).await;
    let rejected = || publisher.proxies().pop().and_then(|proxy| proxy.rejected);
    served.wait("a refusal", |_| rejected().is_some()).await;
    let (refused, reason) = rejected().unwrap();
    assert_eq!((refused, reason.len()), (generation(1, 2), 4 << 10));
    assert_eq!(publisher.live(), Some(generation(1, 1)));

    publisher
        .publish(generation(1, 3), &table(&["a", "c"]))
        .unwrap();
    let (objects, third) = proxy.change().await;
    assert_eq!((objects, names(&third.table())), (1, vec!["a", "c"]));
    proxy.apply(third).await;
    served.wait_live(generation(1, 3)).await;
    assert_eq!(rejected(), None);
}

#[tokio::test]
async fn a_slow_proxy_gets_the_newest_when_it_is_ready() {
    let served = Served::leading().await;
    let mut slow = served.follow("slow").await;
    let publisher = &served.publisher;
    publisher.publish(generation(1, 1), &table(&["a"])).unwrap();
    let (_, first) = slow.change().await;
    for number in 2..=1_000 {
        let name = format!("b{number}");
        publisher
            .publish(generation(1, number), &table(&["a", &name]))
            .unwrap();
    }
    let mut quick = served.follow("quick").await;
    let (_, newest) = quick.change().await;
    assert_eq!(newest.generation(), generation(1, 1_000));
    slow.apply(first).await;
    let (objects, newest) = slow.change().await;
    assert_eq!(newest.generation(), generation(1, 1_000));
    assert_eq!((objects, names(&newest.table())), (1, vec!["a", "b1000"]));
}

#[tokio::test]
async fn what_a_proxy_holds_is_not_sent_again() {
    let served = Served::leading().await;
    let (held, publisher) = (table(&["a", "b"]), &served.publisher);
    let digest = Encoded::new(&held, None).unwrap().digest();
    publisher.publish(generation(1, 7), &held).unwrap();

    let first = hello("same", Some((generation(1, 7), digest)));
    let same = served.begin(&served.proxy(), first).await.unwrap();
    served.wait_live(generation(1, 7)).await;
    drop(same);

    let older = generation(1, 5);
    let first = hello("older", Some((older, digest)));
    let mut proxy = served.begin(&served.proxy(), first).await.unwrap();
    proxy.assembly = haldane_wire::Assembly::holding(older, &held).unwrap();
    let (objects, newer) = proxy.change().await;
    assert_eq!((objects, newer.generation()), (0, generation(1, 7)));

    let other = Encoded::new(&table(&["c"]), None).unwrap().digest();
    let first = hello("other", Some((older, other)));
    let mut proxy = served.begin(&served.proxy(), first).await.unwrap();
    let (objects, whole) = proxy.change().await;
    assert_eq!((objects, names(&whole.table())), (2, vec!["a", "b"]));
}

#[tokio::test]
async fn a_proxy_that_goes_holds_nothing_back() {
    let served = Served::leading().await;
    let publisher = &served.publisher;
    publisher.publish(generation(1, 1), &table(&["a"])).unwrap();
    let mut stays = served.follow("stays").await;
    let goes = served.follow("goes").await;
    let (_, first) = stays.change().await;
    stays.apply(first).await;
    served
        .wait("both to be there", |publisher| {
            let applied = publisher
                .proxies()
                .into_iter()
                .filter_map(|proxy| proxy.applied);
            publisher.proxies().len() == 2 && applied.count() == 1
        })
        .await;
    assert_eq!(publisher.live(), None);
    drop(goes);
    served.wait_live(generation(1, 1)).await;
}

#[tokio::test]
async fn counters_of_proxies_are_added_up() {
    let served = Served::leading().await;
    let report = |requests: u64| {
        let mut totals = Totals::default();
        totals.outcomes[0] = requests;
        let id = SeriesId {
            rule: "shop/web".to_owned(),
            version: "1.14".to_owned(),
            by: By::Split,
            weight: 9,
            period: 10,
        };
        let message = counters(vec![Series { id, totals }]).next().unwrap();
        from_proxy::Message::Counters(message)
    };
    served
        .publisher
        .publish(generation(1, 1), &table(&[]))
        .unwrap();
    // An answer comes behind the counters, so they have arrived when it has.
    for (instance, requests, sum) in [("1", 5, 5), ("2", 7, 12), ("1", 6, 13)] {
        let mut proxy = served.follow(instance).await;
        let (_, first) = proxy.change().await;
        proxy.say(report(requests)).await;
        proxy.apply(first).await;
        served.wait_live(generation(1, 1)).await;
        let counted = served.publisher.counters();
        let counted: Vec<u64> = counted
            .iter()
            .map(|series| series.totals.requests())
            .collect();
        assert_eq!(counted, [sum], "{instance}");
        drop(proxy);
        served
            .wait("it to go", |publisher| publisher.proxies().is_empty())
            .await;
    }
}

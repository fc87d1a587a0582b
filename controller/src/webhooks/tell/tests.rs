use super::super::call::Patience;
use super::super::fake::{PATIENCE, Receiver, webhooks};
use super::super::notice::example;
use super::*;

fn name(secret: &str) -> HookName {
    HookName {
        namespace: "shop".to_owned(),
        secret: secret.to_owned(),
    }
}

/// The events that come in, in order.
async fn events(receiver: &mut Receiver, count: usize) -> Vec<String> {
    let mut events = Vec::new();
    for _ in 0..count {
        let heard = receiver.heard().await;
        let body: serde_json::Value = serde_json::from_str(&heard.body).unwrap();
        events.push(body["event"].as_str().unwrap().to_owned());
    }
    events
}

fn counted(webhooks: &Webhooks, result: &str) -> u64 {
    let counts = &webhooks.counts.0;
    counts.with_label_values(&["notice", result]).get()
}

#[test]
fn every_outcome_is_shown_before_the_first_call() {
    let registry = Registry::new();
    Counts::register(&registry).unwrap();
    let shown = prometheus::TextEncoder::new().encode_to_string(&registry.gather());
    let shown = shown.unwrap();
    let zeros = shown.lines().filter(|line| line.ends_with("} 0"));
    assert_eq!(zeros.count(), OUTCOMES.len(), "{shown}");
}

#[tokio::test]
async fn what_may_pass_is_tried_again_and_order_is_kept() {
    // answers, what is heard of the notices a and b
    let cases: [(&[&str], &[&str]); 4] = [
        (&[], &["a", "b"]),
        (&["503", "429"], &["a", "a", "a", "b"]),
        (&["403"], &["a", "b"]),
        (&["500"; 5], &["a", "a", "a", "a", "a", "b"]),
    ];
    for (answers, expected) in cases {
        let mut receiver = Receiver::answering(answers).await;
        let webhooks = webhooks(PATIENCE);
        for event in ["a", "b"] {
            webhooks.tell(&name("hook"), receiver.hook("/"), example(event));
        }
        let heard = events(&mut receiver, expected.len()).await;
        assert_eq!(heard, expected, "{answers:?}");
    }
}

#[tokio::test]
async fn a_dead_hook_costs_others_nothing_and_its_queue_ends() {
    let dead = Receiver::answering(&["never"]).await;
    let mut lively = Receiver::answering(&[]).await;
    let webhooks = webhooks(Patience {
        call: Duration::from_secs(3600),
        ..PATIENCE
    });
    webhooks.tell(&name("dead"), dead.hook("/"), example("first"));
    // The first leaves the queue when its delivery begins.
    while webhooks
        .queues()
        .get(&name("dead"))
        .is_none_or(|queue| !queue.is_empty())
    {
        tokio::task::yield_now().await;
    }
    for _ in 0..WAITING_MAX + 3 {
        webhooks.tell(&name("dead"), dead.hook("/"), example("more"));
    }
    assert_eq!(counted(&webhooks, "dropped"), 3);
    webhooks.tell(&name("lively"), lively.hook("/"), example("b"));
    assert_eq!(events(&mut lively, 1).await, ["b"]);
}

#[tokio::test]
async fn an_empty_queue_goes_and_comes_again() {
    let mut receiver = Receiver::answering(&[]).await;
    let webhooks = webhooks(PATIENCE);
    for event in ["a", "b"] {
        webhooks.tell(&name("hook"), receiver.hook("/"), example(event));
        assert_eq!(events(&mut receiver, 1).await, [event]);
        while !webhooks.queues().is_empty() {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(counted(&webhooks, "done"), 2);
}

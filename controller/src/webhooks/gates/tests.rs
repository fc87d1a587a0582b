use super::super::fake::{PATIENCE, Receiver, webhooks};
use super::super::notice::example;
use super::*;
use std::time::Duration;

fn step(weight: &str) -> Notice {
    Notice {
        weight: weight.to_owned(),
        ..example("StepDue")
    }
}

/// Looks until the gate has answered something else than `known`.
async fn answer(gates: &mut Gates, hook: &Hook, weight: &str, known: Answer) -> Answer {
    let changed = async {
        loop {
            match gates.look(hook, &step(weight), Instant::now()) {
                answer if answer == known => tokio::task::yield_now().await,
                answer => return answer,
            }
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(30), changed).await;
    waited.unwrap()
}

#[tokio::test]
async fn a_step_waits_until_its_gate_opens() {
    let receiver = Receiver::answering(&["503", "200", "404"]).await;
    let hook = receiver.hook("/");
    let mut gates = Gates::new(webhooks(PATIENCE));
    let closed = Answer::Closed(CallFault::Status(503));
    assert_eq!(answer(&mut gates, &hook, "5%", Answer::Asked).await, closed);
    assert_eq!(answer(&mut gates, &hook, "5%", closed).await, Answer::Open);
    // What was said of one step says nothing of another.
    let next = answer(&mut gates, &hook, "10%", Answer::Asked).await;
    assert_eq!(next, Answer::Closed(CallFault::Status(404)));
}

#[tokio::test]
async fn an_answer_counts_for_a_while() {
    let mut receiver = Receiver::answering(&[]).await;
    let hook = receiver.hook("/");
    let mut gates = Gates::new(webhooks(PATIENCE));
    let open = answer(&mut gates, &hook, "5%", Answer::Asked).await;
    assert_eq!(open, Answer::Open);
    receiver.heard().await;
    let now = Instant::now();
    assert_eq!(gates.look(&hook, &step("5%"), now), Answer::Open);
    assert!(receiver.is_silent());
    let later = now + PATIENCE.open + Duration::from_secs(1);
    assert_eq!(gates.look(&hook, &step("5%"), later), Answer::Asked);
    receiver.heard().await;
}

#[tokio::test]
async fn rollouts_that_ended_are_forgotten() {
    let receiver = Receiver::answering(&[]).await;
    let mut gates = Gates::new(webhooks(PATIENCE));
    gates.look(&receiver.hook("/"), &step("5%"), Instant::now());
    gates.retain(|_| true);
    assert_eq!(gates.questions.len(), 1);
    gates.retain(|_| false);
    assert!(gates.questions.is_empty());
}

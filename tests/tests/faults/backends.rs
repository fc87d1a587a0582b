//! Backends that die, refuse, close as they are asked, or speak something else.

use crate::stand::Stand;
use haldane_tests::ledger::{Ledger, Outcome, Play, Target, Then, answer_to, sound};
use haldane_tests::recorder::Request;
use haldane_tests::scale::{chance, scaled};
use rand::RngExt as _;
use std::sync::Arc;

/// Connections of the clients that the stand has unless told otherwise.
const CONNECTIONS: usize = 10;

/// How often a backend is killed, however long a run is: a second try is for one request in five, and faults that come faster
/// than requests are no longer rare.
const KILLS_MAX: u64 = 50;

#[tokio::test(flavor = "multi_thread")]
async fn f01_a_backend_that_is_killed_costs_no_get() -> anyhow::Result<()> {
    let (ledger, mut chance) = (Ledger::default(), chance());
    let mut targets = ["a", "b", "c"]
        .map(|name| Target::start(&ledger, name))
        .into_iter()
        .collect::<anyhow::Result<Vec<_>>>()?;
    let stand = Stand::before(&ledger, &targets.iter().collect::<Vec<_>>()).await?;
    let running = stand.clients().start();
    let kills = scaled(3).min(KILLS_MAX);
    // In all as many requests as the scale says, however often a backend is killed among them.
    let between = scaled(1_000) / kills;
    for _ in 0..kills {
        running
            .progress(chance.random_range(between / 3..between))
            .await?;
        let victim = chance.random_range(0..targets.len());
        targets[victim].kill().await;
        running.progress(chance.random_range(20..between)).await?;
        targets[victim].revive()?;
    }
    running.progress(100).await?;
    running.stop().await?;
    let audit = stand.audit().await?;
    audit.assert_sound();
    audit.assert_no_get_failed();
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn f02_a_backend_that_refuses_costs_nothing_whatever_the_method() -> anyhow::Result<()> {
    let ledger = Ledger::default();
    let good = Target::start(&ledger, "good")?;
    let refusing = [1, 2].map(|_| Target::dead(&ledger, "dead", sound("dead")));
    let [one, two] = refusing;
    let stand = Stand::before(&ledger, &[&one?, &good, &two?]).await?;
    stand.clients().ask(scaled(500)).await?;
    let audit = stand.audit().await?;
    audit.assert_sound();
    audit.assert_none_failed();
    assert!((2..=3).contains(&audit.attempts_max()), "{audit:?}");
    let metrics = stand.serve.metrics().await?;
    assert!(metrics.sum("haldane_ejections_total", &[]) >= 2.0);
    Ok(())
}

/// Closes after most answers without having said so.
pub(crate) fn fickle(id: u64, request: &Request) -> Play {
    Play {
        bytes: answer_to(id, request, "fickle"),
        then: match id % 4 {
            0 => Then::Listen,
            _ => Then::Close,
        },
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f03_a_connection_closed_as_it_is_used_costs_no_get() -> anyhow::Result<()> {
    let ledger = Ledger::default();
    let target = Target::with(&ledger, "fickle", Arc::new(fickle))?;
    let stand = Stand::before(&ledger, &[&target]).await?;
    stand.clients().ask(scaled(1_500)).await?;
    let audit = stand.audit().await?;
    audit.assert_sound();
    audit.assert_none("a GET failed", |entry| entry.is_get() && !entry.is_good());
    let metrics = stand.serve.metrics().await?;
    let ejected = metrics.sum("haldane_ejections_total", &[]);
    assert_eq!(
        ejected, 0.0,
        "a connection's end is no fault of its backend"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn f06_without_backends_the_answer_comes_at_once_and_says_when_to_ask_again()
-> anyhow::Result<()> {
    let ledger = Ledger::default();
    let target = Target::start(&ledger, "good")?;
    let stand = Stand::before(&ledger, &[&target]).await?;
    for _ in 0..scaled(3) {
        stand.clients().ask(50).await?;
        stand.route(&[]).await?;
        let begun = ledger.begun();
        stand.clients().ask(50).await?;
        let refused = ledger.outcomes();
        let refused = refused.iter().filter(|asked| asked.id >= begun);
        for asked in refused {
            let Outcome::Whole {
                status: 503,
                ask_again: true,
                ..
            } = asked.outcome
            else {
                panic!("{asked:?}");
            };
        }
        stand.route(&[&target]).await?;
        stand.clients().ask(50).await?;
    }
    let audit = stand.audit().await?;
    audit.assert_sound();
    let refused = scaled(3) as usize * 50;
    assert_eq!(audit.good(), 2 * refused);
    Ok(())
}

/// What a backend may say instead of an answer, and what follows.
pub(crate) const GARBAGE: [(&str, &[u8], Then); 12] = [
    ("nothing at all", b"", Then::Close),
    ("a reset", b"", Then::Reset),
    ("SMTP", b"220 mail.example.com ESMTP\r\n", Then::Listen),
    ("TLS", b"\x15\x03\x03\x00\x02\x02\x16", Then::Close),
    ("HTTP/2", b"\0\0\0\x04\0\0\0\0\0", Then::Listen),
    ("zeros", &[0; 4_096], Then::Listen),
    ("a cut head", b"HTTP/1.1 200 OK\r\nContent-Le", Then::Close),
    (
        "a head reset",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        Then::Reset,
    ),
    (
        "two lengths",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        Then::Listen,
    ),
    (
        "a switch nobody asked for",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        Then::Listen,
    ),
    (
        "a length and a coding",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        Then::Listen,
    ),
    ("HTTP/0.9", b"<html>hello</html>\r\n", Then::Close),
];

#[tokio::test(flavor = "multi_thread")]
async fn f17_garbage_is_a_502_and_spoils_nobody_else() -> anyhow::Result<()> {
    for (what, bytes, then) in GARBAGE {
        let ledger = Ledger::default();
        let good = Target::start(&ledger, "good")?;
        let play = Play {
            bytes: bytes.to_vec(),
            then,
        };
        let bad = Target::with(&ledger, "bad", Arc::new(move |_, _| play.clone()))?;
        let stand = Stand::before(&ledger, &[&good, &bad]).await?;
        stand.clients().ask(scaled(100)).await?;
        let audit = stand.audit().await?;
        audit.assert_none(what, |entry| {
            !entry.is_good() && entry.status() != Some(502)
        });
        let failed = audit.entries().count() - audit.good();
        let metrics = stand.serve.metrics().await?;
        let ejected = metrics.sum("haldane_ejections_total", &[]);
        // Three failures eject; whatever is under way then may fail too, each time that it is tried again.
        let most = (ejected as usize) * CONNECTIONS + 3;
        assert!(ejected >= 1.0 && failed <= most, "{what}: {failed} failed");
    }
    Ok(())
}

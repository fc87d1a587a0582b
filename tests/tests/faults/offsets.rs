//! Answers and requests that break off at every byte.

use crate::stand::{Stand, pods};
use haldane_tests::ledger::{Ledger, Outcome, Play, Script, Target, Then, answer_to, name_of};
use haldane_tests::manifests::{SHOP, ingress, pod, service, shop};
use haldane_tests::recorder::Request;
use haldane_tests::scale::{Sample, scaled};
use std::sync::Arc;

/// Where an answer breaks off, and how.
#[derive(Clone, Debug)]
struct Cut {
    /// What comes of it.
    bytes: Vec<u8>,
    /// Whether that is its whole head.
    has_head: bool,
    then: Then,
}

/// Every cut of two answers, one in chunks and one with its length announced.
fn cuts(then: &[Then]) -> Vec<Cut> {
    let of = |id: u64| {
        let whole = answer_to(id, &get(), "cut");
        let ends = |window: &[u8]| window == b"\r\n\r\n";
        let head = whole.windows(4).position(ends).map_or(0, |at| at + 4);
        let cut = move |(at, then): (usize, Then)| Cut {
            bytes: whole[..at].to_vec(),
            has_head: at >= head,
            then,
        };
        let places = (0..answer_to(id, &get(), "cut").len())
            .flat_map(|at| then.iter().map(move |then| (at, *then)));
        places.map(cut).collect::<Vec<_>>()
    };
    [6, 4].into_iter().flat_map(of).collect()
}

fn get() -> Request {
    Request {
        method: "GET".to_owned(),
        target: "/".to_owned(),
        fields: Vec::new(),
        body: Vec::new(),
        trailers: Vec::new(),
    }
}

/// The n-th request gets the n-th cut.
fn cutting(cuts: &[Cut]) -> Script {
    let cuts = cuts.to_vec();
    Arc::new(move |id, _| {
        let cut = &cuts[id as usize % cuts.len()];
        Play {
            bytes: cut.bytes.clone(),
            then: cut.then,
        }
    })
}

/// What must be seen of an answer that is cut so: our own status, or an end that nobody takes for a good one. Of a head
/// whose body breaks off at once a client may see nothing at all.
fn is_visible(cut: &Cut, outcome: &Outcome, own: u16) -> bool {
    match outcome {
        Outcome::Whole { status, .. } => !cut.has_head && *status == own,
        Outcome::Cut { status } => cut.has_head && *status == 200,
        Outcome::Lost(_) => cut.has_head && cut.then != Then::Stall,
        Outcome::Wrong { .. } | Outcome::Unreached(_) => false,
    }
}

async fn check(cuts: Vec<Cut>, post_every: u64, own: u16) -> anyhow::Result<()> {
    let ledger = Ledger::default();
    let target = Target::with(&ledger, "cut", cutting(&cuts))?;
    let timeout = [("haldane.dev/proxy-read-timeout", "1")];
    let objects = [
        service("web", &[]),
        ingress("web", &timeout, SHOP, "web"),
        pod("web", "1.0", target.address),
    ];
    let stand = Stand::of(&ledger, &objects, &[]).await?;
    let clients = stand.clients().connections(20, 0).post_every(post_every);
    clients.ask(cuts.len() as u64).await?;
    let audit = stand.audit().await?;
    audit.assert_sound();
    audit.assert_none("an end that is not visible", |entry| {
        let asked = &entry.asked[0];
        !is_visible(&cuts[asked.id as usize], &asked.outcome, own)
    });
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn f16_an_answer_that_breaks_off_anywhere_is_seen_to() -> anyhow::Result<()> {
    let all = cuts(&[Then::Close, Then::Reset]);
    check(all.clone(), 0, 502).await?;
    check(all, 1, 502).await
}

#[tokio::test(flavor = "multi_thread")]
async fn f16_an_answer_that_stops_anywhere_is_given_up() -> anyhow::Result<()> {
    let some = Sample::new().of(cuts(&[Then::Stall]), scaled(40) as usize);
    check(some, 2, 504).await
}

#[tokio::test(flavor = "multi_thread")]
async fn f16_a_request_that_breaks_off_anywhere_is_not_acted_on() -> anyhow::Result<()> {
    let ledger = Ledger::default();
    let target = Target::start(&ledger, "good")?;
    let stand = Stand::of(&ledger, &shop(&[], &pods(&[&target])), &[]).await?;
    // As the ledger knows them: the number decides on the body.
    let bodies = [
        "Content-Length: 17\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n11\r\n",
    ];
    for (body, id) in bodies.into_iter().zip([1_000_002, 1_000_013]) {
        let name = name_of(id);
        let head = format!("POST / HTTP/1.1\r\nHost: {SHOP}\r\nX-Request-Id: {name}\r\n{body}");
        let whole = [head.as_bytes(), &[b'.'; 16]].concat();
        stand.break_off(&whole).await?;
    }
    // Others are served as ever, over the same connections to the backend.
    stand.clients().ask(200).await?;
    assert!(ledger.executions().iter().all(|line| line.id < 1_000_000));
    let audit = stand.audit().await?;
    audit.assert_none("a request failed", |entry| {
        !entry.asked.is_empty() && !entry.is_good()
    });
    Ok(())
}

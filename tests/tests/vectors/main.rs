//! Bytes that parsers have disagreed about, sent through `haldane serve` to a backend that records every byte.
//!
//! What two readers could understand differently is refused before the backend sees a byte of it; what is forwarded is
//! written anew in the one canonical form. Each row is sent in one write and byte by byte, some cut in two at every place.

mod answers;
mod exchanges;
mod generated;
mod rows;
mod upgrades;

use anyhow::Context as _;
use haldane_tests::client::Client;
use haldane_tests::manifests::{Manifests, ingress, pod, service};
use haldane_tests::raw::{Pace, Raw};
use haldane_tests::recorder::{Recorded, Recorder, Request};
use haldane_tests::serve::Serve;
use rows::{GAPS, ROWS, SPLIT};

/// What has to become of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Refused with 4xx or 5xx and a close; the backend sees no byte.
    Refuse,
    /// Perhaps begun, never finished: the backend sees no whole request, the client a fault or a close.
    Abort,
    /// Forwarded once in canonical form, with this request line and body.
    Forward(&'static str, &'static str),
    /// The same, and what follows is no request any more.
    ForwardThenClose(&'static str, &'static str),
    /// Answered by the proxy itself with this status; the backend sees no byte.
    Own(u16),
}

/// A message and what has to become of it.
pub(crate) struct Row {
    pub(crate) id: &'static str,
    pub(crate) bytes: &'static [u8],
    pub(crate) verdict: Verdict,
}

/// A proxy with one worker, so that a probe uses the connection that a row has used.
struct Bench {
    recorder: Recorder,
    serve: Serve,
    _manifests: Manifests,
}

impl Bench {
    async fn set() -> anyhow::Result<Self> {
        let recorder = Recorder::start().await?;
        let manifests = Manifests::of(&[
            service("web", &[]),
            ingress("a", &[], "a", "web"),
            ingress("b", &[], "a.example", "web"),
            pod("web", "1.0", recorder.address()),
        ])?;
        let serve = Serve::start_with(manifests.path(), &["--workers", "1"]).await?;
        Ok(Self {
            recorder,
            serve,
            _manifests: manifests,
        })
    }

    /// Sends a row, says that nothing follows, and reads all that comes back.
    async fn exchange(&self, bytes: &[u8], pace: Pace) -> anyhow::Result<String> {
        let mut client = Raw::to(self.serve.http).await?;
        client.write(bytes, pace).await;
        client.finish().await;
        client.read_to_end().await
    }

    /// Another client's request must get its own answer, also over a connection that is left from the row.
    async fn probe(&self) -> anyhow::Result<Recorded> {
        let answer = Client::h1(self.serve.http)
            .await?
            .get("a", "/probe")
            .await?;
        anyhow::ensure!(
            answer.text() == "GET /probe",
            "the probe got {:?}",
            answer.text()
        );
        let mut recorded = self.recorder.take();
        let last = recorded.requests.pop();
        anyhow::ensure!(
            last.is_some_and(|last| last.line() == "GET /probe"),
            "the probe is not the last"
        );
        Ok(recorded)
    }

    /// What is wrong with the way a message was treated.
    async fn fault(
        &self,
        bytes: &[u8],
        verdict: Verdict,
        pace: Pace,
    ) -> anyhow::Result<Option<String>> {
        let answer = self.exchange(bytes, pace).await?;
        let recorded = match self.probe().await {
            Ok(recorded) => recorded,
            Err(error) => return Ok(Some(format!("{error:#}"))),
        };
        let held = recorded.faults.is_empty() && holds(verdict, &answer, &recorded);
        Ok((!held).then(|| format!("{pace:?}: answered {answer:?}, forwarded {recorded:?}")))
    }
}

fn holds(verdict: Verdict, answer: &str, recorded: &Recorded) -> bool {
    let probe_only = recorded.bytes.starts_with(b"GET /probe ");
    match verdict {
        Verdict::Refuse => is_refused(answer) && probe_only,
        Verdict::Abort => recorded.requests.is_empty() && !answer.contains(" 200 "),
        Verdict::ForwardThenClose(line, body) => {
            answer.contains("\r\nconnection: close\r\n")
                && holds(Verdict::Forward(line, body), answer, recorded)
        }
        Verdict::Forward(line, body) => {
            let same =
                |request: &Request| request.line() == line && request.body == body.as_bytes();
            matches!(&recorded.requests[..], [request] if same(request))
                && answer.starts_with("HTTP/1.")
                && answer.ends_with(line)
        }
        Verdict::Own(status) => {
            probe_only
                && answer.contains(&format!("HTTP/1.1 {status} "))
                && answer.matches("HTTP/1.1 ").count() == 1
        }
    }
}

/// One answer, and it is a refusal.
fn is_refused(answer: &str) -> bool {
    let status = answer
        .strip_prefix("HTTP/1.1 ")
        .and_then(|rest| rest.get(..3)?.parse::<u16>().ok());
    status.is_some_and(|status| (400..600).contains(&status))
        && answer.matches("HTTP/1.1 ").count() == 1
}

/// `{P}`, `{G}`, `{K}` and `{Z}` stand for the usual beginnings and the usual end.
pub(crate) fn expand(bytes: &[u8]) -> Vec<u8> {
    let parts: [(&[u8], &[u8]); 4] = [
        (b"{K}", b"{P}Transfer-Encoding: chunked\r\n\r\n"),
        (b"{P}", b"POST / HTTP/1.1\r\nHost: a\r\n"),
        (b"{G}", b"GET / HTTP/1.1\r\nHost: a\r\n"),
        (b"{Z}", b"0\r\n\r\n"),
    ];
    let mut expanded = bytes.to_vec();
    for (part, meaning) in parts {
        while let Some(at) = expanded
            .windows(part.len())
            .position(|window| window == part)
        {
            expanded.splice(at..at + part.len(), meaning.iter().copied());
        }
    }
    expanded
}

async fn check_rows(pace: Pace) -> anyhow::Result<()> {
    let bench = Bench::set().await?;
    let mut faults = Vec::new();
    for row in ROWS {
        let fault = bench.fault(&expand(row.bytes), row.verdict, pace).await?;
        let gap = GAPS.iter().find(|(id, _)| *id == row.id);
        match (fault, gap) {
            (None, None) | (Some(_), Some(_)) => {}
            (Some(fault), None) => faults.push(format!("{}: {fault}", row.id)),
            (None, Some(_)) => {
                faults.push(format!("{} holds now: take it out of the gaps", row.id));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_row_holds_in_one_write() -> anyhow::Result<()> {
    check_rows(Pace::Whole).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_row_holds_byte_by_byte() -> anyhow::Result<()> {
    check_rows(Pace::ByteByByte).await
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_hold_wherever_they_are_cut_in_two() -> anyhow::Result<()> {
    let bench = Bench::set().await?;
    let mut faults = Vec::new();
    for id in SPLIT {
        let row = ROWS.iter().find(|row| row.id == *id);
        let row = row.with_context(|| format!("no row {id:?}"))?;
        let bytes = expand(row.bytes);
        for at in 1..bytes.len() {
            let fault = bench.fault(&bytes, row.verdict, Pace::CutAt(at)).await?;
            faults.extend(fault.map(|fault| format!("{id}: {fault}")));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    Ok(())
}

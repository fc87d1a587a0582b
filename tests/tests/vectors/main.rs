//! Bytes that parsers have disagreed about, sent through `haldane serve` to a backend that records every byte.
//!
//! What two readers could understand differently is refused before the backend sees a byte of it; what is forwarded is
//! written anew in the one canonical form. Each row is sent in one write, byte by byte, and cut in two: at a few places
//! that a seed chooses, at every place where `HALDANE_TEST_SCALE` is more than 1.

mod amplification;
mod answers;
mod differential;
mod exchanges;
mod generated;
mod http2;
mod played;
mod rows;
mod scripted;
mod slow_answers;
mod tunnels;
mod upgrades;
mod upstream_http2;

use anyhow::Context as _;
use haldane_tests::client::Client;
use haldane_tests::manifests::{Manifests, ingress, pod, service};
use haldane_tests::raw::{Pace, Raw};
use haldane_tests::recorder::{Recorded, Recorder, Request};
use haldane_tests::scale::{Sample, scaled};
use haldane_tests::serve::Serve;
use haldane_tests::within;
use rows::ROWS;
use serde_json::Value;
use std::net::SocketAddr;

/// Places at which a row is cut in two, where not all of them are asked for.
const CUTS: usize = 6;

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
    /// The same, and what follows is refused as a request of its own.
    ForwardThenRefuse(&'static str, &'static str),
    /// Two requests, both forwarded in canonical form, with these request lines.
    Both(&'static str, &'static str),
    /// Forwarded once, with this request line and without these fields.
    Strip(&'static str, &'static [&'static str]),
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
        let manifests = Manifests::of(&routes(recorder.address()))?;
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

    /// Sends what is to be refused, and waits for the proxy to close.
    async fn refused(&self, bytes: &[u8], pace: Pace) -> anyhow::Result<String> {
        let mut client = Raw::to(self.serve.http).await?;
        client.write(bytes, pace).await;
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

    /// Nothing is left when all is over: no panic, no connection but the one that asks.
    async fn leaves_nothing(&self) -> anyhow::Result<()> {
        let errors = self.serve.errors();
        let panic = errors.iter().find(|line| line.contains("panicked"));
        anyhow::ensure!(panic.is_none(), "{panic:?}");
        let gone = async {
            loop {
                let metrics = self.serve.metrics().await?;
                let open = metrics.sum("haldane_connections", &[("listener", "http")]);
                let busy = metrics.sum("haldane_upstream_connections", &[("state", "busy")]);
                if open == 0.0 && busy == 0.0 {
                    return anyhow::Ok(());
                }
            }
        };
        within("every connection to be closed", gone).await?
    }

    /// What is wrong with the way a message was treated.
    async fn fault(
        &self,
        bytes: &[u8],
        verdict: Verdict,
        pace: Pace,
    ) -> anyhow::Result<Option<String>> {
        let answer = match verdict {
            Verdict::Refuse => self.refused(bytes, pace).await?,
            _ => self.exchange(bytes, pace).await?,
        };
        let recorded = match self.probe().await {
            Ok(recorded) => recorded,
            Err(error) => return Ok(Some(format!("{error:#}"))),
        };
        let held = recorded.faults.is_empty() && holds(verdict, &answer, &recorded);
        Ok((!held).then(|| format!("{pace:?}: answered {answer:?}, forwarded {recorded:?}")))
    }
}

/// What is served: hosts whose requests reach `backend`, and hosts that the proxy answers for itself.
fn routes(backend: SocketAddr) -> Vec<Value> {
    vec![
        service("web", &[]),
        ingress("a", &[], "a", "web"),
        ingress("b", &[], "a.example", "web"),
        ingress(
            "moved",
            &[("haldane.dev/permanent-redirect", "https://b/")],
            "moved",
            "web",
        ),
        ingress(
            "closed",
            &[("haldane.dev/allowlist-source-range", "192.0.2.0/24")],
            "closed",
            "web",
        ),
        ingress(
            "small",
            &[("haldane.dev/proxy-body-size", "8")],
            "small",
            "web",
        ),
        ingress(
            "limited",
            &[
                ("haldane.dev/limit-rpm", "1"),
                ("haldane.dev/limit-burst-multiplier", "1"),
            ],
            "limited",
            "web",
        ),
        service("empty", &[]),
        ingress("empty", &[], "empty", "empty"),
        pod("web", "1.0", backend),
    ]
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
        Verdict::ForwardThenRefuse(line, body) => {
            let refused = answer.find("HTTP/1.1 4").map(|at| answer.split_at(at));
            refused.is_some_and(|(first, _)| holds(Verdict::Forward(line, body), first, recorded))
        }
        Verdict::Both(first, second) => {
            let lines: Vec<String> = recorded.requests.iter().map(Request::line).collect();
            lines == [first, second] && answer.matches("HTTP/1.1 200 ").count() == 2
        }
        Verdict::Strip(line, names) => {
            let lacks = |name: &&str| {
                let request = recorded.requests.first();
                request.is_some_and(|request| request.all(name).is_empty())
            };
            recorded.requests.len() == 1
                && recorded.requests[0].line() == line
                && names.iter().all(lacks)
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

async fn check_rows(paces: impl Fn(&Row) -> Vec<Pace>) -> anyhow::Result<()> {
    let bench = Bench::set().await?;
    let mut faults = Vec::new();
    for row in ROWS {
        for pace in paces(row) {
            let fault = bench.fault(&expand(row.bytes), row.verdict, pace).await;
            let fault = fault.with_context(|| row.id)?;
            faults.extend(fault.map(|fault| format!("{}: {fault}", row.id)));
        }
    }
    let count = faults.len();
    assert!(faults.is_empty(), "{count} faults:\n{}", faults.join("\n"));
    bench.leaves_nothing().await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_row_holds_in_one_write() -> anyhow::Result<()> {
    check_rows(|_| vec![Pace::Whole]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_row_holds_byte_by_byte() -> anyhow::Result<()> {
    check_rows(|_| vec![Pace::ByteByByte]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_hold_wherever_they_are_cut_in_two() -> anyhow::Result<()> {
    let sample = Sample::new();
    let whole = scaled(1) > 1;
    check_rows(|row| {
        let places: Vec<usize> = (1..expand(row.bytes).len()).collect();
        let chosen = if whole {
            places
        } else {
            sample.of(places, CUTS)
        };
        chosen.into_iter().map(Pace::CutAt).collect()
    })
    .await
}

#[test]
fn every_row_has_a_name_of_its_own() {
    let names: std::collections::HashSet<_> = ROWS.iter().map(|row| row.id).collect();
    assert_eq!(names.len(), ROWS.len());
}

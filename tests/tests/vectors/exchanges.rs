//! Exchanges of more than one message: continue, pipelines, half closes, the state of a connection.

use super::{Bench, Verdict};
use haldane_tests::raw::{Pace, Raw};

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_waits_is_told_to_continue_once() -> anyhow::Result<()> {
    let bench = Bench::set().await?;
    let mut client = Raw::to(bench.serve.http).await?;
    let head = b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\nConnection: close\r\n\r\n";
    client.write(head, Pace::Whole).await;
    client
        .read_until(|read| read.contains("100 Continue\r\n\r\n"))
        .await?;
    client.write(b"hello", Pace::Whole).await;
    let answer = client.read_to_end().await?;
    assert_eq!(answer.matches("100 Continue").count(), 1, "{answer}");
    assert!(answer.ends_with("POST /"), "{answer}");
    let recorded = bench.probe().await?;
    assert_eq!(recorded.requests[0].body, b"hello");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipeline_is_answered_in_order() -> anyhow::Result<()> {
    let bench = Bench::set().await?;
    let request = |number: usize| format!("GET /{number} HTTP/1.1\r\nHost: a\r\n\r\n");
    let pipeline: String = (0..100).map(request).collect();
    let answer = bench.exchange(pipeline.as_bytes(), Pace::Whole).await?;
    let lines: Vec<String> = (0..100).map(|number| format!("GET /{number}")).collect();
    let answered: Vec<&str> = answer
        .split("\r\n\r\n")
        .skip(1)
        .map(|body| body.split("HTTP/1.1").next().unwrap_or_default())
        .collect();
    assert_eq!(answered, lines);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn each_request_of_a_connection_is_routed_by_itself() -> anyhow::Result<()> {
    let bench = Bench::set().await?;
    let both = b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: internal\r\n\r\n";
    let answer = bench.exchange(both, Pace::Whole).await?;
    assert!(answer.contains("GET /1HTTP/1.1 404 "), "{answer}");
    assert_eq!(bench.probe().await?.requests.len(), 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn trailers_do_not_smuggle_fields_of_a_head() -> anyhow::Result<()> {
    let bench = Bench::set().await?;
    let message = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTE: trailers\r\nConnection: TE\r\n\r\n5\r\nhello\r\n0\r\n\
        Content-Length: 9\r\nHost: b\r\nAuthorization: x\r\nX-Forwarded-For: 1.1.1.1\r\nX_Forwarded_For: 1.1.1.1\r\n\r\n";
    let answer = bench.exchange(message.as_bytes(), Pace::Whole).await?;
    let recorded = bench.probe().await?;
    assert!(
        answer.starts_with("HTTP/1.1 200 ") && recorded.faults.is_empty(),
        "{answer} {recorded:?}"
    );
    assert_eq!(recorded.requests[0].body, b"hello");
    assert_eq!(recorded.requests[0].trailers, []);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_behind_too_many_requests_is_no_request() -> anyhow::Result<()> {
    let bench = Bench::set().await?;
    let get = b"GET / HTTP/1.1\r\nHost: limited\r\n\r\n";
    // The rate, and its burst.
    for _ in 0..2 {
        let answer = bench.exchange(get, Pace::Whole).await?;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        bench.probe().await?;
    }
    let more = b"POST /x HTTP/1.1\r\nHost: limited\r\nContent-Length: 36\r\n\r\nGET /smug HTTP/1.1\r\nHost: a\r\n\r\n12345";
    let fault = bench.fault(more, Verdict::Own(503), Pace::Whole).await?;
    assert_eq!(fault, None);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_have_bounds() -> anyhow::Result<()> {
    let bench = Bench::set().await?;
    let with = |fields: String| format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
    let many: String = (0..101)
        .map(|number| format!("x-{number}: y\r\n"))
        .collect();
    // the request, the status
    let cases = [
        (
            format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(70 << 10)),
            414,
        ),
        (
            format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(9 << 10)),
            414,
        ),
        (with(format!("x: {}\r\n", "y".repeat(33 << 10))), 431),
        (with(many), 431),
    ];
    for (request, status) in cases {
        let answer = bench.exchange(request.as_bytes(), Pace::Whole).await?;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{status}: {answer}"
        );
        assert!(bench.probe().await?.requests.is_empty());
    }
    Ok(())
}

//! The one request and the one answer of the benchmark: written by the backend, checked by the load
//! generator. Small on purpose: what a proxy costs shows best when there is little to copy.

use anyhow::{Context as _, bail, ensure};

/// What every client asks; the host and path are those that every peer is told to route.
pub(crate) const REQUEST: &[u8] = b"GET /shop/items/17 HTTP/1.1\r\n\
    Host: shop.example.com\r\n\
    User-Agent: haldane-bench\r\n\
    Accept: */*\r\n\r\n";

/// Length of the body in bytes.
const BODY_BYTES: usize = 100;

/// Header fields that an answer may have; a peer adds a handful to the backend's four.
const HEADERS_MAX: usize = 32;

/// The body that a version answers with: its name, then filling.
pub(crate) fn body_of(version: &str) -> String {
    format!("{version:.<BODY_BYTES$}")
}

/// The whole answer of a version. `Date` and `Server` stand there because real backends send them
/// and proxies treat them specially; the date is constant, to keep the backend cheap.
pub(crate) fn answer_of(version: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 200 OK\r\nServer: haldane-bench\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\n\
         Content-Type: text/plain\r\nContent-Length: {BODY_BYTES}\r\n\r\n{}",
        body_of(version)
    )
    .into_bytes()
}

/// The body in `bytes` once the answer is whole; none while more must be read.
///
/// # Errors
/// If the answer is not a 200 with a `Content-Length`, or if bytes follow it.
pub(crate) fn body_in(bytes: &[u8]) -> anyhow::Result<Option<&[u8]>> {
    let mut fields = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut head = httparse::Response::new(&mut fields);
    let httparse::Status::Complete(head_bytes) = head.parse(bytes)? else {
        return Ok(None);
    };
    let status = head.code.context("an answer without a status")?;
    ensure!(status == 200, "status {status}");
    let body = &bytes[head_bytes..];
    let expected = content_length(head.headers)?;
    if body.len() > expected {
        bail!("{} bytes after the body", body.len() - expected);
    }
    Ok((body.len() == expected).then_some(body))
}

fn content_length(fields: &[httparse::Header<'_>]) -> anyhow::Result<usize> {
    let field = fields
        .iter()
        .find(|field| field.name.eq_ignore_ascii_case("content-length"))
        .context("an answer without Content-Length")?;
    Ok(std::str::from_utf8(field.value)?.parse()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(bytes: &[u8], expected: Result<Option<&str>, &str>) {
        let seen = body_in(bytes).map_err(|error| error.to_string());
        let expected = expected.map(|body| body.map(str::as_bytes));
        assert_eq!(seen, expected.map_err(str::to_owned));
    }

    #[test]
    fn only_a_whole_and_right_answer_has_a_body() {
        let body = body_of("stable");
        let whole = answer_of("stable");
        check(&whole, Ok(Some(&body)));
        check(&whole[..whole.len() - 1], Ok(None));
        check(&whole[..20], Ok(None));
        check(&[&whole[..], b"x"].concat(), Err("1 bytes after the body"));
        check(b"HTTP/1.1 503 Busy\r\n\r\n", Err("status 503"));
        check(
            b"HTTP/1.1 200 OK\r\n\r\n",
            Err("an answer without Content-Length"),
        );
    }

    #[test]
    fn bodies_have_one_length_and_tell_versions_apart() {
        assert_eq!(body_of("stable").len(), BODY_BYTES);
        assert_eq!(body_of("canary").len(), BODY_BYTES);
        assert_ne!(body_of("stable"), body_of("canary"));
    }
}

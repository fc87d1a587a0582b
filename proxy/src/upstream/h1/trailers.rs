//! Trailer sections of chunked answers: parsing one, and leaving out what may not travel in it.

use http::header::{HeaderMap, HeaderName, HeaderValue};

use super::error::ChunkFault;
use super::limits::FIELDS_MAX;
use crate::head::sanitise_trailers;

/// Parses a trailer section, final empty line included, and keeps the fields that may pass.
pub(super) fn parse(section: &[u8]) -> Result<HeaderMap, ChunkFault> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let parsed = httparse::parse_headers(section, &mut fields);
    let fields = match parsed {
        Ok(httparse::Status::Complete((read, fields))) if read == section.len() => fields,
        Err(httparse::Error::TooManyHeaders) => return Err(ChunkFault::TrailersTooLarge),
        _ => return Err(ChunkFault::Trailers),
    };
    let mut kept = HeaderMap::new();
    for field in fields {
        let (name, value) = field_of(field).ok_or(ChunkFault::Trailers)?;
        kept.append(name, value);
    }
    sanitise_trailers(&mut kept);
    Ok(kept)
}

fn field_of(field: &httparse::Header<'_>) -> Option<(HeaderName, HeaderValue)> {
    let name = HeaderName::from_bytes(field.name.as_bytes()).ok()?;
    let value = HeaderValue::from_bytes(field.value).ok()?;
    Some((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(section: &str, expected: Result<&[(&str, &str)], ChunkFault>) {
        let parsed = parse(section.as_bytes());
        let seen = parsed.as_ref().map(|fields| {
            let text = |(name, value): (&HeaderName, &HeaderValue)| {
                (name.to_string(), value.to_str().unwrap().to_owned())
            };
            fields.iter().map(text).collect::<Vec<_>>()
        });
        let owned = |field: &(&str, &str)| (field.0.to_owned(), field.1.to_owned());
        let expected = expected.map(|fields| fields.iter().map(owned).collect::<Vec<_>>());
        assert_eq!(seen.map_err(|fault| *fault), expected, "{section:?}");
    }

    #[test]
    fn fields_of_the_head_are_dropped() {
        check("\r\n", Ok(&[]));
        check(
            "Grpc-Status: 0\r\nX-A: b \r\n\r\n",
            Ok(&[("grpc-status", "0"), ("x-a", "b")]),
        );
        check(
            "Content-Length: 9\r\nHost: b\r\nAuthorization: x\r\n\r\n",
            Ok(&[]),
        );
        check(
            "X-Forwarded-For: 1\r\nX_Forwarded_For: 1\r\nX-Real_IP: 1\r\nForwarded: a\r\n\r\n",
            Ok(&[]),
        );
        check(
            "Transfer-Encoding: chunked\r\nKeep-Alive: 1\r\nSet-Cookie: a\r\nX: y\r\n\r\n",
            Ok(&[("x", "y")]),
        );
    }

    #[test]
    fn malformed_sections_are_refused() {
        check("X : y\r\n\r\n", Err(ChunkFault::Trailers));
        check(" X: y\r\n\r\n", Err(ChunkFault::Trailers));
        check("X: y\r\n z\r\n\r\n", Err(ChunkFault::Trailers));
        check("X\r\n\r\n", Err(ChunkFault::Trailers));
        check("X: a\rb\r\n\r\n", Err(ChunkFault::Trailers));
        check(":status: 200\r\n\r\n", Err(ChunkFault::Trailers));
        check(
            &("a: b\r\n".repeat(FIELDS_MAX + 1) + "\r\n"),
            Err(ChunkFault::TrailersTooLarge),
        );
    }
}

//! Where the body of an answer ends (RFC 9112 section 6.3), from the fields that say so.

use http::{StatusCode, Version};

use super::error::BadResponse;

/// How the end of a response body is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ResponseFraming {
    /// There is no body.
    Empty,
    /// It has this many bytes.
    Length(u64),
    /// It is chunked.
    Chunked,
    /// It goes on until the backend closes.
    Close,
}

/// The framing fields met so far in one head.
#[derive(Debug, Default)]
pub(super) struct FramingFields {
    length: Option<u64>,
    chunked: bool,
}

impl FramingFields {
    /// Takes one `content-length` line. There may be one, with one number: RFC 9110 section 8.6 lets a recipient refuse
    /// the same number said twice, which no sound backend does.
    pub(super) fn content_length(&mut self, value: &[u8]) -> Result<(), BadResponse> {
        let length = parse_decimal(value).filter(|_| self.length.is_none());
        self.length = Some(length.ok_or(BadResponse::ContentLength)?);
        Ok(())
    }

    /// Takes one `transfer-encoding` line. There may be one, with the one coding that every
    /// recipient reads the same way.
    pub(super) fn transfer_encoding(&mut self, value: &[u8]) -> Result<(), BadResponse> {
        if self.chunked || !value.eq_ignore_ascii_case(b"chunked") {
            return Err(BadResponse::TransferEncoding);
        }
        self.chunked = true;
        Ok(())
    }

    /// The announced length, if any.
    pub(super) fn length(&self) -> Option<u64> {
        self.length
    }

    /// What all of them together say, before status and method are looked at.
    pub(super) fn framing(&self, version: Version) -> Result<ResponseFraming, BadResponse> {
        match (self.chunked, self.length) {
            (true, Some(_)) => Err(BadResponse::TwoFramings),
            (true, None) if version == Version::HTTP_10 => Err(BadResponse::TransferEncoding),
            (true, None) => Ok(ResponseFraming::Chunked),
            (false, Some(length)) => Ok(ResponseFraming::Length(length)),
            (false, None) => Ok(ResponseFraming::Close),
        }
    }
}

/// Whether a status never has a body, whatever its fields say.
pub(super) fn is_bodiless(status: StatusCode) -> bool {
    status.is_informational()
        || matches!(
            status,
            StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED
        )
}

/// Whether the backend may have sent a body that has to be left unread, with the connection.
pub(super) fn leaves_a_body(status: StatusCode, framing: ResponseFraming) -> bool {
    match status {
        StatusCode::NO_CONTENT => {
            !matches!(framing, ResponseFraming::Length(0) | ResponseFraming::Close)
        }
        StatusCode::RESET_CONTENT => framing != ResponseFraming::Length(0),
        _ => false,
    }
}

fn parse_decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0_u64, |number, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(lengths: &[&str], codings: &[&str], expected: Result<ResponseFraming, BadResponse>) {
        let mut fields = FramingFields::default();
        let mut read = || {
            for length in lengths {
                fields.content_length(length.as_bytes())?;
            }
            for coding in codings {
                fields.transfer_encoding(coding.as_bytes())?;
            }
            fields.framing(Version::HTTP_11)
        };
        assert_eq!(read(), expected, "{lengths:?} {codings:?}");
    }

    #[test]
    fn a_body_has_one_end_or_the_answer_is_refused() {
        use BadResponse as Bad;
        use ResponseFraming as Framing;
        check(&[], &[], Ok(Framing::Close));
        check(&["0"], &[], Ok(Framing::Length(0)));
        check(&["2"], &[], Ok(Framing::Length(2)));
        check(&["2", "2"], &[], Err(Bad::ContentLength));
        check(&["2, 2"], &[], Err(Bad::ContentLength));
        check(
            &["18446744073709551615"],
            &[],
            Ok(Framing::Length(u64::MAX)),
        );
        check(&["18446744073709551616"], &[], Err(Bad::ContentLength));
        check(&["2", "3"], &[], Err(Bad::ContentLength));
        check(&["2, 3"], &[], Err(Bad::ContentLength));
        check(&["2,"], &[], Err(Bad::ContentLength));
        check(&[""], &[], Err(Bad::ContentLength));
        check(&["-2"], &[], Err(Bad::ContentLength));
        check(&["+2"], &[], Err(Bad::ContentLength));
        check(&["2 2"], &[], Err(Bad::ContentLength));
        check(&["0x2"], &[], Err(Bad::ContentLength));
        check(&[], &["chunked"], Ok(Framing::Chunked));
        check(&[], &["Chunked"], Ok(Framing::Chunked));
        check(&[], &["chunked", "chunked"], Err(Bad::TransferEncoding));
        check(&[], &["chunked, chunked"], Err(Bad::TransferEncoding));
        check(&[], &["gzip, chunked"], Err(Bad::TransferEncoding));
        check(&[], &[",chunked"], Err(Bad::TransferEncoding));
        check(&[], &["chunked;a=b"], Err(Bad::TransferEncoding));
        check(&[], &["identity"], Err(Bad::TransferEncoding));
        check(&[], &[""], Err(Bad::TransferEncoding));
        check(&["30"], &["chunked"], Err(Bad::TwoFramings));
    }
}

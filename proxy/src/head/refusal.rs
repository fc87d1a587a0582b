//! The closed list of reasons to refuse a request head.

use http::StatusCode;

/// Why a request head is refused.
///
/// The connection of a refused HTTP/1 request must be closed: where the next request begins is in
/// doubt. An HTTP/2 connection stays, the stream alone ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refusal {
    /// `CONNECT` or `TRACE`.
    #[error("method is not served")]
    Method,
    /// Neither `/path` nor an `http` or `https` URL, or `*` with another method than `OPTIONS`.
    #[error("request target has a form that is not served")]
    TargetForm,
    /// Longer than [`HeadLimits::target_bytes`](super::HeadLimits::target_bytes).
    #[error("request target is too long")]
    TargetTooLong,
    /// A byte that RFC 3986 does not allow, or a backslash.
    #[error("path holds a byte that is not allowed there")]
    PathByte,
    /// A byte that is no printable ASCII.
    #[error("query holds a byte that is not allowed there")]
    QueryByte,
    /// A `%` without two hexadecimal digits, or `%00`.
    #[error("path holds a broken escape")]
    PathEscape,
    /// A `.` or `..` segment, however written.
    #[error("path holds a dot segment")]
    DotSegment,
    /// No `Host`, or an empty one.
    #[error("host is missing")]
    HostMissing,
    /// More than one `Host`.
    #[error("host is given more than once")]
    HostRepeated,
    /// A list, user information, a bad port, or bytes that no host name has.
    #[error("host is malformed")]
    HostMalformed,
    /// `Host` and the target (or `:authority`) name different hosts.
    #[error("host and request target disagree")]
    HostMismatch,
    /// More than [`HeadLimits::fields`](super::HeadLimits::fields).
    #[error("head has too many fields")]
    TooManyFields,
    /// More than [`HeadLimits::bytes`](super::HeadLimits::bytes).
    #[error("head is too large")]
    HeadTooLarge,
    /// A value that begins or ends with a space or a tab (RFC 9113 section 8.2.1).
    #[error("field value has white space around it")]
    FieldPadded,
    /// `chunked` twice or in an empty list, beside a length, or where there must be no coding.
    #[error("transfer coding is ambiguous")]
    TransferEncoding,
    /// A transfer coding other than `chunked` (RFC 9112 section 6.1).
    #[error("transfer coding is not known")]
    UnknownCoding,
    /// Not one number, or several that differ.
    #[error("content length is ambiguous")]
    ContentLength,
    /// An expectation other than `100-continue`.
    #[error("expectation cannot be met")]
    Expectation,
    /// An upgrade to another protocol in a request with a body.
    #[error("upgrade is asked for in a request with a body")]
    UpgradeWithBody,
}

impl Refusal {
    /// The status of the answer.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::Method | Self::UnknownCoding => StatusCode::NOT_IMPLEMENTED,
            Self::TargetTooLong => StatusCode::URI_TOO_LONG,
            Self::TooManyFields | Self::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::Expectation => StatusCode::EXPECTATION_FAILED,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    /// A name for metrics and logs.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Method => "method",
            Self::TargetForm => "target_form",
            Self::TargetTooLong => "target_too_long",
            Self::PathByte => "path_byte",
            Self::QueryByte => "query_byte",
            Self::PathEscape => "path_escape",
            Self::DotSegment => "dot_segment",
            Self::HostMissing => "host_missing",
            Self::HostRepeated => "host_repeated",
            Self::HostMalformed => "host_malformed",
            Self::HostMismatch => "host_mismatch",
            Self::TooManyFields => "too_many_fields",
            Self::HeadTooLarge => "head_too_large",
            Self::FieldPadded => "field_padded",
            Self::TransferEncoding => "transfer_encoding",
            Self::UnknownCoding => "unknown_coding",
            Self::ContentLength => "content_length",
            Self::Expectation => "expectation",
            Self::UpgradeWithBody => "upgrade_with_body",
        }
    }
}

//! How a request ended, and whose fault it was.

use haldane_wire::Outcome as Judgement;
use std::time::Duration;

/// How a request ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The status sent to the client; 0 where none was sent.
    pub status: u16,
    /// What went wrong, also after the head was sent.
    pub error: Option<ErrorClass>,
    /// From the whole request head to the response head; `None` where none was sent.
    pub head: Option<Duration>,
    /// From the whole request head to the end of the response.
    pub total: Duration,
    /// Bytes of the request's body.
    pub bytes_in: u64,
    /// Bytes of the response's body.
    pub bytes_out: u64,
}

impl Outcome {
    /// As a rollout judges it. A backend's own 503 is its answer; ours instead of it is a failure of that backend too,
    /// but another one.
    #[must_use]
    pub fn judged(&self) -> Judgement {
        match (self.error.map(ErrorClass::side), self.status / 100) {
            (Some(Side::Upstream), _) => Judgement::UpstreamFailed,
            (Some(Side::Downstream), _) => Judgement::DownstreamFailed,
            (Some(Side::Internal), _) => Judgement::InternalFailed,
            (None, 5..) => Judgement::ServerError,
            (None, 4) => Judgement::ClientError,
            (None, ..4) => Judgement::Success,
        }
    }
}

/// Who failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The backend, or the way to it.
    Upstream,
    /// The client, or the way to it.
    Downstream,
    /// This proxy, or what it was told.
    Internal,
}

impl Side {
    /// The label's value.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Upstream => "upstream",
            Self::Downstream => "downstream",
            Self::Internal => "internal",
        }
    }
}

/// Why a request did not end well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ErrorClass {
    /// No connection to any endpoint tried.
    ConnectFailed,
    /// No connection within the time for one.
    ConnectTimeout,
    /// No TLS session with the endpoint.
    TlsFailed,
    /// No response head within the time for it.
    ResponseTimeout,
    /// A response that is not HTTP, or that must not be passed on.
    BadResponse,
    /// The endpoint broke the connection or the stream off.
    UpstreamReset,
    /// The upstream stopped moving a body.
    BodyTimeout,
    /// The request took longer than the rule allows in all.
    WholeTimeout,
    /// The version assigned has no endpoint.
    NoEndpoint,
    /// The client went away.
    ClientGone,
    /// The time that the client itself allowed (`grpc-timeout`) is over.
    ClientDeadline,
    /// The client stopped sending its body.
    RequestTimeout,
    /// A request body larger than the rule allows.
    BodyTooLarge,
    /// A request body that is not framed as HTTP has it.
    BadBody,
    /// The service that decides on access gave no answer.
    AuthFailed,
    /// The endpoint's address is one that is never connected to.
    EndpointForbidden,
    /// Too much at once.
    Overloaded,
    /// A fault of this proxy.
    Internal,
}

impl ErrorClass {
    /// Every class, in the order of declaration.
    pub const ALL: [Self; 18] = [
        Self::ConnectFailed,
        Self::ConnectTimeout,
        Self::TlsFailed,
        Self::ResponseTimeout,
        Self::BadResponse,
        Self::UpstreamReset,
        Self::BodyTimeout,
        Self::WholeTimeout,
        Self::NoEndpoint,
        Self::ClientGone,
        Self::ClientDeadline,
        Self::RequestTimeout,
        Self::BodyTooLarge,
        Self::BadBody,
        Self::AuthFailed,
        Self::EndpointForbidden,
        Self::Overloaded,
        Self::Internal,
    ];

    /// The label's value, also in the access log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ConnectFailed => "connect_failed",
            Self::ConnectTimeout => "connect_timeout",
            Self::TlsFailed => "tls_failed",
            Self::ResponseTimeout => "response_timeout",
            Self::BadResponse => "bad_response",
            Self::UpstreamReset => "upstream_reset",
            Self::BodyTimeout => "body_timeout",
            Self::WholeTimeout => "whole_timeout",
            Self::NoEndpoint => "no_endpoint",
            Self::ClientGone => "client_gone",
            Self::ClientDeadline => "client_deadline",
            Self::RequestTimeout => "request_timeout",
            Self::BodyTooLarge => "body_too_large",
            Self::BadBody => "bad_body",
            Self::AuthFailed => "auth_failed",
            Self::EndpointForbidden => "endpoint_forbidden",
            Self::Overloaded => "overloaded",
            Self::Internal => "internal",
        }
    }

    /// Who failed.
    #[must_use]
    pub const fn side(self) -> Side {
        match self {
            Self::ConnectFailed
            | Self::ConnectTimeout
            | Self::TlsFailed
            | Self::ResponseTimeout
            | Self::BadResponse
            | Self::UpstreamReset
            | Self::BodyTimeout
            | Self::WholeTimeout
            | Self::NoEndpoint => Side::Upstream,
            Self::ClientGone
            | Self::ClientDeadline
            | Self::RequestTimeout
            | Self::BodyTooLarge
            | Self::BadBody => Side::Downstream,
            Self::AuthFailed | Self::EndpointForbidden | Self::Overloaded | Self::Internal => {
                Side::Internal
            }
        }
    }

    /// Its place in [`ErrorClass::ALL`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_class_has_its_place_and_a_name_of_its_own() {
        for (place, class) in ErrorClass::ALL.iter().enumerate() {
            assert_eq!(class.index(), place);
        }
        let names: HashSet<_> = ErrorClass::ALL.map(ErrorClass::as_str).into();
        assert_eq!(names.len(), ErrorClass::ALL.len());
    }

    #[track_caller]
    fn check(status: u16, error: Option<ErrorClass>, judged: Judgement) {
        let outcome = Outcome {
            status,
            error,
            ..Outcome::default()
        };
        assert_eq!(outcome.judged(), judged, "{status} {error:?}");
    }

    #[test]
    fn every_end_is_judged_once() {
        check(101, None, Judgement::Success);
        check(200, None, Judgement::Success);
        check(304, None, Judgement::Success);
        check(404, None, Judgement::ClientError);
        check(503, None, Judgement::ServerError);
        check(503, Some(ErrorClass::NoEndpoint), Judgement::UpstreamFailed);
        check(
            200,
            Some(ErrorClass::UpstreamReset),
            Judgement::UpstreamFailed,
        );
        check(0, Some(ErrorClass::ClientGone), Judgement::DownstreamFailed);
        check(
            413,
            Some(ErrorClass::BodyTooLarge),
            Judgement::DownstreamFailed,
        );
        check(500, Some(ErrorClass::Internal), Judgement::InternalFailed);
    }
}

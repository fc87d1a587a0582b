//! The time that a whole exchange has, from the request's head to the last byte of its answer, and who set it.

use crate::metrics::ErrorClass;
use http::{HeaderMap, HeaderName};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// How long the client of a gRPC call waits (gRPC over HTTP2, "Timeout").
const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// When an exchange is given up, whatever moves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    at: Instant,
    class: ErrorClass,
}

impl Deadline {
    /// The earlier of the rule's time and the client's; missing the client's says nothing about the upstream.
    pub(crate) fn of(
        begun: Instant,
        whole: Option<Duration>,
        asked: Option<Duration>,
    ) -> Option<Self> {
        let after = |class| {
            move |time| Self {
                at: begun + time,
                class,
            }
        };
        let whole = whole.map(after(ErrorClass::WholeTimeout));
        let asked = asked.map(after(ErrorClass::ClientDeadline));
        whole
            .into_iter()
            .chain(asked)
            .min_by_key(|deadline| deadline.at)
    }

    pub(crate) fn at(&self) -> Instant {
        self.at
    }

    /// How an exchange that misses it is counted.
    pub(crate) fn class(&self) -> ErrorClass {
        self.class
    }

    pub(crate) fn is_over(&self) -> bool {
        Instant::now() >= self.at
    }

    /// Does `work` within the deadline, if there is one.
    ///
    /// # Errors
    /// The deadline's class, once it is over.
    pub(crate) async fn keep<T>(
        deadline: Option<Self>,
        work: impl Future<Output = T>,
    ) -> Result<T, ErrorClass> {
        match deadline {
            None => Ok(work.await),
            Some(deadline) => timeout_at(deadline.at, work)
                .await
                .map_err(|_| deadline.class),
        }
    }
}

/// What a gRPC client asks for: at most eight digits and a unit.
pub(crate) fn grpc_timeout(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(GRPC_TIMEOUT)?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(count * 3_600),
        "M" => Duration::from_secs(count * 60),
        "S" => Duration::from_secs(count),
        "m" => Duration::from_millis(count),
        "u" => Duration::from_micros(count),
        "n" => Duration::from_nanos(count),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[track_caller]
    fn check(written: &'static str, expected: Option<Duration>) {
        let mut headers = HeaderMap::new();
        headers.insert(GRPC_TIMEOUT, HeaderValue::from_static(written));
        assert_eq!(grpc_timeout(&headers), expected, "{written:?}");
    }

    #[test]
    fn grpc_timeouts() {
        check("2S", Some(Duration::from_secs(2)));
        check("100m", Some(Duration::from_millis(100)));
        check("99999999H", Some(Duration::from_secs(99_999_999 * 3_600)));
        for bad in ["", "S", "2", "2s ", "-1S", "999999999S", "1x", "+1S"] {
            check(bad, None);
        }
    }

    #[test]
    fn the_earlier_time_counts_and_says_whose_it_is() {
        let begun = Instant::now();
        let seconds = |seconds: u64| (seconds > 0).then(|| Duration::from_secs(seconds));
        let class = |whole, asked| {
            Deadline::of(begun, seconds(whole), seconds(asked)).map(|d| (d.at - begun, d.class))
        };
        let (two, whole, client) = (
            Duration::from_secs(2),
            ErrorClass::WholeTimeout,
            ErrorClass::ClientDeadline,
        );
        assert_eq!(class(0, 0), None);
        assert_eq!(class(2, 0), Some((two, whole)));
        assert_eq!(class(2, 3), Some((two, whole)));
        assert_eq!(class(3, 2), Some((two, client)));
    }
}

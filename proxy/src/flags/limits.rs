//! What a command line says about the bounds on peers; what it does not say is as in [`Limits::default`].

use crate::head::HeadLimits;
use crate::limits::{Http2Limits, Limits, Pace};
use std::time::Duration;

/// The longest time that can be asked for: a day.
const SECONDS_MAX: u64 = 86_400;
/// The largest head that can be asked for: a connection may hold two of them.
const HEAD_BYTES_MAX: i64 = 1 << 20;
/// The most fields that can be asked for.
const HEAD_FIELDS_MAX: i64 = 10_000;
/// The longest target that can be asked for: what the parser of URLs takes.
const TARGET_BYTES_MAX: i64 = 65_534;
/// The smallest of these that can be asked for: less is no request.
const HEAD_MIN: i64 = 8;

/// The smallest window of a stream that can be asked for: less is a round trip for every few words.
const STREAM_WINDOW_MIN: i64 = 1 << 10;
/// The smallest window of a connection that can be asked for: what the protocol begins with.
const CONNECTION_WINDOW_MIN: i64 = 65_535;
/// The largest window that can be asked for; the protocol's own bound is twice that.
const WINDOW_MAX: i64 = 1 << 30;

/// What memory is told in.
const MEBIBYTE: u64 = 1 << 20;

/// Bounds on what a peer may hold of a proxy.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Limits")]
pub(super) struct LimitFlags {
    /// Seconds from a connection's start, or a request's first byte, to the end of the head (and of the TLS handshake)
    /// [default: 10].
    #[arg(long, value_name = "SECONDS", value_parser = seconds())]
    head_timeout: Option<u64>,
    /// Bytes of a request's head; a larger one is answered with 431 [default: 32768].
    #[arg(long, value_name = "BYTES", value_parser = up_to(HEAD_BYTES_MAX))]
    head_bytes: Option<u32>,
    /// Fields of a request's head; one with more is answered with 431 [default: 100].
    #[arg(long, value_name = "COUNT", value_parser = up_to(HEAD_FIELDS_MAX))]
    head_fields: Option<u32>,
    /// Bytes of a request's target; a longer one is answered with 414 [default: 8192].
    #[arg(long, value_name = "BYTES", value_parser = up_to(TARGET_BYTES_MAX))]
    target_bytes: Option<u32>,
    /// Seconds that a client may let us wait in all for a request's body, before its answer begins [default: 30].
    #[arg(long, value_name = "SECONDS", value_parser = seconds())]
    body_grace: Option<u64>,
    /// Bytes of a body for which a client may let us wait a second longer; 0 is no bound on either [default: 1024].
    #[arg(long, value_name = "BYTES")]
    body_rate: Option<u64>,
    /// Seconds that a connection may stay between two requests [default: 60].
    #[arg(long, value_name = "SECONDS", value_parser = seconds())]
    keep_alive: Option<u64>,
    /// Seconds after which a connection ends with its next answer; each up to a tenth earlier [default: 3600].
    #[arg(long, value_name = "SECONDS", value_parser = seconds())]
    connection_life: Option<u64>,
    /// Seconds that a client may take less than 16 KiB of what there is for it [default: 30].
    #[arg(long, value_name = "SECONDS", value_parser = seconds())]
    send_timeout: Option<u64>,
    /// Seconds that a WebSocket or other tunnel may be silent [default: 3600].
    #[arg(long, value_name = "SECONDS", value_parser = seconds())]
    tunnel_idle: Option<u64>,
    /// Seconds that an upstream connection may stay idle [default: 30].
    #[arg(long, value_name = "SECONDS", value_parser = seconds())]
    upstream_idle: Option<u64>,
    /// Idle upstream connections that a worker keeps for one endpoint; 0 keeps none [default: 256].
    #[arg(long, value_name = "COUNT")]
    idle_per_endpoint: Option<usize>,
    /// Client connections of one worker; more are closed at once [default: 10000, or the workers' share of half of the
    /// descriptors that the process may open].
    #[arg(long, value_name = "COUNT", value_parser = count())]
    connections_per_worker: Option<u32>,
    /// Client connections of one worker from the same address (/64 of IPv6) that is not trusted; more are closed at once
    /// [default: no bound].
    #[arg(long, value_name = "COUNT", value_parser = count())]
    connections_per_address: Option<u32>,
    /// Streams that a client may have open on one HTTP/2 connection [default: 100].
    #[arg(long, value_name = "COUNT", value_parser = count())]
    streams_per_connection: Option<u32>,
    /// Bytes that a client may send ahead of us on one HTTP/2 stream [default: 65536].
    #[arg(long, value_name = "BYTES", value_parser = window(STREAM_WINDOW_MIN))]
    stream_window: Option<u32>,
    /// Bytes that a client may send ahead of us on all streams of one HTTP/2 connection [default: 8388608].
    #[arg(long, value_name = "BYTES", value_parser = window(CONNECTION_WINDOW_MIN))]
    connection_window: Option<u32>,
    /// Requests that a client may take back within a second on one HTTP/2 connection, or as many as it may have open if
    /// those are more; with more the connection is closed [default: 100].
    #[arg(long, value_name = "COUNT", value_parser = count())]
    abandoned_per_second: Option<u32>,
    /// Streams that a client may make us reset in the life of one HTTP/2 connection; with more it is closed [default: 256].
    #[arg(long, value_name = "COUNT", value_parser = count())]
    resets_per_connection: Option<u32>,
    /// Memory of the process: with 90 % of it in use, requests are answered with 503 [default: that of its control group].
    #[arg(long, value_name = "MEBIBYTES", value_parser = count())]
    memory_limit: Option<u32>,
}

fn seconds() -> clap::builder::RangedU64ValueParser {
    clap::builder::RangedU64ValueParser::new().range(1..=SECONDS_MAX)
}

fn count() -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..)
}

fn up_to(most: i64) -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(HEAD_MIN..=most)
}

fn window(least: i64) -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(least..=WINDOW_MAX)
}

impl LimitFlags {
    /// The limits they stand for.
    pub(super) fn limits(&self) -> Limits {
        let defaults = Limits::default();
        let time = |given: Option<u64>, default| given.map_or(default, Duration::from_secs);
        Limits {
            head: time(self.head_timeout, defaults.head),
            heads: self.heads(defaults.heads),
            pace: Pace {
                grace: time(self.body_grace, defaults.pace.grace),
                bytes_per_second: self.body_rate.unwrap_or(defaults.pace.bytes_per_second),
            },
            keep_alive: time(self.keep_alive, defaults.keep_alive),
            life: time(self.connection_life, defaults.life),
            send: time(self.send_timeout, defaults.send),
            tunnel_idle: time(self.tunnel_idle, defaults.tunnel_idle),
            upstream_idle: time(self.upstream_idle, defaults.upstream_idle),
            idle_per_endpoint: self.idle_per_endpoint.unwrap_or(defaults.idle_per_endpoint),
            connections: self.connections_per_worker.map(|count| count as usize),
            connections_per_address: self.connections_per_address,
            http2: self.http2(defaults.http2),
            memory: self.memory_limit.map(|count| u64::from(count) * MEBIBYTE),
        }
    }

    fn http2(&self, defaults: Http2Limits) -> Http2Limits {
        let resets = self.resets_per_connection.map(|count| count as usize);
        Http2Limits {
            streams: self.streams_per_connection.unwrap_or(defaults.streams),
            stream_window: self.stream_window.unwrap_or(defaults.stream_window),
            connection_window: self.connection_window.unwrap_or(defaults.connection_window),
            abandoned: self.abandoned_per_second.unwrap_or(defaults.abandoned),
            resets: resets.unwrap_or(defaults.resets),
        }
    }

    fn heads(&self, defaults: HeadLimits) -> HeadLimits {
        let of = |given: Option<u32>, default| given.map_or(default, |number| number as usize);
        HeadLimits {
            bytes: of(self.head_bytes, defaults.bytes),
            fields: of(self.head_fields, defaults.fields),
            target_bytes: of(self.target_bytes, defaults.target_bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::CONNECTIONS;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Program {
        #[command(flatten)]
        limits: LimitFlags,
    }

    fn parse(args: &str) -> Result<Limits, clap::Error> {
        let args = std::iter::once("program").chain(args.split_whitespace());
        Program::try_parse_from(args).map(|program| program.limits.limits())
    }

    #[track_caller]
    fn check(args: &str, expected: Limits) {
        assert_eq!(parse(args).unwrap(), expected, "{args}");
    }

    #[test]
    fn what_is_not_given_is_the_default() {
        let defaults = Limits::default();
        let second = Duration::from_secs(1);
        check("", defaults);
        check(
            "--head-timeout 1",
            Limits {
                head: second,
                ..defaults
            },
        );
        check(
            "--keep-alive 1",
            Limits {
                keep_alive: second,
                ..defaults
            },
        );
        check(
            "--send-timeout 1",
            Limits {
                send: second,
                ..defaults
            },
        );
        check(
            "--tunnel-idle 1",
            Limits {
                tunnel_idle: second,
                ..defaults
            },
        );
        check(
            "--upstream-idle 1",
            Limits {
                upstream_idle: second,
                ..defaults
            },
        );
        check(
            "--idle-per-endpoint 0",
            Limits {
                idle_per_endpoint: 0,
                ..defaults
            },
        );
        check(
            "--connections-per-worker 7",
            Limits {
                connections: Some(7),
                ..defaults
            },
        );
        check(
            "--connections-per-address 7",
            Limits {
                connections_per_address: Some(7),
                ..defaults
            },
        );
        check(
            "--connection-life 1",
            Limits {
                life: second,
                ..defaults
            },
        );
        check(
            "--memory-limit 2",
            Limits {
                memory: Some(2 << 20),
                ..defaults
            },
        );
    }

    #[test]
    fn messages_have_bounds_of_their_own() {
        let defaults = Limits::default();
        check(
            "--head-bytes 1024 --head-fields 20 --target-bytes 100",
            Limits {
                heads: HeadLimits {
                    bytes: 1_024,
                    fields: 20,
                    target_bytes: 100,
                },
                ..defaults
            },
        );
        check(
            "--body-grace 1 --body-rate 0",
            Limits {
                pace: Pace {
                    grace: Duration::from_secs(1),
                    bytes_per_second: 0,
                },
                ..defaults
            },
        );
        check(
            "--streams-per-connection 7 --stream-window 2048 --connection-window 65535 --abandoned-per-second 3
             --resets-per-connection 5",
            Limits {
                http2: Http2Limits {
                    streams: 7,
                    stream_window: 2_048,
                    connection_window: 65_535,
                    abandoned: 3,
                    resets: 5,
                },
                ..defaults
            },
        );
    }

    #[test]
    fn nothing_waits_for_no_time_or_for_ever() {
        for args in [
            "--head-timeout 0",
            "--keep-alive 86401",
            "--connections-per-worker 0",
            "--streams-per-connection -1",
            "--stream-window 0",
            "--connection-window 65534",
            "--connection-window 2147483647",
            "--abandoned-per-second 0",
            "--head-bytes 0",
            "--target-bytes 65535",
            "--memory-limit 0",
        ] {
            assert!(parse(args).is_err(), "{args}");
        }
    }

    /// The help says the defaults in words; they are these.
    #[test]
    fn the_help_is_true() {
        let limits = Limits::default();
        let help = <Program as clap::CommandFactory>::command()
            .render_long_help()
            .to_string();
        let said: Vec<u64> = help
            .split("[default: ")
            .skip(1)
            .filter_map(|rest| rest.split([']', ',']).next()?.parse().ok())
            .collect();
        let defaults = [
            limits.head.as_secs(),
            limits.heads.bytes as u64,
            limits.heads.fields as u64,
            limits.heads.target_bytes as u64,
            limits.pace.grace.as_secs(),
            limits.pace.bytes_per_second,
            limits.keep_alive.as_secs(),
            limits.life.as_secs(),
            limits.send.as_secs(),
            limits.tunnel_idle.as_secs(),
            limits.upstream_idle.as_secs(),
            limits.idle_per_endpoint as u64,
            CONNECTIONS as u64,
            limits.http2.streams.into(),
            limits.http2.stream_window.into(),
            limits.http2.connection_window.into(),
            limits.http2.abandoned.into(),
            limits.http2.resets as u64,
        ];
        assert_eq!(said, defaults);
    }
}

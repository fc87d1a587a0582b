//! What a command line says about the bounds on peers; what it does not say is as in [`Limits::default`].

use crate::config::Limits;
use std::time::Duration;

/// The longest time that can be asked for: a day.
const SECONDS_MAX: u64 = 86_400;

/// Bounds on what a peer may hold of a proxy.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Limits")]
pub(super) struct LimitFlags {
    /// Seconds from a connection's start, or a request's first byte, to the end of the head (and of the TLS handshake)
    /// [default: 10].
    #[arg(long, value_name = "SECONDS", value_parser = seconds())]
    head_timeout: Option<u64>,
    /// Seconds that a connection may stay between two requests [default: 60].
    #[arg(long, value_name = "SECONDS", value_parser = seconds())]
    keep_alive: Option<u64>,
    /// Seconds that a client may take no byte of what there is for it [default: 30].
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
    /// Client connections of one worker; more are closed at once [default: 10000].
    #[arg(long, value_name = "COUNT", value_parser = count())]
    connections_per_worker: Option<u32>,
    /// Streams that a client may have open on one HTTP/2 connection [default: 100].
    #[arg(long, value_name = "COUNT", value_parser = count())]
    streams_per_connection: Option<u32>,
}

fn seconds() -> clap::builder::RangedU64ValueParser {
    clap::builder::RangedU64ValueParser::new().range(1..=SECONDS_MAX)
}

fn count() -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..)
}

impl LimitFlags {
    /// The limits they stand for.
    pub(super) fn limits(&self) -> Limits {
        let defaults = Limits::default();
        let time = |given: Option<u64>, default| given.map_or(default, Duration::from_secs);
        Limits {
            head: time(self.head_timeout, defaults.head),
            keep_alive: time(self.keep_alive, defaults.keep_alive),
            send: time(self.send_timeout, defaults.send),
            tunnel_idle: time(self.tunnel_idle, defaults.tunnel_idle),
            upstream_idle: time(self.upstream_idle, defaults.upstream_idle),
            idle_per_endpoint: self.idle_per_endpoint.unwrap_or(defaults.idle_per_endpoint),
            connections: self
                .connections_per_worker
                .map_or(defaults.connections, |count| count as usize),
            streams: self.streams_per_connection.unwrap_or(defaults.streams),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
                connections: 7,
                ..defaults
            },
        );
        check(
            "--streams-per-connection 7",
            Limits {
                streams: 7,
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
            .filter_map(|rest| rest.split(']').next()?.parse().ok())
            .collect();
        let seconds = [
            limits.head,
            limits.keep_alive,
            limits.send,
            limits.tunnel_idle,
            limits.upstream_idle,
        ];
        let mut defaults: Vec<u64> = seconds.iter().map(Duration::as_secs).collect();
        defaults.extend([
            limits.idle_per_endpoint as u64,
            limits.connections as u64,
            limits.streams.into(),
        ]);
        assert_eq!(said, defaults);
    }
}

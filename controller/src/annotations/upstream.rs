//! How requests are passed on to a Service: protocol, TLS, time limits, second tries.

use super::values::{flag, number, one_of, seconds_as_ms, switch};
use super::{Reader, hash, values};
use crate::lookup::SecretsOf;
use crate::problem::Refused;
use haldane_routing::spec::{BalanceSpec, Protocol, RetrySpec, TimeoutsSpec, UpstreamTlsSpec};

/// As many tries as there are: more only delay the answer that is due.
const TRIES_MAX: u8 = 10;

/// What an Ingress says about its upstreams.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct UpstreamSettings {
    /// Wins over the Service's `appProtocol`.
    pub(crate) protocol: Option<Protocol>,
    pub(crate) tls: UpstreamTlsSpec,
    pub(crate) balance: Option<BalanceSpec>,
    pub(crate) timeouts: TimeoutsSpec,
    pub(crate) retry: RetrySpec,
    /// Whether the Service's own address is the only endpoint.
    pub(crate) service_upstream: bool,
}

impl UpstreamSettings {
    pub(crate) fn read(reader: &mut Reader<'_>, secrets: &SecretsOf<'_>) -> Self {
        Self {
            protocol: reader.shared("backend-protocol", protocol),
            tls: tls(reader, secrets),
            balance: hash::read(reader),
            timeouts: timeouts(reader),
            retry: retry(reader),
            service_upstream: reader.shared("service-upstream", flag).unwrap_or(false),
        }
    }
}

/// gRPC is HTTP/2.
fn protocol(text: &str) -> Result<Protocol, Refused> {
    let protocols = [
        ("HTTP", Protocol::Http),
        ("HTTPS", Protocol::Https),
        ("GRPC", Protocol::H2c),
        ("GRPCS", Protocol::H2),
    ];
    one_of(text, &protocols)
}

fn tls(reader: &mut Reader<'_>, secrets: &SecretsOf<'_>) -> UpstreamTlsSpec {
    UpstreamTlsSpec {
        server_name: reader.shared("proxy-ssl-name", server_name),
        verify: reader.shared("proxy-ssl-verify", switch).unwrap_or(false),
        ca_pem: reader.shared("proxy-ssl-secret", |text| secrets.text(text, "ca.crt")),
    }
}

fn server_name(text: &str) -> Result<String, Refused> {
    let name = text.to_ascii_lowercase();
    if values::is_dns_name(&name) {
        Ok(name)
    } else {
        Refused::because(format!("{text:?} is not a host name"))
    }
}

/// There, reading and sending have a limit each, between two operations; here, one limit covers a connection on which
/// nothing moves in either direction, so it is the longer of the two.
fn timeouts(reader: &mut Reader<'_>) -> TimeoutsSpec {
    let default = TimeoutsSpec::default();
    let connect = reader.shared("proxy-connect-timeout", seconds_as_ms);
    let read = reader.shared("proxy-read-timeout", seconds_as_ms);
    let send = reader.shared("proxy-send-timeout", seconds_as_ms);
    TimeoutsSpec {
        connect_ms: connect.unwrap_or(default.connect_ms),
        response_head_ms: read.unwrap_or(default.response_head_ms),
        idle_ms: read.max(send).unwrap_or(default.idle_ms),
        whole_ms: reader.shared("request-timeout", seconds_as_ms),
    }
}

fn retry(reader: &mut Reader<'_>) -> RetrySpec {
    let default = RetrySpec::default();
    let causes = reader.shared("proxy-next-upstream", causes);
    let tries = reader.shared("proxy-next-upstream-tries", tries);
    if causes == Some(Causes::Answers) {
        let message = "only requests that no endpoint has begun to answer are tried again: \
            answers with an error status are passed on, and requests that are not idempotent never repeated once sent";
        reader.warn("proxy-next-upstream", message);
    }
    RetrySpec {
        attempts_max: match causes {
            Some(Causes::Off) => 1,
            _ => tries.unwrap_or(default.attempts_max),
        },
        ..default
    }
}

/// What is tried again, as ingress-nginx lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Causes {
    Off,
    /// Failures without an answer.
    Failures,
    /// Also answers, or requests that may have had effects.
    Answers,
}

fn causes(text: &str) -> Result<Causes, Refused> {
    let known = [
        ("off", Causes::Off),
        ("error", Causes::Failures),
        ("timeout", Causes::Failures),
        ("invalid_header", Causes::Failures),
        ("http_403", Causes::Answers),
        ("http_404", Causes::Answers),
        ("http_429", Causes::Answers),
        ("http_500", Causes::Answers),
        ("http_502", Causes::Answers),
        ("http_503", Causes::Answers),
        ("http_504", Causes::Answers),
        ("non_idempotent", Causes::Answers),
    ];
    let words = text
        .split_whitespace()
        .map(|word| one_of(word, &known))
        .collect::<Result<Vec<_>, _>>()?;
    let strongest = [Causes::Off, Causes::Answers]
        .into_iter()
        .find(|cause| words.contains(cause));
    Ok(strongest.unwrap_or(Causes::Failures))
}

/// 0 means "no limit" there, and more than there may be means as many as there may be.
fn tries(text: &str) -> Result<u8, Refused> {
    match number(text, 0, u64::from(u32::MAX))? {
        0 => Ok(TRIES_MAX),
        tries => Ok(u8::try_from(tries).map_or(TRIES_MAX, |tries| tries.min(TRIES_MAX))),
    }
}

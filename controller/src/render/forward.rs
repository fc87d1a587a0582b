//! How requests are passed on.

use super::Page;
use super::conditions::alternatives;
use haldane_routing::spec::{
    AffinitySpec, BalanceSpec, ForwardSpec, HashKeySpec, OnEmpty, RetrySpec, StickySpec,
    TimeoutsSpec,
};

pub(super) fn lines(page: &mut Page, forward: &ForwardSpec) {
    for version in &forward.versions {
        page.line(
            1,
            &format!(
                "version {} weight {} by backend {}",
                version.name, version.weight, version.backend
            ),
        );
    }
    for forced in &forward.forced {
        page.line(
            1,
            &format!(
                "force {} if {}",
                forced.version,
                alternatives(&forced.any_of)
            ),
        );
    }
    page.labelled("sticky", forward.sticky.as_ref().map(sticky_text));
    page.labelled(
        "on-empty",
        (forward.on_empty == OnEmpty::Hold).then(|| "hold".to_owned()),
    );
    for mirror in &forward.mirrors {
        page.line(
            1,
            &format!(
                "mirror {} of 10000 to backend {}",
                mirror.per_10000, mirror.backend
            ),
        );
    }
    page.labelled("balance", balance_text(&forward.balance));
    page.labelled("affinity", forward.affinity.as_ref().map(affinity_text));
    page.labelled("timeouts", timeouts_text(&forward.timeouts));
    let retry =
        (forward.retry != RetrySpec::default()).then(|| format!("{}", forward.retry.attempts_max));
    page.labelled("attempts", retry);
}

fn sticky_text(sticky: &StickySpec) -> String {
    match sticky {
        StickySpec::Cookie(name) => format!("cookie {name}"),
        StickySpec::Header(name) => format!("header {name}"),
    }
}

fn balance_text(balance: &BalanceSpec) -> Option<String> {
    match balance {
        BalanceSpec::LeastLoaded => None,
        BalanceSpec::RoundRobin => Some("round robin".to_owned()),
        BalanceSpec::ConsistentHash(keys) => {
            let keys: Vec<_> = keys.iter().map(key_text).collect();
            Some(format!("hash of {}", keys.join(", ")))
        }
    }
}

fn key_text(key: &HashKeySpec) -> String {
    match key {
        HashKeySpec::SourceIp => "source-ip".to_owned(),
        HashKeySpec::Host => "host".to_owned(),
        HashKeySpec::RequestUri => "request-uri".to_owned(),
        HashKeySpec::Path => "path".to_owned(),
        HashKeySpec::Header(name) => format!("header {name}"),
        HashKeySpec::Cookie(name) => format!("cookie {name}"),
        HashKeySpec::Query(name) => format!("query {name}"),
        HashKeySpec::Literal(text) => format!("{text:?}"),
    }
}

fn affinity_text(affinity: &AffinitySpec) -> String {
    let option = |name: &str, value: Option<String>| {
        value
            .map(|value| format!(" {name} {value}"))
            .unwrap_or_default()
    };
    [
        format!("cookie {} path {}", affinity.cookie, affinity.path),
        option("domain", affinity.domain.clone()),
        option("same-site", affinity.same_site.clone()),
        option(
            "max-age",
            affinity.max_age_s.map(|seconds| format!("{seconds} s")),
        ),
        option("secure", affinity.secure.map(|secure| secure.to_string())),
    ]
    .concat()
}

fn timeouts_text(timeouts: &TimeoutsSpec) -> Option<String> {
    let whole = timeouts
        .whole_ms
        .map(|ms| format!(", whole {ms} ms"))
        .unwrap_or_default();
    let TimeoutsSpec {
        connect_ms,
        response_head_ms,
        idle_ms,
        ..
    } = timeouts;
    let text = format!(
        "connect {connect_ms} ms, response head {response_head_ms} ms, idle {idle_ms} ms{whole}"
    );
    (*timeouts != TimeoutsSpec::default()).then_some(text)
}

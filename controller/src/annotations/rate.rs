//! `limit-*`: how much one client address may ask for.

use super::Reader;
use super::values::{networks, number};
use haldane_routing::spec::RateSpec;

/// The largest limit taken; a larger one is none.
const LIMIT_MAX: u64 = 1_000_000;

/// The most that may come at once, in times the rate.
const BURST_MAX: u64 = 1_000;

/// How many times the rate may come at once where nothing is said, as in ingress-nginx.
const BURST_DEFAULT: u32 = 5;

/// `None` where nothing is limited; 0 is no limit.
pub(crate) fn read(reader: &mut Reader<'_>) -> Option<RateSpec> {
    let per_second = limit(reader, "limit-rps");
    let per_minute = limit(reader, "limit-rpm");
    let connections = limit(reader, "limit-connections");
    let burst = reader.shared("limit-burst-multiplier", |text| number(text, 1, BURST_MAX));
    let burst = burst.and_then(|burst| u32::try_from(burst).ok());
    let exempt = reader.shared("limit-allowlist", networks);
    let exempt_old = reader.shared("limit-whitelist", networks);
    (per_second.is_some() || per_minute.is_some() || connections.is_some()).then(|| RateSpec {
        per_second,
        per_minute,
        burst_multiplier: Some(burst.unwrap_or(BURST_DEFAULT)),
        connections,
        exempt: exempt.or(exempt_old).unwrap_or_default(),
    })
}

fn limit(reader: &mut Reader<'_>, suffix: &str) -> Option<u32> {
    let limit = reader.shared(suffix, |text| number(text, 0, LIMIT_MAX))?;
    u32::try_from(limit).ok().filter(|limit| *limit > 0)
}

//! How much a test does: little by default, more by hand.

/// `count`, times the whole number in `HALDANE_TEST_SCALE` (1 where it is absent).
pub fn scaled(count: u64) -> u64 {
    let factor = std::env::var("HALDANE_TEST_SCALE")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(1);
    count.saturating_mul(factor)
}

//! What a process holds of its system: memory, descriptors, threads; and whether it holds more and more.

use std::time::Duration;

/// One look.
#[derive(Clone, Copy, Debug)]
pub struct Vitals {
    /// When, from the beginning.
    pub at: Duration,
    /// Memory that is there for it, in KiB (`Rss` of all its mappings).
    pub rss_kib: u64,
    /// Memory that is counted in shares with others, in KiB (`Pss`).
    pub pss_kib: u64,
    /// Open descriptors.
    pub descriptors: usize,
    /// Threads.
    pub threads: u64,
}

impl Vitals {
    /// Of the process with this id now, which is `at` from the beginning.
    ///
    /// # Errors
    /// When there is no such process.
    pub fn of(process: u32, at: Duration) -> anyhow::Result<Self> {
        let read = |name| std::fs::read_to_string(format!("/proc/{process}/{name}"));
        let (memory, status) = (read("smaps_rollup")?, read("status")?);
        Ok(Self {
            at,
            rss_kib: number(&memory, "Rss:")?,
            pss_kib: number(&memory, "Pss:")?,
            descriptors: std::fs::read_dir(format!("/proc/{process}/fd"))?.count(),
            threads: number(&status, "Threads:")?,
        })
    }
}

/// The number on the line that begins with `name`.
fn number(text: &str, name: &str) -> anyhow::Result<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|rest| rest.split_whitespace().next());
    let number = number.ok_or_else(|| anyhow::anyhow!("no line {name:?}"))?;
    Ok(number.parse()?)
}

/// By how much `of` grows in an hour: the slope of the line that is closest to all looks (least squares). 0 for fewer than
/// two.
pub fn growth_per_hour(looks: &[Vitals], of: impl Fn(&Vitals) -> f64) -> f64 {
    const SECONDS: f64 = 3_600.0;
    let count = looks.len() as f64;
    let hours = |look: &Vitals| look.at.as_secs_f64() / SECONDS;
    let mean_at = looks.iter().map(hours).sum::<f64>() / count;
    let mean = looks.iter().map(&of).sum::<f64>() / count;
    let together: f64 = looks
        .iter()
        .map(|look| (hours(look) - mean_at) * (of(look) - mean))
        .sum();
    let apart: f64 = looks
        .iter()
        .map(|look| (hours(look) - mean_at).powi(2))
        .sum();
    if apart > 0.0 { together / apart } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(minutes: u64, rss_kib: u64) -> Vitals {
        Vitals {
            at: Duration::from_secs(minutes * 60),
            rss_kib,
            pss_kib: 0,
            descriptors: 0,
            threads: 0,
        }
    }

    #[track_caller]
    fn check(looks: &[(u64, u64)], expected: f64) {
        let looks: Vec<Vitals> = looks.iter().map(|(at, rss)| look(*at, *rss)).collect();
        let growth = growth_per_hour(&looks, |look| look.rss_kib as f64);
        assert!((growth - expected).abs() < 1e-6, "{growth}");
    }

    #[test]
    fn growth_is_the_slope_of_the_closest_line() {
        check(&[], 0.0);
        check(&[(0, 7)], 0.0);
        check(&[(0, 100), (30, 150), (60, 200)], 100.0);
        check(&[(0, 100), (60, 100), (120, 100)], 0.0);
        // One look that stands out in the middle tilts nothing.
        check(&[(0, 100), (60, 900), (120, 100)], 0.0);
    }

    #[test]
    fn this_process_has_vitals() {
        let vitals = Vitals::of(std::process::id(), Duration::ZERO).unwrap();
        assert!(vitals.rss_kib > 0 && vitals.descriptors > 0 && vitals.threads > 0);
    }
}

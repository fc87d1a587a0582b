//! A scrape of Prometheus' text format, and sums over it.

use anyhow::Context as _;

/// The samples of one scrape.
#[derive(Debug, Default)]
pub struct Metrics {
    samples: Vec<Sample>,
}

#[derive(Debug)]
struct Sample {
    /// The name with its labels, as written.
    series: String,
    value: f64,
}

impl Metrics {
    /// Reads a scrape.
    ///
    /// # Errors
    /// When a line is not a sample.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let lines = text
            .lines()
            .filter(|line| !line.starts_with('#') && !line.is_empty());
        let samples: anyhow::Result<Vec<Sample>> = lines.map(Sample::parse).collect();
        Ok(Self { samples: samples? })
    }

    /// The sum over all series of this name that have every one of these labels.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let wanted = self.samples.iter().filter(|sample| sample.is(name, labels));
        wanted.map(|sample| sample.value).sum()
    }

    /// Requests that are over and had this version assigned.
    pub fn requests(&self, version: &str) -> u64 {
        let sum = self.sum("haldane_requests_total", &[("version", version)]);
        // A count of requests is whole and far below 2^53.
        sum as u64
    }
}

impl Sample {
    fn parse(line: &str) -> anyhow::Result<Self> {
        let (series, value) = line.rsplit_once(' ').context("a sample has a value")?;
        Ok(Self {
            series: series.to_owned(),
            value: value.parse().with_context(|| line.to_owned())?,
        })
    }

    fn is(&self, name: &str, labels: &[(&str, &str)]) -> bool {
        let bare = self.series.split('{').next();
        bare == Some(name) && labels.iter().all(|label| self.has(label))
    }

    fn has(&self, (label, value): &(&str, &str)) -> bool {
        let written = format!("{label}=\"{value}\"");
        let inside = self.series.split_once('{').map_or("", |(_, inside)| inside);
        inside.starts_with(&written) || inside.contains(&format!(",{written}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_what_has_the_labels() {
        let text = "# HELP a b\na{version=\"1\",x=\"y\"} 2\na{x=\"y\",version=\"1\"} 3\na{sub_version=\"1\"} 4\nab 5\n";
        let metrics = Metrics::parse(text).unwrap();
        assert_eq!(metrics.sum("a", &[("version", "1")]), 5.0);
        assert_eq!(metrics.sum("a", &[]), 9.0);
        assert_eq!(metrics.sum("ab", &[]), 5.0);
    }
}

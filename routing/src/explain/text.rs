//! Explanations as people read them: one line for each rule, then what happens.

use super::{Considered, Decision, Explanation, Outcome, Share, Verdict};
use crate::forward::By;
use crate::spec::{Address, OnEmpty};
use std::fmt;

/// Endpoints named on one line; of the others, how many they are.
const ENDPOINTS_NAMED_MAX: usize = 3;

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, considered) in self.considered.iter().enumerate() {
            writeln!(f, "{}. {considered}", at + 1)?;
        }
        if self.left_out > 0 {
            writeln!(f, "   and {} more rules of this host", self.left_out)?;
        }
        self.outcome.fmt(f)
    }
}

impl fmt::Display for Considered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} ({}): host {}, path {}",
            self.rule, self.origin, self.host, self.path
        )?;
        for condition in &self.conditions {
            write!(f, ", {condition}")?;
        }
        write!(f, "\n   {}", self.verdict)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wins => f.write_str("wins"),
            Self::ComesLater => f.write_str("matches too, but comes later"),
            Self::PathDiffers => f.write_str("no: the path differs"),
            Self::Fails {
                condition,
                seen: Some(seen),
            } => write!(f, "no: {condition} does not hold, the request has {seen:?}"),
            Self::Fails {
                condition,
                seen: None,
            } => write!(f, "no: {condition} does not hold, the request has none"),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRule => writeln!(f, "no rule matches: 404"),
            Self::Redirect(status) => writeln!(f, "redirected with {status}"),
            Self::Respond(status) => writeln!(f, "answered with {status} and a fixed text"),
            Self::Forward(decision) => decision.fmt(f),
        }
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = match (&self.version, self.unavailable) {
            (_, true) => "503, as no version has an endpoint for it",
            (Some(version), false) => version,
            (None, false) => "whichever version's turn it is",
        };
        writeln!(
            f,
            "rule {}: {version}, decided by {}",
            self.rule,
            reason(self.by)
        )?;
        if !self.forced_by.is_empty() {
            writeln!(f, "   as {}", self.forced_by.join(" and "))?;
        }
        for share in &self.versions {
            let part = match self.on_empty {
                _ if self.unavailable || share.weight == 0 || !share.endpoints.is_empty() => "",
                OnEmpty::Failover => ", the others take its part",
                OnEmpty::Hold => ", its part gets 503",
            };
            writeln!(f, "   {share}{part}")?;
        }
        Ok(())
    }
}

fn reason(by: By) -> &'static str {
    match by {
        By::Match => "forced routing",
        By::Sticky => "the user's ticket",
        By::Split => "the split",
        By::Failover => "failover, as the version that is due has no endpoint",
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Two decimals are exact for the finest split, and trailing zeros only distract.
        let percent = format!("{:.2}", self.percent);
        let percent = percent.trim_end_matches('0').trim_end_matches('.');
        write!(f, "{}: {percent} %, ", self.version)?;
        match self.endpoints.len() {
            0 => f.write_str("no endpoint"),
            1 => f.write_str("1 endpoint"),
            count => write!(f, "{count} endpoints"),
        }?;
        let named = self.endpoints.iter().take(ENDPOINTS_NAMED_MAX);
        named.into_iter().try_for_each(|address| match address {
            Address::Socket(address) => write!(f, " {address}"),
            Address::Name(name, port) => write!(f, " {name}:{port}"),
        })?;
        match self.endpoints.len().saturating_sub(ENDPOINTS_NAMED_MAX) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

//! From annotations to a plan: each value by its own reader, faults collected.

use super::{Fault, FaultReason, Freeze, Hand, Mode, OnAbort, Order, Plan};
use crate::number;
use crate::stratum::Stratum;
use crate::tolerance::Tolerance;
use std::collections::BTreeMap;
use std::time::Duration;

/// Every annotation that a plan is read from, without its prefix.
pub const ANNOTATIONS: [&str; 19] = [
    "rollout",
    "steps",
    "step-interval",
    "tolerance",
    "margin",
    "latency",
    "alpha",
    "beta",
    "min-requests",
    "max-duration",
    "warm-up",
    "rollback-window",
    "freeze",
    "on-abort",
    "pause",
    "promote",
    "abort",
    "retry",
    "rollback",
];

/// The most steps of a ladder: each costs the later ones some evidence, and nobody climbs so many.
pub const STEPS_MAX: usize = 32;

/// The most freezes of one plan.
const FREEZES_MAX: usize = 16;

/// The longest time that anything here may take: past four weeks a release is not being released.
const DURATION_MAX: Duration = Duration::from_secs(28 * 24 * 3600);

/// The most requests that a step may ask for.
const REQUESTS_MAX: u64 = 1_000_000_000;

type Annotations<'a> = BTreeMap<&'a str, &'a str>;

pub(super) fn plan(annotations: &Annotations<'_>) -> Result<Option<Plan>, Vec<Fault>> {
    if !annotations.contains_key("rollout") {
        return Ok(None);
    }
    let mut reader = Reader {
        annotations,
        faults: Vec::new(),
    };
    let plan = reader.plan();
    match reader.faults.is_empty() {
        true => Ok(Some(plan)),
        false => Err(reader.faults),
    }
}

pub(super) fn default_steps() -> Vec<Stratum> {
    [1, 5, 10, 25, 50, 100]
        .into_iter()
        .filter_map(|percent| Stratum::new(percent, 100).ok())
        .collect()
}

struct Reader<'a> {
    annotations: &'a Annotations<'a>,
    faults: Vec<Fault>,
}

impl Reader<'_> {
    fn plan(&mut self) -> Plan {
        let default = Plan::default();
        let tolerance = self.read("tolerance", default.tolerance, |text| Ok(text.parse()?));
        let margin = tolerance.default_margin();
        let plan = Plan {
            mode: self.read("rollout", default.mode, mode),
            steps: self.read("steps", default.steps, steps),
            step_interval: self.read("step-interval", default.step_interval, duration),
            tolerance,
            margin: self.read("margin", margin, |text| Ok(text.parse()?)),
            latency: self.read("latency", default.latency, |text| Ok(text.parse()?)),
            alpha: self.read("alpha", default.alpha, probability),
            beta: self.read("beta", default.beta, probability),
            min_requests: self.read("min-requests", default.min_requests, requests),
            max_duration: self.read("max-duration", None, |text| duration(text).map(Some)),
            warm_up: self.read("warm-up", default.warm_up, duration),
            rollback_window: self.read("rollback-window", default.rollback_window, duration),
            freezes: self.read("freeze", default.freezes, freezes),
            on_abort: self.read("on-abort", default.on_abort, on_abort),
            hand: self.hand(),
        };
        self.hold_margin_against(plan.tolerance, plan.margin);
        plan
    }

    fn hand(&mut self) -> Hand {
        Hand {
            pause: self.read("pause", false, flag),
            promote: self.read("promote", None, order),
            abort: self.read("abort", None, order),
            retry: self.read("retry", None, order),
            rollback: self.read("rollback", None, order),
        }
    }

    /// What the annotation says, or the default where there is none or a fault.
    fn read<T>(
        &mut self,
        annotation: &'static str,
        default: T,
        parse: impl FnOnce(&str) -> Result<T, FaultReason>,
    ) -> T {
        let Some(text) = self.annotations.get(annotation) else {
            return default;
        };
        parse(text.trim()).unwrap_or_else(|reason| {
            self.faults.push(Fault { annotation, reason });
            default
        })
    }

    fn hold_margin_against(&mut self, tolerance: Tolerance, margin: Tolerance) {
        let unread = self
            .faults
            .iter()
            .any(|fault| fault.annotation == "tolerance");
        if !unread && !tolerance.within(margin) {
            let reason = FaultReason::Narrow {
                margin: margin.to_string(),
                tolerance: tolerance.to_string(),
            };
            self.faults.push(Fault {
                annotation: "margin",
                reason,
            });
        }
    }
}

fn mode(text: &str) -> Result<Mode, FaultReason> {
    match text {
        "auto" => Ok(Mode::Auto),
        "manual" => Ok(Mode::Manual),
        _ => Err(word(text, "\"auto\", \"manual\"")),
    }
}

fn on_abort(text: &str) -> Result<OnAbort, FaultReason> {
    match text {
        "hold" => Ok(OnAbort::Hold),
        "scale-down" => Ok(OnAbort::ScaleDown),
        "undo" => Ok(OnAbort::Undo),
        _ => Err(word(text, "\"hold\", \"scale-down\", \"undo\"")),
    }
}

fn flag(text: &str) -> Result<bool, FaultReason> {
    match text {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(word(text, "\"true\", \"false\"")),
    }
}

fn word(written: &str, known: &'static str) -> FaultReason {
    FaultReason::Word {
        written: written.to_owned(),
        known,
    }
}

fn order(text: &str) -> Result<Option<Order>, FaultReason> {
    match text {
        "" => Err(FaultReason::NoVersion),
        "false" => Ok(None),
        "true" => Ok(Some(Order::Any)),
        version => Ok(Some(Order::Version(version.to_owned()))),
    }
}

fn duration(text: &str) -> Result<Duration, FaultReason> {
    match humantime::parse_duration(text) {
        Ok(duration) if duration <= DURATION_MAX => Ok(duration),
        _ => Err(FaultReason::Duration {
            written: text.to_owned(),
            max: humantime::format_duration(DURATION_MAX).to_string(),
        }),
    }
}

/// Half and more would be worse than tossing a coin.
fn probability(text: &str) -> Result<f64, FaultReason> {
    match number::probability(text) {
        Ok(value) if 0.0 < value && value < 0.5 => Ok(value),
        _ => Err(FaultReason::Probability(text.to_owned())),
    }
}

fn requests(text: &str) -> Result<u64, FaultReason> {
    match text.parse() {
        Ok(requests) if requests <= REQUESTS_MAX => Ok(requests),
        _ => Err(FaultReason::Whole {
            written: text.to_owned(),
            max: REQUESTS_MAX,
        }),
    }
}

fn steps(text: &str) -> Result<Vec<Stratum>, FaultReason> {
    let steps: Vec<_> = text
        .split(',')
        .map(|step| Stratum::percent(step.trim()))
        .collect::<Result<_, _>>()?;
    at_most(steps.len(), STEPS_MAX)?;
    let mut earlier = Stratum::NONE;
    for later in &steps {
        if *later <= earlier {
            return Err(FaultReason::NotRising {
                earlier: earlier.to_string(),
                later: later.to_string(),
            });
        }
        earlier = *later;
    }
    if earlier != Stratum::ALL {
        return Err(FaultReason::NoTop(earlier.to_string()));
    }
    Ok(steps)
}

fn freezes(text: &str) -> Result<Vec<Freeze>, FaultReason> {
    let written = text.split([';', '\n']).map(str::trim);
    let freezes: Vec<_> = written
        .filter(|one| !one.is_empty())
        .map(str::parse)
        .collect::<Result<_, _>>()?;
    at_most(freezes.len(), FREEZES_MAX)?;
    Ok(freezes)
}

fn at_most(count: usize, max: usize) -> Result<(), FaultReason> {
    if count > max {
        return Err(FaultReason::TooMany { count, max });
    }
    Ok(())
}

//! Rules as parsed: what they match, what they do, where they come from.

use crate::condition::Condition;
use crate::fault::{FaultReason, Faults};
use crate::filters::Filters;
use crate::forward::{Forward, Resolver};
use crate::host::HostMatch;
use crate::parse;
use crate::path::PathMatch;
use crate::redirect::Redirect;
use crate::spec::{ActionSpec, FiltersSpec, MatchSpec, OriginSpec, RuleSpec};
use http::StatusCode;
use std::sync::Arc;

/// The most alternatives of one rule: Gateway API has 64, and each of an Ingress's hosts may take some.
const ALTERNATIVES_MAX: usize = 1_024;

/// The longest body of an answer of our own. It is held in memory by every proxy.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// What to do with some requests.
#[derive(Debug)]
pub struct Rule {
    spec: Arc<RuleSpec>,
    alternatives: Arc<[Alternative]>,
    action: Action,
    filters: Arc<Filters>,
}

/// One way to fall under a rule.
#[derive(Debug)]
pub(crate) struct Alternative {
    pub(crate) host: HostMatch,
    pub(crate) path: PathMatch,
    pub(crate) conditions: Box<[Condition]>,
}

/// What a rule does.
#[derive(Clone, Debug)]
pub enum Action {
    /// Passes the request on to a version.
    Forward(Forward),
    /// Answers with a redirect.
    Redirect(Redirect),
    /// Answers with a status and a text of our own.
    Respond {
        /// The status code, 200 to 599.
        status: StatusCode,
        /// The body, as `text/plain`.
        body: String,
    },
}

impl Rule {
    /// Unique and stable over updates.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.spec.id
    }

    /// The object it came from.
    #[must_use]
    pub fn origin(&self) -> &OriginSpec {
        &self.spec.origin
    }

    /// What it asks of requests, as it was written: alternatives, at least one.
    #[must_use]
    pub fn matches(&self) -> &[MatchSpec] {
        &self.spec.matches
    }

    /// What is done.
    #[must_use]
    pub fn action(&self) -> &Action {
        &self.action
    }

    /// What happens before and after.
    #[must_use]
    pub fn filters(&self) -> &Arc<Filters> {
        &self.filters
    }

    pub(crate) fn alternatives(&self) -> &[Alternative] {
        &self.alternatives
    }

    /// Whether it is the same rule but for its backends' endpoints, so that the same requests fall under it.
    pub(crate) fn matches_as(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.alternatives, &other.alternatives)
    }

    /// Every condition that the rule asks, to be found or to force a version.
    pub(crate) fn conditions(&self) -> impl Iterator<Item = &Condition> {
        let forced = match &self.action {
            Action::Forward(forward) => Some(forward.conditions()),
            Action::Redirect(_) | Action::Respond { .. } => None,
        };
        let found = self.alternatives.iter().flat_map(|a| &a.conditions);
        found.chain(forced.into_iter().flatten())
    }

    /// The rule of the next table. `before` is the one of the same id until now: as it is where nothing changed, and
    /// with all that still holds otherwise.
    pub(crate) fn next(
        spec: &RuleSpec,
        before: Option<&Arc<Self>>,
        resolver: &Resolver<'_>,
        faults: &mut Faults,
    ) -> Option<Arc<Self>> {
        match before {
            Some(before) if *before.spec == *spec => before.moved(resolver, faults),
            _ => Self::parse(spec, before.map(|rule| &**rule), resolver, faults).map(Arc::new),
        }
    }

    /// The same rule among other backends.
    fn moved(self: &Arc<Self>, resolver: &Resolver<'_>, faults: &mut Faults) -> Option<Arc<Self>> {
        let (ActionSpec::Forward(spec), Action::Forward(forward)) =
            (&self.spec.action, &self.action)
        else {
            return Some(self.clone());
        };
        if forward.stays(spec, resolver) {
            return Some(self.clone());
        }
        let forward = faults.within("action", |faults| {
            forward.moved(spec, self.origin(), resolver, faults)
        })?;
        Some(Arc::new(Self {
            spec: self.spec.clone(),
            alternatives: self.alternatives.clone(),
            action: Action::Forward(forward),
            filters: self.filters.clone(),
        }))
    }

    fn parse(
        spec: &RuleSpec,
        before: Option<&Self>,
        resolver: &Resolver<'_>,
        faults: &mut Faults,
    ) -> Option<Self> {
        let alternatives = Alternative::parse_all(&spec.matches, faults);
        let before = before.map(|rule| &rule.action);
        let action = faults.within("action", |faults| {
            Action::parse(spec, before, resolver, faults)
        });
        let filters = faults.within("filters", |faults| {
            let paths = alternatives.iter().flatten().map(|a| &a.path);
            filters(&spec.filters, paths, resolver, faults)
        });
        Some(Self {
            spec: Arc::new(spec.clone()),
            alternatives: alternatives?.into(),
            action: action?,
            filters: filters?,
        })
    }
}

fn filters<'a>(
    spec: &FiltersSpec,
    paths: impl Iterator<Item = &'a PathMatch>,
    resolver: &Resolver<'_>,
    faults: &mut Faults,
) -> Option<Arc<Filters>> {
    let depends_on_paths = spec.rewrite.is_some();
    let parse = || Filters::parse(spec, paths, faults).map(Arc::new);
    if depends_on_paths {
        return parse();
    }
    resolver.common.filters.get(spec, parse)
}

impl Alternative {
    fn parse_all(specs: &[MatchSpec], faults: &mut Faults) -> Option<Vec<Self>> {
        if specs.is_empty() {
            faults.within("matches", |faults| faults.add(FaultReason::Nothing));
            return None;
        }
        faults.each("matches", specs, ALTERNATIVES_MAX, Self::parse)
    }

    fn parse(spec: &MatchSpec, faults: &mut Faults) -> Option<Self> {
        let host = faults.within("host", |faults| HostMatch::parse(&spec.host, faults));
        let path = faults.within("path", |faults| PathMatch::parse(&spec.path, faults));
        let conditions = Condition::parse_all("conditions", &spec.conditions, faults);
        Some(Self {
            host: host?,
            path: path?,
            conditions: conditions?,
        })
    }
}

impl Action {
    fn parse(
        spec: &RuleSpec,
        before: Option<&Self>,
        resolver: &Resolver<'_>,
        faults: &mut Faults,
    ) -> Option<Self> {
        let before = match before {
            Some(Self::Forward(forward)) => Some(forward),
            _ => None,
        };
        match &spec.action {
            ActionSpec::Forward(forward) => {
                Forward::parse(forward, &spec.origin, resolver, before, faults).map(Self::Forward)
            }
            ActionSpec::Redirect(redirect) => Redirect::parse(redirect, faults).map(Self::Redirect),
            ActionSpec::Respond { status, body } => respond(*status, body, faults),
        }
    }
}

fn respond(status: u16, body: &str, faults: &mut Faults) -> Option<Action> {
    let valid = parse::within(u64::from(status), 200, 599);
    let valid = faults.check("status", valid);
    let body = faults.check("body", parse::short(body, BODY_BYTES_MAX));
    let status = valid.and_then(|_| StatusCode::from_u16(status).ok());
    Some(Action::Respond {
        status: status?,
        body: body?.to_owned(),
    })
}

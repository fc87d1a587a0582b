//! Which version gets a request, and how it is passed on, as parsed.
//!
//! The choice itself is in `choose`, that for a second attempt in `again`, the line that sticky users stand on in `line`, their tickets in `ticket`.

mod again;
mod balance;
mod choose;
mod forced;
mod line;
mod options;
mod split;
mod ticket;
mod version;

pub use balance::{Balance, HashKey};
pub use choose::{By, Choice, Empty};
pub use options::{Mirror, Sticky, Timeouts};
pub use ticket::TicketKey;
pub use version::Version;

pub(crate) use choose::Call;
pub(crate) use version::Resolver;

use crate::condition::Condition;
use crate::fault::Faults;
use crate::schedule::VersionIndex;
use crate::spec::{AffinitySpec, ForwardSpec, OnEmpty, OriginSpec, RetrySpec};
use forced::Forced;
use split::Split;
use std::sync::Arc;

/// What a rule does with requests that it passes on.
///
/// Two pointers, so that who keeps something of many rules side by side can keep it by value: requests of most rules look
/// at nothing but what rules have in common.
#[derive(Clone, Debug)]
pub struct Forward {
    common: Arc<Alike>,
    own: Arc<Own>,
}

/// What rules that are written alike have in common.
#[derive(Debug)]
pub(crate) struct Alike {
    versions: Arc<[Version]>,
    options: Arc<Options>,
    /// The version that gets all that is split, where one alone has a share: then nothing is counted.
    only: Option<VersionIndex>,
    /// Whether a version with a share has a ready endpoint. Then nobody else's terminating ones are asked: they may be
    /// gone the next moment.
    any_ready: bool,
}

/// What each rule has for itself.
#[derive(Debug)]
struct Own {
    split: Split,
    /// Sticky positions hold within it.
    scope: Box<str>,
}

/// All that does not depend on endpoints, and so is shared between tables that differ in nothing else, and between rules
/// that are written alike.
#[derive(Debug)]
pub(crate) struct Options {
    forced: Box<[Forced]>,
    sticky: Option<Sticky>,
    on_empty: OnEmpty,
    mirrors: Box<[Mirror]>,
    balance: Balance,
    affinity: Option<AffinitySpec>,
    timeouts: Timeouts,
    retry: RetrySpec,
}

impl Forward {
    /// `before` is what the rule of the same id did until now: an unchanged split goes on where it was.
    pub(crate) fn parse(
        spec: &ForwardSpec,
        origin: &OriginSpec,
        resolver: &Resolver<'_>,
        before: Option<&Self>,
        faults: &mut Faults,
    ) -> Option<Self> {
        let options = |faults: &mut Faults| Options::parse(spec, resolver, faults).map(Arc::new);
        let common = Alike::of(spec, options, resolver, faults);
        let split = faults.within("versions", |faults| {
            Split::parse(&spec.versions, resolver, before, faults)
        });
        Some(Self {
            common: common?,
            own: Arc::new(Own {
                split: split?,
                scope: scope(origin, resolver.rule),
            }),
        })
    }

    /// Whether all backends are what and where they were.
    pub(crate) fn stays(&self, spec: &ForwardSpec, resolver: &Resolver<'_>) -> bool {
        self.versions()
            .iter()
            .all(|version| version.stays(resolver))
            && self.mirrors_stay(spec, resolver)
    }

    fn mirrors_stay(&self, spec: &ForwardSpec, resolver: &Resolver<'_>) -> bool {
        let mut mirrors = spec.mirrors.iter().zip(self.mirrors());
        mirrors.all(|(spec, mirror)| resolver.place(&spec.backend) == Some(mirror.backend()))
    }

    /// The same by its spec, among other backends.
    pub(crate) fn moved(
        &self,
        spec: &ForwardSpec,
        origin: &OriginSpec,
        resolver: &Resolver<'_>,
        faults: &mut Faults,
    ) -> Option<Self> {
        if !self.mirrors_stay(spec, resolver) {
            return Self::parse(spec, origin, resolver, Some(self), faults);
        }
        let options = |_: &mut Faults| Some(self.common.options.clone());
        let common = Alike::of(spec, options, resolver, faults);
        let split = Split::parse(&spec.versions, resolver, Some(self), faults);
        Some(Self {
            common: common?,
            own: Arc::new(Own {
                split: split?,
                scope: self.own.scope.clone(),
            }),
        })
    }

    /// The versions; the first is the stable one.
    #[must_use]
    pub fn versions(&self) -> &[Version] {
        &self.common.versions
    }

    /// What happens when the chosen version has no endpoint.
    #[must_use]
    pub fn on_empty(&self) -> OnEmpty {
        self.options().on_empty
    }

    fn options(&self) -> &Options {
        &self.common.options
    }

    /// Copies of requests.
    #[must_use]
    pub fn mirrors(&self) -> &[Mirror] {
        &self.options().mirrors
    }

    /// How an endpoint is chosen inside a version.
    #[must_use]
    pub fn balance(&self) -> &Balance {
        &self.options().balance
    }

    /// A cookie that keeps a client on one endpoint.
    #[must_use]
    pub fn affinity(&self) -> Option<&AffinitySpec> {
        self.options().affinity.as_ref()
    }

    /// Time limits.
    #[must_use]
    pub fn timeouts(&self) -> &Timeouts {
        &self.options().timeouts
    }

    /// Second tries.
    #[must_use]
    pub fn retry(&self) -> RetrySpec {
        self.options().retry
    }

    /// How users are kept on a version.
    #[must_use]
    pub fn sticky(&self) -> Option<&Sticky> {
        self.options().sticky.as_ref()
    }

    /// The conditions of forced routing.
    pub(crate) fn conditions(&self) -> impl Iterator<Item = &Condition> {
        self.options().forced.iter().flat_map(Forced::conditions)
    }
}

impl Alike {
    /// What there is for rules of this spec, or else is made with these options.
    fn of(
        spec: &ForwardSpec,
        options: impl FnOnce(&mut Faults) -> Option<Arc<Options>>,
        resolver: &Resolver<'_>,
        faults: &mut Faults,
    ) -> Option<Arc<Self>> {
        let make = || Self::parse(spec, options, resolver, faults).map(Arc::new);
        resolver.common.forwards.get(spec, make)
    }

    fn parse(
        spec: &ForwardSpec,
        options: impl FnOnce(&mut Faults) -> Option<Arc<Options>>,
        resolver: &Resolver<'_>,
        faults: &mut Faults,
    ) -> Option<Self> {
        let versions = version::parse_all(&spec.versions, resolver, faults);
        let options = options(faults);
        Some(Self {
            versions: versions?,
            options: options?,
            only: split::only(&spec.versions),
            any_ready: split::any_ready(&spec.versions, resolver),
        })
    }
}

impl Options {
    fn parse(spec: &ForwardSpec, resolver: &Resolver<'_>, faults: &mut Faults) -> Option<Self> {
        let forced = Forced::parse_all(&spec.forced, &spec.versions, faults);
        let sticky = faults.option("sticky", spec.sticky.as_ref(), Sticky::parse);
        let mirrors = Mirror::parse_all(&spec.mirrors, resolver, faults);
        let balance = faults.within("balance", |faults| Balance::parse(&spec.balance, faults));
        let affinity = faults.option("affinity", spec.affinity.as_ref(), options::affinity);
        let timeouts = faults.within("timeouts", |faults| Timeouts::parse(&spec.timeouts, faults));
        let retry = faults.within("retry", |faults| options::retry(spec.retry, faults));
        Some(Self {
            forced: forced?,
            sticky: sticky?,
            on_empty: spec.on_empty,
            mirrors: mirrors?,
            balance: balance?,
            affinity: affinity?,
            timeouts: timeouts?,
            retry: retry?,
        })
    }
}

/// What a sticky position is good for: every rule of one Service, so that the page and its API calls, which are often
/// two rules, come from the same version; where there is no Service, the rule.
fn scope(origin: &OriginSpec, rule: &str) -> Box<str> {
    if origin.service.is_empty() {
        return format!("rule {rule}").into();
    }
    format!("service {}/{}", origin.namespace, origin.service).into()
}

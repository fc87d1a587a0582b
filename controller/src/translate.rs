//! From objects to a route table: pure, the same in `serve`, in `check` and beside a cluster.

use crate::class::Classes;
use crate::decided::Decided;
use crate::derive;
use crate::endpoints::{Found, Scene};
use crate::ingress::KnownIngress;
use crate::lookup::Lookup;
use crate::objects::Objects;
use crate::problem::Problem;
use crate::release::Releases;
use crate::{canary, rules, tls};
use haldane_routing::spec::TableSpec;
use std::collections::HashSet;
use std::rc::Rc;

/// What the person who runs Haldane decides, rather than the one who writes an Ingress.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The class of Ingresses that are served, beside those of IngressClasses whose controller is
    /// [`crate::CONTROLLER`].
    pub class: String,
    /// Whether Services of type ExternalName, and host names in EndpointSlices, are passed on to. Whoever may write
    /// such an object then chooses where the proxy connects to.
    pub allow_external_name: bool,
    /// Without a cluster: Ingresses without a class are served, endpoints may be on loopback, Pods stand for endpoints
    /// where a Service has no EndpointSlice, and the labels of an EndpointSlice stand for those of pods that are not there.
    pub standalone: bool,
    /// Whether the Deployment of an aborted version may be written to, where `on-abort` asks for it.
    pub on_abort_writes: bool,
}

impl Default for Options {
    /// Beside a cluster, class `haldane`.
    fn default() -> Self {
        Self {
            class: "haldane".to_owned(),
            allow_external_name: false,
            standalone: false,
            on_abort_writes: false,
        }
    }
}

/// A table, and everything that is wrong with what it was made from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Translation {
    /// What can be served. Objects with an error are not in it.
    pub table: TableSpec,
    /// Each problem once, in the order of the objects.
    pub problems: Vec<Problem>,
    /// The rollouts that are asked for.
    pub(crate) releases: Releases,
}

impl Translation {
    /// Whether anything that was asked for is not in the table.
    pub fn has_errors(&self) -> bool {
        self.problems.iter().any(Problem::is_error)
    }
}

/// Makes the route table that `objects` describe. The same objects and options always make the same table.
///
/// Never fails: what is invalid is left out and reported. Rules that name a Service that is not there answer 503.
pub fn translate(objects: &Objects, options: &Options) -> Translation {
    translate_decided(objects, options, &Decided::default())
}

/// The same, with what was decided about the versions that are being released.
pub(crate) fn translate_decided(
    objects: &Objects,
    options: &Options,
    decided: &Decided,
) -> Translation {
    let mut problems = Vec::new();
    let lookup = Lookup::new(objects, &mut problems);
    let ingresses = by_age(objects, options, &lookup, &mut problems);
    let (canaries, mains): (Vec<_>, Vec<_>) = ingresses
        .into_iter()
        .partition(|ingress| ingress.settings.canary.is_some());
    let mut places = derive::places(&mains, &lookup, &mut problems);
    for canary in &canaries {
        canary::attach(canary, &mut places, &mut problems);
    }
    let (certificates, covered) = tls::certificates(&mains, &lookup, &mut problems);
    let found = Found::default();
    let scene = Scene {
        lookup: &lookup,
        options,
        decided,
        found: &found,
    };
    let made = rules::rules(scene, &places, &covered, &mut problems);
    Translation {
        table: TableSpec {
            rules: made.rules,
            backends: made.backends,
            certificates,
        },
        problems: once_each(problems),
        releases: made.releases,
    }
}

/// The valid Ingresses of our class, the oldest first.
fn by_age<'a>(
    objects: &'a Objects,
    options: &Options,
    lookup: &Lookup<'a>,
    problems: &mut Vec<Problem>,
) -> Vec<Rc<KnownIngress<'a>>> {
    let classes = Classes::new(objects, options);
    let mut ingresses = Vec::new();
    for (place, ingress) in objects.ingresses.iter().enumerate() {
        if classes.serves(ingress, problems) {
            ingresses.extend(KnownIngress::read(ingress, place, lookup, problems).map(Rc::new));
        }
    }
    ingresses.sort_by_key(|ingress| (ingress.created, ingress.title()));
    ingresses
}

/// An object that several rules use has its faults found several times.
fn once_each(mut problems: Vec<Problem>) -> Vec<Problem> {
    let mut seen = HashSet::new();
    problems.retain(|problem| seen.insert(problem.clone()));
    problems
}

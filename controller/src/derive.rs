//! Which places an Ingress asks for: those its rules name, and those that follow from its default backend and its
//! annotations.

use crate::annotations::values::is_dns_name;
use crate::annotations::{HALDANE, NGINX};
use crate::ingress::{Key, KnownIngress};
use crate::lookup::{Found, Lookup};
use crate::objects::Described;
use crate::places::{Place, Places, Purpose};
use crate::problem::{Problem, Spot};
use haldane_routing::spec::RedirectSpec;
use std::rc::Rc;

/// Found, as `app-root` has it there.
const APP_ROOT_STATUS: u16 = 302;

/// Permanent and with the method kept, as `from-to-www-redirect` has it there.
const WWW_STATUS: u16 = 308;

/// Takes the places of all ordinary Ingresses, which stand in the order of age.
pub(crate) fn places<'a>(
    mains: &[Rc<KnownIngress<'a>>],
    lookup: &Lookup<'a>,
    problems: &mut Vec<Problem>,
) -> Places<'a> {
    let mut places = Places::default();
    for main in mains {
        claim_app_root(main, &mut places, problems);
        claim_written(main, &mut places, problems);
    }
    for main in mains {
        claim_default(main, &mut places, problems);
    }
    for main in mains {
        claim_aliases(main, &mut places, problems);
        claim_previews(main, lookup, &mut places, problems);
    }
    for main in mains {
        claim_www(main, &mut places);
    }
    places
}

fn claim_written<'a>(
    main: &Rc<KnownIngress<'a>>,
    places: &mut Places<'a>,
    problems: &mut Vec<Problem>,
) {
    for written in &main.written {
        let spot = main.subject.at(written.field.as_str());
        places.claim(
            Place::new(
                main,
                written.key.clone(),
                spot,
                Purpose::Forward(written.backend),
            ),
            problems,
        );
    }
}

/// Before the rules: it comes first there, too.
fn claim_app_root<'a>(
    main: &Rc<KnownIngress<'a>>,
    places: &mut Places<'a>,
    problems: &mut Vec<Problem>,
) {
    let Some(root) = &main.settings.hosts.app_root else {
        return;
    };
    for host in main.hosts() {
        let key = Key {
            exact: true,
            ..Key::root(host)
        };
        let redirect = RedirectSpec {
            status: APP_ROOT_STATUS,
            path: Some(root.clone()),
            ..RedirectSpec::default()
        };
        let purpose = Purpose::Redirect(redirect, "app-root");
        places.claim(
            Place::new(main, key, annotation(main, "app-root"), purpose),
            problems,
        );
    }
}

/// On the Ingress's own hosts and on every other.
fn claim_default<'a>(
    main: &Rc<KnownIngress<'a>>,
    places: &mut Places<'a>,
    problems: &mut Vec<Problem>,
) {
    let spot = main.subject.at("spec.defaultBackend");
    let Some(backend) = main.default_backend else {
        if let Some(host) = main.bare_hosts.first() {
            let message = format!(
                "the rule for {host:?} has no paths, and there is no default backend: it does nothing"
            );
            problems.push(spot.warning(message));
        }
        return;
    };
    for host in main.hosts() {
        places.claim_if_free(Place::new(
            main,
            Key::root(host),
            spot.clone(),
            Purpose::Forward(backend),
        ));
    }
    let everywhere = Place::new(main, Key::root(""), spot, Purpose::Forward(backend));
    let own = |place: &Place<'_>| Rc::ptr_eq(&place.owner, main) && place.key == everywhere.key;
    if !places.iter().any(own) {
        places.claim(everywhere, problems);
    }
}

fn claim_aliases<'a>(
    main: &Rc<KnownIngress<'a>>,
    places: &mut Places<'a>,
    problems: &mut Vec<Problem>,
) {
    for alias in &main.settings.hosts.aliases {
        places.add_alias(main, alias, &annotation(main, "server-alias"), problems);
    }
}

/// Each path of the Ingress once more, on the host where the version to test is reached.
fn claim_previews<'a>(
    main: &Rc<KnownIngress<'a>>,
    lookup: &Lookup<'a>,
    places: &mut Places<'a>,
    problems: &mut Vec<Problem>,
) {
    let defaults = main.default_backend.map(|backend| (Key::root(""), backend));
    let written = main
        .written
        .iter()
        .map(|written| (written.key.clone(), written.backend));
    for (key, backend) in written.chain(defaults) {
        let service = backend
            .service
            .as_ref()
            .map(|service| lookup.service(main.namespace(), &service.name));
        let Some(Found::Service(service)) = service else {
            continue;
        };
        let Some(host) = main.settings.split.over(&service.settings).preview_host else {
            continue;
        };
        let key = Key {
            host: host.value,
            ..key
        };
        let place = Place::new(main, key, host.spot, Purpose::Preview(backend));
        // Several hosts of the Ingress have one preview host: their paths meet there.
        let own = |other: &Place<'_>| Rc::ptr_eq(&other.owner, main) && other.key == place.key;
        if !places.iter().any(own) {
            places.claim(place, problems);
        }
    }
}

/// Only to hosts that nobody serves, as there.
fn claim_www<'a>(main: &Rc<KnownIngress<'a>>, places: &mut Places<'a>) {
    if !main.settings.hosts.www {
        return;
    }
    let served = places.hosts();
    for host in main.hosts() {
        let other = host
            .strip_prefix("www.")
            .map_or_else(|| format!("www.{host}"), str::to_owned);
        if !is_dns_name(host) || !is_dns_name(&other) || served.contains(&other) {
            continue;
        }
        let redirect = RedirectSpec {
            status: WWW_STATUS,
            host: Some(host.to_owned()),
            ..RedirectSpec::default()
        };
        let spot = annotation(main, "from-to-www-redirect");
        places.claim_if_free(Place::new(
            main,
            Key::root(&other),
            spot,
            Purpose::Redirect(redirect, "www"),
        ));
    }
}

fn annotation(main: &KnownIngress<'_>, suffix: &str) -> Spot {
    let own = format!("{HALDANE}{suffix}");
    match main.source.annotation(&own) {
        Some(_) => main.subject.annotation(&own),
        None => main.subject.annotation(&format!("{NGINX}{suffix}")),
    }
}

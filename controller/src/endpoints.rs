//! The endpoints behind a Service port, with the labels that name their versions.
//!
//! They come from the Service's EndpointSlices; where it has none and we run without a cluster, from the Pods that its
//! selector selects.

mod pods;
mod slices;

use crate::decided::Decided;
use crate::limits::ENDPOINTS_MAX;
use crate::lookup::Lookup;
use crate::objects::{Described, Sourced};
use crate::problem::Problem;
use crate::translate::Options;
use crate::versions::Population;
use haldane_routing::address::Special;
use haldane_routing::spec::{EndpointSpec, EndpointState};
use k8s_openapi::api::core::v1::{Service, ServicePort};
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

/// An endpoint, and the labels of its pod.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Member<'a> {
    pub(crate) endpoint: EndpointSpec,
    /// `None` where its pod is not known, or not yet.
    pub(crate) labels: Option<&'a BTreeMap<String, String>>,
    /// When its pod was created, in seconds since 1970.
    pub(crate) born: Option<i64>,
}

/// All that the search for endpoints looks at, and what it found so far: many rules have one Service.
#[derive(Clone, Copy)]
pub(crate) struct Scene<'s, 'a> {
    pub(crate) lookup: &'s Lookup<'a>,
    pub(crate) options: &'s Options,
    pub(crate) decided: &'s Decided,
    pub(crate) found: &'s Found<'a>,
}

/// The endpoints by Service and port.
pub(crate) type Found<'a> = RefCell<HashMap<(String, i32), Rc<Population<'a>>>>;

impl<'a> Scene<'_, 'a> {
    /// Each address once, in the order of addresses, so that the same objects always make the same table.
    pub(crate) fn population(
        self,
        service: &'a Sourced<Service>,
        port: &ServicePort,
        problems: &mut Vec<Problem>,
    ) -> Rc<Population<'a>> {
        let subject = service.subject();
        let key = (subject.object.clone(), port.port);
        if let Some(population) = self.found.borrow().get(&key) {
            return Rc::clone(population);
        }
        let mut members = once_each(self.find(service, port, problems));
        if members.len() > ENDPOINTS_MAX {
            let message = format!(
                "has {} endpoints; those beyond {ENDPOINTS_MAX} get no requests",
                members.len()
            );
            problems.push(subject.at("").warning(message));
            members.truncate(ENDPOINTS_MAX);
        }
        let population = Rc::new(Population::new(service.name(), members));
        self.found.borrow_mut().insert(key, Rc::clone(&population));
        population
    }

    fn find(
        self,
        service: &'a Sourced<Service>,
        port: &ServicePort,
        problems: &mut Vec<Problem>,
    ) -> Vec<Member<'a>> {
        let slices = self.lookup.slices(service);
        if slices.is_empty() && self.options.standalone {
            pods::members(self, service, port, problems)
        } else {
            slices::members(self, slices, port, problems)
        }
    }
}

/// Several slices may hold one endpoint for a moment; it is ready if one of them says so.
fn once_each(found: Vec<Member<'_>>) -> Vec<Member<'_>> {
    let mut members = BTreeMap::new();
    for member in found {
        let known: &mut Member<'_> = members
            .entry(member.endpoint.address.clone())
            .or_insert_with(|| member.clone());
        if member.endpoint.state == EndpointState::Ready {
            known.endpoint.state = EndpointState::Ready;
        }
    }
    members.into_values().collect()
}

/// Where new connections may go. What is refused here is refused again by whoever connects; here it can be named.
pub(crate) fn reachable(address: IpAddr, options: &Options) -> Result<(), Special> {
    let ours = options.standalone && address.to_canonical().is_loopback();
    match Special::of(address).filter(|_| !ours) {
        Some(special) => Err(special),
        None => Ok(()),
    }
}

fn socket(address: &str, port: u16, options: &Options) -> Result<SocketAddr, String> {
    let address: IpAddr = address
        .parse()
        .map_err(|_| format!("{address:?} is not an IP address"))?;
    match reachable(address, options) {
        Ok(()) => Ok(SocketAddr::new(address.to_canonical(), port)),
        Err(reason) => Err(format!("{address} {reason}; it is left out")),
    }
}

/// Port 0 and what does not fit 16 bits are no ports.
pub(crate) fn port_number(port: i32) -> Option<u16> {
    u16::try_from(port).ok().filter(|port| *port > 0)
}

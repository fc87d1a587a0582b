//! Backends: groups of endpoints that serve one version of one Service port.

use crate::fault::{FaultReason, Faults};
use crate::parse;
use crate::spec::{Address, BackendSpec, EndpointSpec, EndpointState, Protocol, UpstreamTlsSpec};

/// The most endpoints of one backend. Kubernetes supports 5 000 pods behind one Service.
const ENDPOINTS_MAX: usize = 10_000;

/// A group of endpoints.
#[derive(Debug)]
pub struct Backend {
    spec: BackendSpec,
    serving: Box<[Address]>,
}

impl Backend {
    pub(crate) fn parse(spec: &BackendSpec, faults: &mut Faults) -> Option<Self> {
        let endpoints = faults.each(
            "endpoints",
            &spec.endpoints,
            ENDPOINTS_MAX,
            |spec, faults| faults.check("address", address(&spec.address)),
        );
        let tls = faults.within("tls", |faults| {
            faults.option(
                "server_name",
                spec.tls.server_name.as_ref(),
                |name, faults| faults.note(server_name(name)),
            )
        });
        endpoints.and(tls).map(|_| Self {
            serving: serving(&spec.endpoints),
            spec: spec.clone(),
        })
    }

    /// Unique in its table, and the same over updates.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.spec.name
    }

    /// What its endpoints speak.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        self.spec.protocol
    }

    /// How they are reached by TLS, where the protocol has it.
    #[must_use]
    pub fn tls(&self) -> &UpstreamTlsSpec {
        &self.spec.tls
    }

    /// Where new requests may go: the ready endpoints or, where none is ready, the terminating ones (KEP-1669).
    #[must_use]
    pub fn endpoints(&self) -> &[Address] {
        &self.serving
    }

    /// Whether new requests go to ready endpoints, not to terminating ones for want of any.
    pub(crate) fn is_ready(&self) -> bool {
        let mut states = self.spec.endpoints.iter().map(|endpoint| endpoint.state);
        states.any(|state| state == EndpointState::Ready)
    }

    pub(crate) fn is_of(&self, spec: &BackendSpec) -> bool {
        self.spec == *spec
    }
}

fn serving(endpoints: &[EndpointSpec]) -> Box<[Address]> {
    let in_state = |state| {
        let chosen = endpoints
            .iter()
            .filter(move |endpoint| endpoint.state == state);
        chosen.map(|endpoint| endpoint.address.clone())
    };
    let ready: Box<[Address]> = in_state(EndpointState::Ready).collect();
    if ready.is_empty() {
        return in_state(EndpointState::Terminating).collect();
    }
    ready
}

fn address(address: &Address) -> Result<(), FaultReason> {
    let port = match address {
        Address::Socket(address) => address.port(),
        Address::Name(name, port) => {
            parse::host(name)?;
            *port
        }
    };
    parse::within(u64::from(port), 1, u64::from(u16::MAX)).map(drop)
}

/// What certificates are verified for: a name or, in private networks, an address.
fn server_name(written: &str) -> Result<(), FaultReason> {
    if written.parse::<std::net::IpAddr>().is_ok() {
        return Ok(());
    }
    parse::host(written).map(drop)
}

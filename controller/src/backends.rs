//! Collects the backends that rules name, each once.

use crate::service::Resolved;
use haldane_routing::spec::{BackendSpec, EndpointSpec, UpstreamTlsSpec};
use std::collections::BTreeMap;

/// The backends by name.
#[derive(Default)]
pub(crate) struct Backends(BTreeMap<String, BackendSpec>);

impl Backends {
    /// Takes in the endpoints of one version and returns the backend's name. The name follows from everything that
    /// the content follows from, so the same name always means the same content.
    pub(crate) fn add(
        &mut self,
        resolved: &Resolved,
        version: &str,
        endpoints: &[EndpointSpec],
        tls: &UpstreamTlsSpec,
    ) -> String {
        let name = format!("{} {version}{}", resolved.title, resolved.variant);
        let spec = || BackendSpec {
            name: name.clone(),
            protocol: resolved.protocol,
            endpoints: endpoints.to_vec(),
            tls: tls.clone(),
        };
        self.0.entry(name.clone()).or_insert_with(spec);
        name
    }

    pub(crate) fn into_specs(self) -> Vec<BackendSpec> {
        self.0.into_values().collect()
    }
}

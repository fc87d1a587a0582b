//! All that the annotations of one Ingress say, parsed.

use crate::annotations::affinity;
use crate::annotations::canary::{self, CanarySettings};
use crate::annotations::filters::{self, HttpsRedirect, PathSettings};
use crate::annotations::hosts::HostSettings;
use crate::annotations::split::SplitSettings;
use crate::annotations::upstream::UpstreamSettings;
use crate::annotations::{Reader, names, redirect};
use crate::lookup::SecretsOf;
use crate::problem::{Problem, Subject};
use haldane_routing::spec::{AffinitySpec, FiltersSpec, RedirectSpec};
use std::collections::BTreeMap;

/// What an Ingress asks for beside its spec.
#[derive(Clone, Debug)]
pub(crate) struct IngressSettings {
    /// `None` for an ordinary Ingress.
    pub(crate) canary: Option<CanarySettings>,
    pub(crate) split: SplitSettings,
    pub(crate) upstream: UpstreamSettings,
    pub(crate) filters: FiltersSpec,
    pub(crate) https: HttpsRedirect,
    pub(crate) path: PathSettings,
    pub(crate) redirect: Option<RedirectSpec>,
    pub(crate) hosts: HostSettings,
    pub(crate) affinity: Option<AffinitySpec>,
}

impl IngressSettings {
    /// Reports what is wrong; an error means that the Ingress must not be served.
    pub(crate) fn read(
        annotations: Option<&BTreeMap<String, String>>,
        subject: &Subject,
        secrets: &SecretsOf<'_>,
    ) -> (Self, Vec<Problem>) {
        let mut reader = Reader::new(annotations, subject);
        names::check_ingress(&mut reader);
        let canary = canary::read(&mut reader);
        let settings = match canary {
            Some(canary) => Self::of_canary(canary, &mut reader, secrets),
            None => Self::of_main(&mut reader, secrets),
        };
        (settings, reader.into_problems())
    }

    fn of_main(reader: &mut Reader<'_>, secrets: &SecretsOf<'_>) -> Self {
        Self {
            canary: None,
            split: SplitSettings::read(reader),
            upstream: UpstreamSettings::read(reader, secrets),
            filters: filters::read(reader, secrets),
            https: filters::https_redirect(reader),
            path: PathSettings::read(reader),
            redirect: redirect::read(reader),
            hosts: HostSettings::read(reader),
            affinity: affinity::read(reader),
        }
    }

    /// A canary takes everything but its Service and its share from its main. What tools copy onto it from there is
    /// not even parsed; only how its Service is reached is its own.
    fn of_canary(canary: CanarySettings, reader: &mut Reader<'_>, secrets: &SecretsOf<'_>) -> Self {
        let upstream = UpstreamSettings::read(reader, secrets);
        Self {
            canary: Some(canary),
            split: SplitSettings::default(),
            upstream: UpstreamSettings {
                service_upstream: upstream.service_upstream,
                ..UpstreamSettings::default()
            },
            filters: FiltersSpec::default(),
            https: HttpsRedirect::default(),
            path: PathSettings::default(),
            redirect: None,
            hosts: HostSettings::default(),
            affinity: None,
        }
    }
}

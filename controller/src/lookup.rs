//! Finds objects by namespace and name.

use crate::annotations::split::SplitSettings;
use crate::annotations::{Reader, names};
use crate::objects::{Described, Objects, Sourced};
use crate::problem::{Problem, Refused, Subject};
use k8s_openapi::api::core::v1::{Pod, Secret, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use std::collections::{BTreeMap, HashMap};

/// The label that says to which Service an EndpointSlice belongs.
const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// Values by namespace and name (or another text).
struct Named<'a, T>(HashMap<&'a str, HashMap<&'a str, T>>);

impl<T> Default for Named<'_, T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<'a, T> Named<'a, T> {
    fn get(&self, namespace: &str, name: &str) -> Option<&T> {
        self.0.get(namespace)?.get(name)
    }

    fn insert(&mut self, namespace: &'a str, name: &'a str, value: T) {
        self.0.entry(namespace).or_default().insert(name, value);
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'a, T> Named<'a, Vec<T>> {
    fn push(&mut self, namespace: &'a str, name: &'a str, value: T) {
        self.0
            .entry(namespace)
            .or_default()
            .entry(name)
            .or_default()
            .push(value);
    }

    fn list(&self, namespace: &str, name: &str) -> &[T] {
        self.get(namespace, name)
            .map(Vec::as_slice)
            .unwrap_or_default()
    }
}

/// A Service whose annotations are valid.
#[derive(Debug)]
pub(crate) struct KnownService<'a> {
    pub(crate) source: &'a Sourced<Service>,
    pub(crate) subject: Subject,
    pub(crate) settings: SplitSettings,
}

/// All objects, by what they are asked for.
#[derive(Default)]
pub(crate) struct Lookup<'a> {
    services: Named<'a, Option<KnownService<'a>>>,
    slices: Named<'a, Vec<&'a Sourced<EndpointSlice>>>,
    pods: Named<'a, &'a Sourced<Pod>>,
    pods_of_namespace: HashMap<&'a str, Vec<&'a Sourced<Pod>>>,
    pods_of_address: Named<'a, Vec<&'a Sourced<Pod>>>,
    secrets: Named<'a, &'a Sourced<Secret>>,
}

/// What is known of a Service's name.
pub(crate) enum Found<'l, 'a> {
    Service(&'l KnownService<'a>),
    /// Its annotations are invalid, which has been reported.
    Invalid,
    Nothing,
}

impl<'a> Lookup<'a> {
    pub(crate) fn new(objects: &'a Objects, problems: &mut Vec<Problem>) -> Self {
        let mut lookup = Self::default();
        for service in &objects.services {
            let valid = known(service, problems);
            lookup
                .services
                .insert(service.namespace(), service.name(), valid);
        }
        for slice in &objects.endpoint_slices {
            lookup.add_slice(slice, problems);
        }
        for pod in &objects.pods {
            lookup.add_pod(pod);
        }
        for secret in &objects.secrets {
            lookup
                .secrets
                .insert(secret.namespace(), secret.name(), secret);
        }
        lookup
    }

    fn add_slice(&mut self, slice: &'a Sourced<EndpointSlice>, problems: &mut Vec<Problem>) {
        match slice.label(SERVICE_NAME) {
            Some(service) => self.slices.push(slice.namespace(), service, slice),
            None => {
                let message =
                    format!("the label {SERVICE_NAME} is missing, so it belongs to no Service");
                problems.push(slice.subject().at("metadata.labels").warning(message));
            }
        }
    }

    fn add_pod(&mut self, pod: &'a Sourced<Pod>) {
        let namespace = pod.namespace();
        self.pods.insert(namespace, pod.name(), pod);
        self.pods_of_namespace
            .entry(namespace)
            .or_default()
            .push(pod);
        for address in addresses(&pod.object) {
            self.pods_of_address.push(namespace, address, pod);
        }
    }

    pub(crate) fn service(&self, namespace: &str, name: &str) -> Found<'_, 'a> {
        match self.services.get(namespace, name) {
            Some(Some(service)) => Found::Service(service),
            Some(None) => Found::Invalid,
            None => Found::Nothing,
        }
    }

    pub(crate) fn slices(&self, service: &Sourced<Service>) -> &[&'a Sourced<EndpointSlice>] {
        self.slices.list(service.namespace(), service.name())
    }

    pub(crate) fn pod(&self, namespace: &str, name: &str) -> Option<&'a Sourced<Pod>> {
        self.pods.get(namespace, name).copied()
    }

    /// The pod with this address, if only one has it: on a laptop all may have the same.
    pub(crate) fn pod_at(&self, namespace: &str, address: &str) -> Option<&'a Sourced<Pod>> {
        match self.pods_of_address.list(namespace, address) {
            [pod] => Some(pod),
            _ => None,
        }
    }

    pub(crate) fn pods(&self, namespace: &str) -> &[&'a Sourced<Pod>] {
        self.pods_of_namespace
            .get(namespace)
            .map(Vec::as_slice)
            .unwrap_or_default()
    }

    /// Whether anything at all is known about endpoints: in a repository of manifests, nothing is.
    pub(crate) fn knows_endpoints(&self) -> bool {
        !self.slices.is_empty() || !self.pods.is_empty()
    }

    pub(crate) fn secret(&self, namespace: &str, name: &str) -> Option<&'a Sourced<Secret>> {
        self.secrets.get(namespace, name).copied()
    }

    /// The Secrets that objects of one namespace may name: those of that namespace.
    pub(crate) fn secrets_of<'s>(&'s self, namespace: &'s str) -> SecretsOf<'s> {
        SecretsOf {
            lookup: self,
            namespace,
        }
    }
}

/// Every address that a pod has.
pub(crate) fn addresses(pod: &Pod) -> Vec<&str> {
    let Some(status) = &pod.status else {
        return Vec::new();
    };
    let all = status
        .pod_ips
        .iter()
        .flatten()
        .map(|address| address.ip.as_str());
    let mut addresses: Vec<_> = status.pod_ip.as_deref().into_iter().chain(all).collect();
    addresses.sort_unstable();
    addresses.dedup();
    addresses
}

/// `None` if an annotation is at fault, which is reported.
fn known<'a>(
    service: &'a Sourced<Service>,
    problems: &mut Vec<Problem>,
) -> Option<KnownService<'a>> {
    let subject = service.subject();
    let mut reader = Reader::new(service.object.metadata.annotations.as_ref(), &subject);
    names::check_service(&mut reader);
    let settings = SplitSettings::read(&mut reader);
    let found = reader.into_problems();
    let valid = !found.iter().any(Problem::is_error);
    problems.extend(found);
    valid.then_some(KnownService {
        source: service,
        subject,
        settings,
    })
}

/// The Secrets of one namespace.
#[derive(Clone, Copy)]
pub(crate) struct SecretsOf<'a> {
    lookup: &'a Lookup<'a>,
    namespace: &'a str,
}

impl SecretsOf<'_> {
    /// The text under one key of a Secret, which is named `NAME` or `NAMESPACE/NAME`.
    pub(crate) fn text(&self, reference: &str, key: &str) -> Result<String, Refused> {
        let entries = self.entries(reference)?;
        let text = entries
            .into_iter()
            .find(|(name, _)| name == key)
            .map(|(_, text)| text);
        text.ok_or_else(|| {
            Refused(format!(
                "Secret {reference:?} has no text under the key {key:?}"
            ))
        })
    }

    /// Every entry of a Secret that is text.
    pub(crate) fn entries(&self, reference: &str) -> Result<BTreeMap<String, String>, Refused> {
        let (namespace, name) = reference
            .split_once('/')
            .unwrap_or((self.namespace, reference));
        if namespace != self.namespace {
            return Refused::because(format!(
                "{reference:?} is in another namespace: an Ingress can only use Secrets of its own"
            ));
        }
        match self.lookup.secret(namespace, name) {
            Some(secret) => Ok(entries(&secret.object)),
            None => Refused::because(format!("there is no Secret {namespace}/{name}")),
        }
    }
}

/// `stringData` wins over `data`, as it does when the API server merges them.
pub(crate) fn entries(secret: &Secret) -> BTreeMap<String, String> {
    let data = secret.data.iter().flatten();
    let texts = data
        .filter_map(|(key, bytes)| Some((key.clone(), String::from_utf8(bytes.0.clone()).ok()?)));
    let written = secret
        .string_data
        .iter()
        .flatten()
        .map(|(key, text)| (key.clone(), text.clone()));
    texts.chain(written).collect()
}

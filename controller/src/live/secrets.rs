//! Which Secrets are needed: those that Ingresses of our class name, in their own namespace, and no others.

use super::name::{Kind, ObjectName};
use super::store::Store;
use crate::annotations::{HALDANE, NGINX};
use crate::class::Classes;
use crate::objects::Described;
use crate::translate::Options;
use k8s_openapi::api::networking::v1::Ingress;
use std::collections::{BTreeSet, HashMap};

/// The annotations whose value is a Secret's name, without their prefix.
const ANNOTATIONS: [&str; 2] = ["auth-secret", "proxy-ssl-secret"];

/// The longest name that Kubernetes takes (RFC 1123 subdomain), in bytes.
const NAME_BYTES_MAX: usize = 253;

/// The Secrets that each of our Ingresses names.
pub(crate) fn needed(
    store: &Store,
    options: &Options,
) -> HashMap<ObjectName, BTreeSet<ObjectName>> {
    let classes = Classes::new(store.objects(), options);
    let mut needed = HashMap::new();
    for ingress in &store.objects().ingresses {
        let secrets = named_by(&ingress.object);
        // What is wrong with the class is told by the translation.
        if !secrets.is_empty() && classes.serves(ingress, &mut Vec::new()) {
            let name = ObjectName::new(Kind::Ingress, ingress.namespace(), ingress.name());
            needed.insert(name, secrets);
        }
    }
    needed
}

/// The Secrets that an Ingress names: by `spec.tls` and by annotations.
pub(crate) fn named_by(ingress: &Ingress) -> BTreeSet<ObjectName> {
    let namespace = ingress.metadata.namespace.as_deref().unwrap_or_default();
    let spec = ingress.spec.as_ref();
    let certificates = spec.into_iter().flat_map(|spec| spec.tls.iter().flatten());
    let certificates = certificates.filter_map(|tls| tls.secret_name.as_deref());
    let annotations = ingress.metadata.annotations.iter().flatten();
    let annotations = annotations.filter(|(key, _)| names_secret(key));
    let annotated = annotations.map(|(_, value)| value.trim());
    certificates
        .chain(annotated)
        .filter_map(|written| own_name(written, namespace))
        .map(|name| ObjectName::new(Kind::Secret, namespace, name))
        .collect()
}

fn names_secret(key: &str) -> bool {
    let mut prefixes = [HALDANE, NGINX].into_iter();
    let suffix = prefixes.find_map(|prefix| key.strip_prefix(prefix));
    suffix.is_some_and(|suffix| ANNOTATIONS.contains(&suffix))
}

/// A Secret of another namespace is refused by the translation, so it is not even read. A name becomes part of a query,
/// so only what can be a name passes.
pub(super) fn own_name<'w>(written: &'w str, namespace: &str) -> Option<&'w str> {
    let name = match written.split_once('/') {
        Some((own, name)) if own == namespace => name,
        Some(_) => return None,
        None => written,
    };
    let known =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
    let is_name = !name.is_empty() && name.len() <= NAME_BYTES_MAX && name.bytes().all(known);
    is_name.then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::networking::v1::{IngressSpec, IngressTLS};

    #[test]
    fn only_names_of_the_own_namespace_are_looked_for() {
        // written, found
        let cases = [
            ("web-tls", Some("web-tls")),
            ("shop/web-tls", Some("web-tls")),
            ("bank/web-tls", None),
            ("", None),
            ("a,metadata.namespace=bank", None),
            ("A", None),
            ("shop/a/b", None),
        ];
        for (written, expected) in cases {
            assert_eq!(own_name(written, "shop"), expected, "{written}");
        }
    }

    #[test]
    fn certificates_and_passwords_are_needed() {
        let mut ingress = Ingress::default();
        ingress.metadata.namespace = Some("shop".to_owned());
        let annotations = [
            ("nginx.ingress.kubernetes.io/auth-secret", "passwords"),
            ("haldane.dev/proxy-ssl-secret", "shop/authority"),
            ("example.com/auth-secret", "foreign"),
        ];
        let owned = annotations.map(|(key, value)| (key.to_owned(), value.to_owned()));
        ingress.metadata.annotations = Some(owned.into());
        let tls = IngressTLS {
            secret_name: Some("web-tls".to_owned()),
            ..IngressTLS::default()
        };
        ingress.spec = Some(IngressSpec {
            tls: Some(vec![tls]),
            ..IngressSpec::default()
        });
        let names: Vec<_> = named_by(&ingress)
            .into_iter()
            .map(|name| name.name)
            .collect();
        assert_eq!(names, ["authority", "passwords", "web-tls"]);
    }
}

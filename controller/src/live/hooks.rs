//! Which webhooks the objects with rollouts name, and what their Secrets say.

use super::name::{Kind, ObjectName};
use super::secrets::own_name;
use super::store::Store;
use crate::annotations::HALDANE;
use crate::problem::{Problem, Subject};
use crate::webhooks::{Hook, HookFault, HookName};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// What names the Secret of a hook that is told of decisions, and of one that is asked before steps; without the prefix.
const NOTIFY: &str = "notify";
const GATE: &str = "gate";
/// What asks for rollouts.
const ROLLOUT: &str = "rollout";

/// The hooks of every object that names one.
pub(crate) type Hooks = HashMap<ObjectName, Hooked>;

/// The hooks of one object.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hooked {
    pub(crate) notify: Option<Found>,
    pub(crate) gate: Option<Found>,
}

/// A hook that is named, and what its Secret says.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) name: HookName,
    pub(crate) hook: Result<Hook, HookFault>,
}

/// The Secrets of all hooks that are named.
pub(crate) fn needed(store: &Store) -> BTreeSet<ObjectName> {
    let written = named(store).flat_map(|(_, metadata)| {
        let namespace = metadata.namespace.as_deref().unwrap_or_default();
        let hooks = [NOTIFY, GATE].into_iter();
        let names = hooks.filter_map(|suffix| annotation(metadata, suffix));
        names.filter_map(move |name| secret(namespace, name))
    });
    written.collect()
}

/// The hooks of all objects, as their Secrets are now.
pub(crate) fn read(store: &Store) -> Hooks {
    let hooks = named(store).map(|(object, metadata)| {
        let found = |suffix| {
            Some(found(
                store,
                &object.namespace,
                annotation(metadata, suffix)?,
            ))
        };
        let hooked = Hooked {
            notify: found(NOTIFY),
            gate: found(GATE),
        };
        (object.clone(), hooked)
    });
    hooks.collect()
}

/// What is wrong with them, at the objects that name them. A Secret that nobody has looked for yet is not missing.
pub(crate) fn problems(hooks: &Hooks, is_settled: impl Fn(&ObjectName) -> bool) -> Vec<Problem> {
    let faulty = |object: &ObjectName, suffix, found: &Option<Found>, what| {
        let Found { name, hook } = found.as_ref()?;
        let fault = hook.as_ref().err()?;
        let secret = secret(&name.namespace, &name.secret);
        let unsettled = secret.is_some_and(|secret| !is_settled(&secret));
        let subject = Subject {
            file: None,
            object: object.to_string(),
        };
        let spot = subject.annotation(&format!("{HALDANE}{suffix}"));
        (*fault != HookFault::Absent || !unsettled)
            .then(|| spot.warning(format!("{name}: {fault}: {what}")))
    };
    let mut problems: Vec<_> = hooks
        .iter()
        .flat_map(|(object, hooked)| {
            let gate = faulty(object, GATE, &hooked.gate, "no share goes up");
            let notify = faulty(object, NOTIFY, &hooked.notify, "nobody is told");
            gate.into_iter().chain(notify)
        })
        .collect();
    problems.sort();
    problems
}

/// The objects that ask for rollouts and name a hook.
fn named(store: &Store) -> impl Iterator<Item = (ObjectName, &ObjectMeta)> {
    let objects = store.objects();
    let services = objects.services.iter();
    let services = services.map(|service| (Kind::Service, &service.object.metadata));
    let ingresses = objects.ingresses.iter();
    let ingresses = ingresses.map(|ingress| (Kind::Ingress, &ingress.object.metadata));
    let asking = services.chain(ingresses).filter(|(_, metadata)| {
        let has = |suffix| annotation(metadata, suffix).is_some();
        has(ROLLOUT) && (has(NOTIFY) || has(GATE))
    });
    asking.map(|(kind, metadata)| {
        let namespace = metadata.namespace.as_deref().unwrap_or_default();
        let name = metadata.name.as_deref().unwrap_or_default();
        (ObjectName::new(kind, namespace, name), metadata)
    })
}

fn annotation<'m>(metadata: &'m ObjectMeta, suffix: &str) -> Option<&'m str> {
    let annotations: &BTreeMap<_, _> = metadata.annotations.as_ref()?;
    let value = annotations.get(&format!("{HALDANE}{suffix}"))?;
    Some(value.trim())
}

fn secret(namespace: &str, written: &str) -> Option<ObjectName> {
    let name = own_name(written, namespace)?;
    Some(ObjectName::new(Kind::Secret, namespace, name))
}

fn found(store: &Store, namespace: &str, written: &str) -> Found {
    let secret = secret(namespace, written);
    let data = secret.as_ref().and_then(|name| store.secret(name));
    let data = data.map(|secret| secret.data.clone().unwrap_or_default());
    Found {
        name: HookName {
            namespace: namespace.to_owned(),
            secret: secret.map_or_else(|| written.to_owned(), |name| name.name),
        },
        hook: data.map_or(Err(HookFault::Absent), |data| Hook::read(&data)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::form::Formed as _;
    use k8s_openapi::ByteString;
    use k8s_openapi::api::core::v1::{Secret, Service};

    fn service(annotations: &[(&str, &str)]) -> Service {
        let pairs = annotations.iter();
        let pairs = pairs.map(|(name, value)| (format!("{HALDANE}{name}"), (*value).to_owned()));
        let mut service = Service::default();
        service.metadata.name = Some("web".to_owned());
        service.metadata.namespace = Some("shop".to_owned());
        service.metadata.annotations = Some(pairs.collect());
        service
    }

    fn hook_secret(url: &str) -> Secret {
        let mut secret = Secret::default();
        secret.metadata.name = Some("chat".to_owned());
        secret.metadata.namespace = Some("shop".to_owned());
        let url = ByteString(url.as_bytes().to_vec());
        secret.data = Some([("url".to_owned(), url)].into());
        secret
    }

    #[test]
    fn only_hooks_of_rollouts_and_of_the_own_namespace_are_looked_for() {
        type Annotations<'c> = &'c [(&'c str, &'c str)];
        // annotations, the Secrets looked for
        let cases: [(Annotations<'_>, &[&str]); 5] = [
            (&[("notify", "chat")], &[]),
            (&[("rollout", "auto")], &[]),
            (&[("rollout", "auto"), ("notify", "chat")], &["chat"]),
            (
                &[
                    ("rollout", "auto"),
                    ("notify", "shop/chat"),
                    ("gate", "load"),
                ],
                &["chat", "load"],
            ),
            (&[("rollout", "auto"), ("gate", "bank/load")], &[]),
        ];
        for (annotations, expected) in cases {
            let mut store = Store::default();
            store.put(service(annotations).into_form());
            let needed = needed(&store).into_iter().map(|secret| secret.name);
            assert_eq!(needed.collect::<Vec<_>>(), expected, "{annotations:?}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_hook_is_told_at_the_object_once_it_is_known() {
        let all = |store: &Store, settled: bool| -> Vec<_> {
            let problems = problems(&read(store), |_| settled);
            problems.iter().map(ToString::to_string).collect()
        };
        let mut store = Store::default();
        let asked = [("rollout", "auto"), ("gate", "chat"), ("notify", "chat")];
        store.put(service(&asked).into_form());
        assert!(all(&store, false).is_empty(), "nobody has looked yet");
        assert_eq!(
            all(&store, true),
            [
                "Service shop/web: metadata.annotations[haldane.dev/gate]: Secret shop/chat: the Secret is not there, or may not be read: no share goes up",
                "Service shop/web: metadata.annotations[haldane.dev/notify]: Secret shop/chat: the Secret is not there, or may not be read: nobody is told",
            ]
        );
        store.put(hook_secret("no address").into_form());
        assert_eq!(all(&store, true).len(), 2);
        store.put(hook_secret("https://a.example/").into_form());
        assert!(all(&store, true).is_empty());
    }

    #[test]
    fn a_hook_follows_its_secret() {
        let mut store = Store::default();
        store.put(service(&[("rollout", "auto"), ("gate", "chat")]).into_form());
        let fault = |store: &Store| {
            let hooks = read(store);
            let hooked = hooks.values().next().expect("the Service names one");
            assert!(hooked.notify.is_none());
            let gate = hooked.gate.as_ref().expect("a gate is named");
            gate.hook.as_ref().err().copied()
        };
        assert_eq!(fault(&store), Some(HookFault::Absent));
        store.put(hook_secret("no address").into_form());
        assert_eq!(fault(&store), Some(HookFault::Url));
        store.put(hook_secret("https://a.example/").into_form());
        assert_eq!(fault(&store), None);
    }
}

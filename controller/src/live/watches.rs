//! All watches: those that run from the start, and one for each Secret that an Ingress names.

use super::change::{Change, Scope, Seen};
use super::form::Watched;
use super::keeper::SECRETS_MAX;
use super::metrics::Metrics;
use super::name::{Kind, ObjectName};
use super::watch::{self, Watch};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::{Pod, Secret, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::networking::v1::{Ingress, IngressClass};
use kube::core::PartialObjectMeta;
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Debug;
use std::sync::Arc;
use tokio::sync::{Notify, mpsc, watch as channel};
use tokio::task::{AbortHandle, JoinSet};

/// The kinds that are watched in each namespace.
const KINDS: usize = 4;

/// What every watch is given.
#[derive(Clone)]
pub(crate) struct Watches {
    pub(crate) client: Client,
    pub(crate) seen: mpsc::Sender<Seen>,
    pub(crate) metrics: Metrics,
    /// How long the API server keeps a watch before it ends it, in seconds.
    pub(crate) watch_s: u32,
}

/// The watches that run from the start. None of them ends before the index does.
#[derive(Default)]
pub(crate) struct Running {
    pub(crate) tasks: JoinSet<()>,
    /// Asks a watch to list once more.
    pub(crate) again: HashMap<Scope, Arc<Notify>>,
    /// How many they are.
    among: usize,
}

impl Watches {
    /// Watches what a table is made from, in these namespaces or, where none is given, in all.
    pub(crate) fn start(&self, namespaces: &[String]) -> Running {
        let everywhere = [None];
        let named: Vec<_> = namespaces.iter().map(|name| Some(name.as_str())).collect();
        let places = if named.is_empty() {
            &everywhere[..]
        } else {
            &named
        };
        let mut running = Running {
            among: 1 + KINDS * places.len(),
            ..Running::default()
        };
        self.start_classes(&mut running);
        for place in places {
            self.start_kind::<Ingress>(Kind::Ingress, *place, &mut running);
            self.start_kind::<Service>(Kind::Service, *place, &mut running);
            self.start_kind::<EndpointSlice>(Kind::EndpointSlice, *place, &mut running);
            self.start_kind::<PartialObjectMeta<Pod>>(Kind::Pod, *place, &mut running);
        }
        running
    }

    fn start_classes(&self, running: &mut Running) {
        let scope = Scope::all(Kind::IngressClass, None);
        let api = Api::<IngressClass>::all(self.client.clone());
        self.spawn(scope, api, running);
    }

    fn start_kind<K>(&self, kind: Kind, namespace: Option<&str>, running: &mut Running)
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
        K: Watched + Clone + DeserializeOwned + Debug + Send + 'static,
    {
        let client = self.client.clone();
        let api = match namespace {
            Some(namespace) => Api::<K>::namespaced(client, namespace),
            None => Api::<K>::all(client),
        };
        self.spawn(Scope::all(kind, namespace), api, running);
    }

    fn spawn<K>(&self, scope: Scope, api: Api<K>, running: &mut Running)
    where
        K: Resource + Watched + Clone + DeserializeOwned + Debug + Send + 'static,
    {
        let watch = self.watch(scope.clone(), running.among);
        running.again.insert(scope, watch.again.clone());
        running.tasks.spawn(watch::run(watch, api));
    }

    fn watch(&self, scope: Scope, among: usize) -> Watch {
        Watch {
            scope,
            seen: self.seen.clone(),
            again: Arc::default(),
            metrics: self.metrics.clone(),
            watch_s: self.watch_s,
            among,
        }
    }

    /// Watches each Secret that is wanted, by its name alone, for as long as it is wanted. Ends when nobody wants any more,
    /// or when one of the watches broke off, which only a fault of ours can bring about.
    pub(crate) async fn follow_secrets(self, mut wanted: channel::Receiver<BTreeSet<ObjectName>>) {
        let mut tasks = JoinSet::new();
        let mut watched = BTreeMap::<ObjectName, AbortHandle>::new();
        loop {
            tokio::select! {
                changed = wanted.changed() => if changed.is_err() { return },
                Some(ended) = tasks.join_next() => match ended {
                    Err(broken) if broken.is_panic() => return,
                    _ => continue,
                },
            }
            let now = wanted.borrow_and_update().clone();
            self.turn_to(&now, &mut watched, &mut tasks).await;
        }
    }

    async fn turn_to(
        &self,
        wanted: &BTreeSet<ObjectName>,
        watched: &mut BTreeMap<ObjectName, AbortHandle>,
        tasks: &mut JoinSet<()>,
    ) {
        for name in wanted {
            if !watched.contains_key(name) {
                watched.insert(name.clone(), self.watch_secret(name, tasks));
            }
        }
        let left = watched.extract_if(.., |name, _| !wanted.contains(name));
        for (name, task) in left.collect::<Vec<_>>() {
            task.abort();
            self.leave(&name).await;
        }
    }

    fn watch_secret(&self, name: &ObjectName, tasks: &mut JoinSet<()>) -> AbortHandle {
        let api = Api::<Secret>::namespaced(self.client.clone(), &name.namespace);
        tasks.spawn(watch::run(self.watch(Scope::one(name), SECRETS_MAX), api))
    }

    async fn leave(&self, name: &ObjectName) {
        let seen = Seen {
            scope: Scope::one(name),
            change: Change::Left,
        };
        // Nobody listens only when everything ends.
        let _ = self.seen.send(seen).await;
    }
}

//! The index, told what watches would tell it.

use super::*;
use crate::live::form::Watched;
use haldane_routing::spec::{ActionSpec, EndpointSpec};
use k8s_openapi::api::core::v1::{Pod, Secret, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::networking::v1::Ingress;
use kube::core::PartialObjectMeta;
use serde::de::DeserializeOwned;
use tokio::sync::Notify;

fn form<K: Watched + DeserializeOwned>(manifest: &str) -> Form {
    let object: K = serde_saphyr::from_str(manifest).expect("the manifest of the test is valid");
    object.form()
}

fn service(annotations: &str) -> Form {
    form::<Service>(&format!(
        "{{metadata: {{name: web, namespace: shop, uid: s, annotations: {{{annotations}}}}}, \
          spec: {{ports: [{{name: http, port: 80}}]}}}}"
    ))
}

fn slice(addresses: &[&str]) -> Form {
    let endpoint = |(index, address): (usize, &&str)| {
        format!(
            "{{addresses: [{address}], targetRef: {{kind: Pod, name: web-{}}}}}",
            index % 2
        )
    };
    let endpoints: Vec<_> = addresses.iter().enumerate().map(endpoint).collect();
    form::<EndpointSlice>(&format!(
        "{{metadata: {{name: web-x, namespace: shop, labels: {{kubernetes.io/service-name: web}}}}, \
          addressType: IPv4, ports: [{{name: http, port: 8080}}], endpoints: [{}]}}",
        endpoints.join(", ")
    ))
}

fn pod(index: usize) -> Form {
    form::<PartialObjectMeta<Pod>>(&format!(
        "{{metadata: {{name: web-{index}, namespace: shop, labels: {{version: '{index}'}}}}}}"
    ))
}

fn ingress(name: &str, annotations: &str) -> Form {
    form::<Ingress>(&format!(
        "{{metadata: {{name: {name}, namespace: shop, uid: i-{name}, annotations: {{{annotations}}}}}, \
          spec: {{ingressClassName: haldane, rules: [{{host: {name}.example.com, http: {{paths: \
          [{{path: /, pathType: Prefix, backend: {{service: {{name: web, port: {{number: 80}}}}}}}}]}}}}]}}}}"
    ))
}

/// `someone`'s password.
fn passwords(hash: &str) -> Form {
    form::<Secret>(&format!(
        "{{metadata: {{name: passwords, namespace: shop}}, stringData: {{auth: '{hash}'}}}}"
    ))
}

const GUARDED: &str = "haldane.dev/auth-type: basic, haldane.dev/auth-secret: passwords";

struct Play {
    keeper: Keeper,
    outcomes: watch::Receiver<Option<Outcome>>,
    secrets: watch::Receiver<BTreeSet<ObjectName>>,
}

impl Play {
    fn new() -> Self {
        let (outcome, outcomes) = watch::channel(None);
        let (wanted, secrets) = watch::channel(BTreeSet::new());
        let again = Self::SCOPES.map(|kind| (Scope::all(kind, None), Arc::new(Notify::new())));
        let outlets = Outlets {
            outcome,
            secrets: wanted,
            again: again.into(),
            metrics: Metrics::new().expect("the metrics have names of their own"),
        };
        Self {
            keeper: Keeper::new(Options::default(), outlets),
            outcomes,
            secrets,
        }
    }

    const SCOPES: [Kind; 5] = [
        Kind::IngressClass,
        Kind::Ingress,
        Kind::Service,
        Kind::EndpointSlice,
        Kind::Pod,
    ];

    /// A shop of two versions, listed.
    fn shop() -> Self {
        let weights = service("haldane.dev/weights: '0=90, 1=10'");
        let mut play = Self::begun(vec![], weights, ingress("web", ""));
        play.outcomes.mark_unchanged();
        play
    }

    /// The shop with this Service and this Ingress, listed by a controller that remembers forms.
    fn begun(remembered: Vec<Form>, service: Form, ingress: Form) -> Self {
        let mut play = Self::new();
        play.keeper.good.recall(remembered);
        play.list(Kind::IngressClass, vec![]);
        play.list(Kind::Service, vec![service]);
        play.list(Kind::EndpointSlice, vec![slice(&["10.0.0.1", "10.0.0.2"])]);
        play.list(Kind::Pod, vec![pod(0), pod(1)]);
        play.list(Kind::Ingress, vec![ingress]);
        play
    }

    fn tell(&mut self, scope: Scope, change: Change) {
        if self.keeper.take(Seen { scope, change }) {
            self.keeper.look();
        }
    }

    fn list(&mut self, kind: Kind, forms: Vec<Form>) {
        self.tell(Scope::all(kind, None), Change::Listed(forms));
    }

    fn apply(&mut self, form: Form) {
        self.tell(Scope::all(form.name().kind, None), Change::Applied(form));
    }

    fn delete(&mut self, form: Form) {
        let name = form.name();
        self.tell(Scope::all(name.kind, None), Change::Deleted(name));
    }

    /// The watch of one Secret lists.
    fn look_for(&mut self, secret: Option<Form>) {
        let name = ObjectName::new(Kind::Secret, "shop", "passwords");
        self.tell(
            Scope::one(&name),
            Change::Listed(secret.into_iter().collect()),
        );
    }

    fn outcome(&self) -> Outcome {
        self.outcomes.borrow().clone().unwrap_or_default()
    }

    /// Each rule with its versions, weights and number of endpoints, such as `web 0=90:1 1=10:1`; guarded ones with `!`.
    fn rules(&self) -> Vec<String> {
        let table = self.outcome().table;
        let endpoints = |name: &str| -> Vec<EndpointSpec> {
            let backend = table.backends.iter().find(|backend| backend.name == name);
            backend
                .map(|backend| backend.endpoints.clone())
                .unwrap_or_default()
        };
        let rule = |rule: &haldane_routing::spec::RuleSpec| {
            let ActionSpec::Forward(forward) = &rule.action else {
                return format!("{} closed", rule.origin.name);
            };
            let versions = forward.versions.iter().map(|version| {
                let count = endpoints(&version.backend).len();
                format!(" {}={}:{count}", version.name, version.weight)
            });
            let users = rule.filters.basic_auth.iter().flat_map(|auth| &auth.users);
            let users: String = users.map(|user| format!(" !{user}")).collect();
            format!(
                "{}{}{users}",
                rule.origin.name,
                versions.collect::<String>()
            )
        };
        let mut rules: Vec<_> = table.rules.iter().map(rule).collect();
        rules.sort();
        rules
    }

    fn held(&self) -> Vec<String> {
        let outcome = self.outcome();
        let held = outcome.faults.iter().filter(|fault| fault.held);
        held.map(|fault| fault.problem.object.clone()).collect()
    }
}

#[test]
fn nothing_is_published_before_everything_is_listed() {
    let mut play = Play::new();
    play.apply(ingress("web", ""));
    for kind in Play::SCOPES {
        assert!(play.outcomes.borrow().is_none());
        play.list(kind, vec![]);
    }
    assert_eq!(play.outcome().number, 1);
}

#[test]
fn an_invalid_annotation_keeps_what_was_valid_while_endpoints_change() {
    let mut play = Play::shop();
    assert_eq!(play.rules(), ["web 0=9:1 1=1:1"]);
    play.apply(service("haldane.dev/weights: much"));
    assert_eq!(
        (play.rules(), play.outcome().number),
        (vec!["web 0=9:1 1=1:1".to_owned()], 1)
    );
    assert_eq!(play.held(), ["Service shop/web"]);
    play.apply(slice(&["10.0.0.1", "10.0.0.2", "10.0.0.3"]));
    assert_eq!(play.rules(), ["web 0=9:2 1=1:1"]);
    play.apply(service("haldane.dev/weights: more"));
    assert_eq!(play.rules(), ["web 0=9:2 1=1:1"]);
    play.apply(service("haldane.dev/weights: '0=1, 1=1'"));
    assert_eq!(play.rules(), ["web 0=1:2 1=1:1"]);
    assert!(play.outcome().faults.is_empty());
}

#[test]
fn an_abort_is_heard_whatever_else_is_wrong_beside_it() {
    let mut play = Play::shop();
    let rollout = "haldane.dev/rollout: auto, haldane.dev/steps: '5,100'";
    play.apply(service(rollout));
    // annotations, what is ordered, the first step
    let cases = [
        ("haldane.dev/steps: '9,5', haldane.dev/abort: '2'", true),
        ("haldane.dev/steps: '9,5'", false),
        ("haldane.dev/steps: '9,5', haldane.dev/abort: '3'", true),
        ("haldane.dev/steps: '9,5', haldane.dev/abort: ''", true),
    ];
    for (annotations, aborts) in cases {
        play.apply(service(&format!(
            "haldane.dev/rollout: auto, {annotations}"
        )));
        assert!(!play.held().is_empty(), "{annotations}");
        let releases = play.outcome().releases;
        let release = releases.values().next().expect("a rollout is asked for");
        assert_eq!(release.plan.hand.abort.is_some(), aborts, "{annotations}");
        assert_eq!(release.plan.steps[0].to_string(), "5%", "{annotations}");
    }
}

#[test]
fn an_invalid_ingress_is_held_and_its_neighbour_moves_on() {
    let mut play = Play::shop();
    play.apply(ingress("web", "haldane.dev/proxy-read-timeout: soon"));
    play.apply(ingress("other", ""));
    assert_eq!(play.rules(), ["other 0=9:1 1=1:1", "web 0=9:1 1=1:1"]);
    play.apply(ingress("broken", "haldane.dev/proxy-read-timeout: soon"));
    assert_eq!(play.rules().len(), 2);
    assert_eq!(play.held(), ["Ingress shop/web"]);
    play.delete(ingress("web", ""));
    assert_eq!(play.rules(), ["other 0=9:1 1=1:1"]);
}

#[test]
fn an_ingress_waits_for_the_secret_it_names_and_nobody_else_does() {
    let mut play = Play::shop();
    play.apply(ingress("web", GUARDED));
    assert_eq!(play.rules(), ["web 0=9:1 1=1:1"]);
    assert!(play.outcome().faults.is_empty());
    assert_eq!(play.secrets.borrow().len(), 1);
    play.apply(ingress("other", ""));
    assert_eq!(play.rules(), ["other 0=9:1 1=1:1", "web 0=9:1 1=1:1"]);
    play.look_for(Some(passwords("someone:x")));
    assert_eq!(
        play.rules(),
        ["other 0=9:1 1=1:1", "web 0=9:1 1=1:1 !someone:x"]
    );
}

#[test]
fn a_secret_that_breaks_or_goes_leaves_its_last_valid_form_in_force() {
    let mut play = Play::shop();
    play.apply(ingress("web", GUARDED));
    play.look_for(Some(passwords("someone:x")));
    let guarded = ["web 0=9:1 1=1:1 !someone:x"];
    play.apply(passwords("nonsense"));
    assert_eq!(play.rules(), guarded);
    play.delete(passwords(""));
    assert_eq!(play.rules(), guarded);
    assert_eq!(play.held(), ["Ingress shop/web"]);
    play.apply(passwords("someone:y"));
    assert_eq!(play.rules(), ["web 0=9:1 1=1:1 !someone:y"]);
    assert!(play.outcome().faults.is_empty());
}

#[test]
fn a_secret_that_is_not_there_closes_only_what_asks_for_it() {
    let mut play = Play::shop();
    play.apply(ingress("new", GUARDED));
    play.look_for(None);
    assert_eq!(play.rules(), ["web 0=9:1 1=1:1"]);
    assert_eq!(play.outcome().faults.len(), 1);
    play.look_for(Some(passwords("someone:x")));
    assert_eq!(play.rules().len(), 2);
}

#[test]
fn an_empty_list_is_believed_when_it_comes_twice() {
    for kind in [Kind::Ingress, Kind::Service, Kind::EndpointSlice] {
        let mut play = Play::shop();
        let before = play.rules();
        play.list(kind, vec![]);
        assert_eq!(play.rules(), before, "{kind}");
        play.list(kind, vec![]);
        assert_ne!(play.rules(), before, "{kind}");
    }
}

#[test]
fn an_empty_list_that_was_wrong_changes_nothing() {
    let mut play = Play::shop();
    play.list(Kind::Ingress, vec![]);
    play.list(Kind::Ingress, vec![ingress("web", "")]);
    play.apply(ingress("other", ""));
    assert_eq!(play.rules(), ["other 0=9:1 1=1:1", "web 0=9:1 1=1:1"]);
}

#[test]
fn what_is_written_into_status_wakes_nobody() {
    let mut play = Play::shop();
    play.apply(ingress("web", "haldane.dev/status: '{}'"));
    play.list(
        Kind::Ingress,
        vec![ingress("web", "haldane.dev/status: '{}'")],
    );
    assert_eq!(play.outcome().number, 1);
}

#[test]
fn endpoints_come_and_go_without_a_new_status() {
    let mut play = Play::shop();
    let since = |play: &Play| {
        let outcome = play.outcome();
        let parts = outcome.parts.values().map(|part| part.since);
        (outcome.number, parts.collect::<Vec<_>>())
    };
    assert_eq!(since(&play), (1, vec![Some(1), Some(1)]));
    play.apply(slice(&["10.0.0.1", "10.0.0.2", "10.0.0.3"]));
    assert_eq!(since(&play), (2, vec![Some(1), Some(1)]));
    play.apply(service("haldane.dev/weights: '0=1, 1=1'"));
    assert_eq!(since(&play), (3, vec![Some(3), Some(3)]));
}

#[test]
fn a_canary_shares_the_generation_of_its_main_and_is_told_when_it_is_not_served() {
    let mut play = Play::shop();
    let since = |play: &Play, name: &str| {
        let name = ObjectName::new(Kind::Ingress, "shop", name);
        play.outcome().parts.get(&name).map(|part| part.since)
    };
    let mut canary: Ingress = match ingress("canary", "haldane.dev/canary: 'true'") {
        Form::Ingress(canary) => *canary,
        form => panic!("{form:?} is no Ingress"),
    };
    let rules = canary.spec.as_mut().and_then(|spec| spec.rules.as_mut());
    rules.expect("it has rules")[0].host = Some("web.example.com".to_owned());
    play.apply(canary.form());
    assert_eq!(since(&play, "canary"), Some(since(&play, "web").flatten()));
    play.apply(ingress(
        "canary",
        "kubernetes.io/ingress.class: haldane, haldane.dev/canary: 'true'",
    ));
    assert_eq!(
        since(&play, "canary"),
        Some(None),
        "nobody serves that host"
    );
    play.delete(ingress("canary", ""));
    assert_eq!(since(&play, "canary"), None);
}

#[test]
fn an_empty_list_that_was_wrong_takes_no_last_valid_form_away() {
    let mut play = Play::shop();
    let broken = || ingress("web", "haldane.dev/proxy-read-timeout: soon");
    play.apply(broken());
    for lost in [Kind::Ingress, Kind::Service] {
        play.list(lost, vec![]);
        play.list(Kind::Ingress, vec![broken()]);
        play.list(
            Kind::Service,
            vec![service("haldane.dev/weights: '0=90, 1=10'")],
        );
        assert_eq!(play.rules(), ["web 0=9:1 1=1:1"], "{lost}");
    }
}

#[test]
fn a_secret_that_is_named_again_at_once_is_not_forgotten() {
    let mut play = Play::shop();
    play.apply(ingress("web", GUARDED));
    play.look_for(Some(passwords("someone:x")));
    play.apply(ingress("web", ""));
    play.apply(ingress("web", GUARDED));
    let name = ObjectName::new(Kind::Secret, "shop", "passwords");
    play.tell(Scope::one(&name), Change::Left);
    play.apply(ingress("other", ""));
    assert_eq!(
        play.rules(),
        ["other 0=9:1 1=1:1", "web 0=9:1 1=1:1 !someone:x"]
    );
}

#[test]
fn a_pod_that_ends_keeps_its_version_for_as_long_as_a_slice_names_it() {
    for all_at_once in [false, true] {
        let mut play = Play::shop();
        if all_at_once {
            play.list(Kind::Pod, vec![pod(0)]);
        } else {
            play.delete(pod(1));
        }
        assert_eq!(play.rules(), ["web 0=9:1 1=1:1"]);
        play.apply(slice(&["10.0.0.1"]));
        play.apply(slice(&["10.0.0.1", "10.0.0.2"]));
        assert!(
            !play.rules().contains(&"web 0=9:1 1=1:1".to_owned()),
            "its labels are gone"
        );
        play.apply(pod(1));
        assert_eq!(play.rules(), ["web 0=9:1 1=1:1"]);
    }
}

#[test]
fn what_was_held_before_a_restart_is_held_after_it() {
    let broken = || service("haldane.dev/weights: much");
    let mut play = Play::shop();
    play.apply(broken());
    let held = play.outcome().held;
    assert_eq!(*held, [service("haldane.dev/weights: '0=90, 1=10'")]);
    let another = form::<Service>("{metadata: {name: web, namespace: shop, uid: another}}");
    // remembered, rules
    let cases = [
        (held.to_vec(), "web 0=9:1 1=1:1"),
        (vec![another], "web closed"),
        (vec![], "web closed"),
    ];
    for (remembered, rules) in cases {
        let mut play = Play::begun(remembered, broken(), ingress("web", ""));
        assert_eq!(play.rules(), [rules]);
        play.apply(service("haldane.dev/weights: '0=1, 1=3'"));
        assert_eq!(play.rules(), ["web 0=1:1 1=3:1"]);
        assert!(play.outcome().held.is_empty());
    }
}

#[test]
fn what_is_remembered_of_valid_objects_and_of_those_that_are_gone_is_forgotten() {
    let remembered = ["web", "gone"].map(|name| ingress(name, "haldane.dev/app-root: /old"));
    let valid = || (service(""), ingress("web", ""));
    let (fresh_service, fresh_ingress) = valid();
    let fresh = Play::begun(vec![], fresh_service, fresh_ingress);
    let (service, web) = valid();
    let mut play = Play::begun(remembered.to_vec(), service, web);
    assert_eq!(play.outcome().table, fresh.outcome().table);
    play.apply(ingress("gone", "haldane.dev/proxy-read-timeout: soon"));
    assert_eq!((play.rules(), play.held()), (fresh.rules(), vec![]));
}

#[test]
fn no_secret_is_among_what_is_to_be_remembered() {
    let mut play = Play::shop();
    play.apply(ingress("web", GUARDED));
    play.look_for(Some(passwords("someone:x")));
    play.apply(passwords("nonsense"));
    assert_eq!(play.held(), ["Ingress shop/web"]);
    let is_secret = |form: &Form| form.name().kind == Kind::Secret;
    assert!(!play.outcome().held.iter().any(is_secret));
}

//! The index beside an API server that misbehaves, over real sockets. What is waited for is the outcome; the limit on a
//! wait only ends a test that failed.

use super::fake::{Fake, Fault};
use super::*;
use std::time::Duration;
use tokio::time::timeout;

/// Longer than anything here takes, backing off and noticing a silent connection included.
const PATIENCE: Duration = Duration::from_secs(60);

const RESOURCES: [&str; 5] = [
    "ingressclasses",
    "ingresses",
    "services",
    "endpointslices",
    "pods",
];

fn ingress(name: &str, annotations: &str) -> String {
    format!(
        "{{apiVersion: networking.k8s.io/v1, kind: Ingress, \
          metadata: {{name: {name}, namespace: shop, uid: u, annotations: {{{annotations}}}}}, \
          spec: {{ingressClassName: haldane, rules: [{{host: {name}.example.com, http: {{paths: \
          [{{path: /, pathType: Prefix, backend: {{service: {{name: web, port: {{number: 80}}}}}}}}]}}}}]}}}}"
    )
}

const SERVICE: &str = "{apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop}, \
    spec: {ports: [{name: http, port: 80}]}}";

const SLICE: &str = "{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4, \
    metadata: {name: web-x, namespace: shop, labels: {kubernetes.io/service-name: web}}, \
    ports: [{name: http, port: 8080}], endpoints: [{addresses: [10.0.0.1]}]}";

struct Play {
    fake: Fake,
    index: Index,
}

impl Play {
    /// A server with one Ingress, which is looked at once `prepare` has done its worst.
    async fn begin(prepare: impl FnOnce(&Fake)) -> Self {
        let fake = Fake::start().await;
        fake.put_silently("services", SERVICE);
        fake.put_silently("endpointslices", SLICE);
        fake.put_silently("ingresses", &ingress("web", ""));
        prepare(&fake);
        let look = Look {
            options: Options::default(),
            namespaces: Vec::new(),
            watch_s: 1,
        };
        let url = format!("http://{}", fake.address)
            .parse()
            .expect("an address is an URL");
        let mut config = kube::Config::new(url);
        config.read_timeout = Some(Duration::from_secs(2));
        let client = Client::try_from(config).expect("a client without TLS can be made");
        let (told, remembered) = oneshot::channel();
        let index = Index::start(look, client, remembered).expect("threads can be started");
        told.send(Vec::new()).expect("the index listens");
        Self { fake, index }
    }

    /// Waits until these hosts are served, and no others.
    async fn serves(&mut self, names: &[&str]) {
        let expected: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let is_so = |outcome: &Option<Outcome>| served(outcome).as_ref() == Some(&expected);
        let waited = timeout(PATIENCE, self.index.outcomes.wait_for(is_so)).await;
        let is_served = waited.is_ok();
        drop(waited);
        let last = served(&self.index.outcomes.borrow());
        assert!(is_served, "{last:?} is served, not {names:?}");
    }

    /// Waits until this was asked so often.
    async fn asked(&self, what: &str, times: usize) {
        let count = |all: &[String]| all.iter().filter(|asked| *asked == what).count();
        let mut asked = self.fake.asked.subscribe();
        let waited = timeout(PATIENCE, asked.wait_for(|all| count(all) >= times)).await;
        assert!(waited.is_ok(), "{what} was not asked {times} times");
    }

    fn count(&self, what: &str) -> usize {
        let asked = self.fake.asked.borrow();
        asked.iter().filter(|asked| *asked == what).count()
    }

    fn number(&self) -> u64 {
        self.index
            .outcomes
            .borrow()
            .as_ref()
            .map_or(0, |outcome| outcome.number)
    }
}

/// The Ingresses that have rules.
fn served(outcome: &Option<Outcome>) -> Option<Vec<String>> {
    let rules = &outcome.as_ref()?.table.rules;
    let mut names: Vec<_> = rules.iter().map(|rule| rule.origin.name.clone()).collect();
    names.sort();
    Some(names)
}

#[tokio::test]
async fn a_server_that_refuses_and_stalls_at_first_is_asked_until_it_answers() {
    let faults = [429, 500, 503, 403].map(Fault::Status);
    let mut play = Play::begin(|fake| {
        for resource in RESOURCES {
            fake.fail(resource, "list", &faults);
        }
        fake.fail("pods", "list", &[Fault::Silence]);
        fake.fail("services", "watch", &faults);
    })
    .await;
    play.serves(&["web"]).await;
    assert_eq!(play.number(), 1);
}

#[tokio::test]
async fn a_version_that_is_gone_is_listed_anew_however_it_is_told() {
    for gone_in_stream in [false, true] {
        let mut play = Play::begin(|_| {}).await;
        play.serves(&["web"]).await;
        play.fake.put_silently("ingresses", &ingress("other", ""));
        play.fake.forget("ingresses", gone_in_stream);
        play.serves(&["other", "web"]).await;
    }
}

#[tokio::test]
async fn a_watch_that_falls_silent_is_begun_anew() {
    let mut play = Play::begin(|fake| fake.fail("ingresses", "watch", &[Fault::Silence])).await;
    play.serves(&["web"]).await;
    play.fake.put_silently("ingresses", &ingress("other", ""));
    // The next watch, which begins where the silent one did, is told so.
    play.fake.forget("ingresses", false);
    play.serves(&["other", "web"]).await;
}

#[tokio::test]
async fn events_that_come_late_do_not_bring_back_what_is_gone() {
    let mut play = Play::begin(|_| {}).await;
    play.serves(&["web"]).await;
    play.asked("ingresses watch", 1).await;
    let old = play.fake.put_silently(
        "ingresses",
        &ingress("web", "haldane.dev/ssl-redirect: 'false'"),
    );
    let new = play.fake.put_silently("ingresses", &ingress("other", ""));
    play.fake.clear_silently("ingresses");
    let kept = play.fake.put_silently("ingresses", &ingress("kept", ""));
    play.fake.send("ingresses", "ADDED", &new);
    play.fake.send("ingresses", "DELETED", &kept);
    play.fake.send("ingresses", "MODIFIED", &old);
    play.serves(&["kept"]).await;
}

#[tokio::test]
async fn what_is_told_twice_changes_nothing() {
    let mut play = Play::begin(|_| {}).await;
    play.serves(&["web"]).await;
    play.asked("ingresses watch", 1).await;
    let other = play.fake.put_silently("ingresses", &ingress("other", ""));
    for _ in 0..3 {
        play.fake.send("ingresses", "ADDED", &other);
    }
    play.serves(&["other", "web"]).await;
    let last = play.fake.put_silently("ingresses", &ingress("last", ""));
    play.fake.send("ingresses", "ADDED", &last);
    play.serves(&["last", "other", "web"]).await;
    assert_eq!(play.number(), 3);
    assert_eq!(play.count("ingresses list"), 1);
}

#[tokio::test]
async fn a_list_that_lost_everything_is_asked_for_once_more() {
    let mut play = Play::begin(|_| {}).await;
    play.serves(&["web"]).await;
    play.asked("ingresses watch", 1).await;
    play.fake.fail("ingresses", "list", &[Fault::Empty]);
    play.fake.forget("ingresses", false);
    play.asked("ingresses list", 3).await;
    let other = play.fake.put_silently("ingresses", &ingress("other", ""));
    play.fake.forget("ingresses", false);
    play.fake.send("ingresses", "ADDED", &other);
    play.serves(&["other", "web"]).await;
    assert_eq!(
        play.number(),
        2,
        "nothing was published without the first Ingress"
    );
}

#[tokio::test]
async fn a_cluster_that_is_empty_indeed_is_believed_the_second_time() {
    let mut play = Play::begin(|_| {}).await;
    play.serves(&["web"]).await;
    play.asked("ingresses watch", 1).await;
    play.fake.clear_silently("ingresses");
    play.fake.forget("ingresses", false);
    play.serves(&[]).await;
    play.asked("ingresses list", 3).await;
}

#[tokio::test]
async fn a_secret_that_may_not_be_read_closes_only_what_asks_for_it() {
    let guarded = "haldane.dev/auth-type: basic, haldane.dev/auth-secret: passwords";
    let mut play = Play::begin(|fake| {
        fake.put_silently("ingresses", &ingress("guarded", guarded));
        fake.fail("secrets", "list", &[Fault::Status(403); 64]);
    })
    .await;
    play.serves(&["web"]).await;
    let asked = play.fake.asked.borrow().clone();
    let mut secrets = asked.iter().filter(|asked| asked.starts_with("secrets"));
    assert!(secrets.all(|asked| asked == "secrets list metadata.name=passwords"));
    let outcome = play.index.outcomes.borrow().clone().unwrap_or_default();
    assert!(
        outcome.faults[0]
            .problem
            .message
            .contains("no Secret shop/passwords")
    );
}

//! Webhooks of a release: a gate that is closed holds the step, and one that is told hears of each decision.

use crate::release::{Release, until_standing};
use bytes::Bytes;
use haldane_tests::backend::{Backend, Handler, handler, whole};
use haldane_tests::cluster::Manifest;
use haldane_tests::plane::until;
use http::{Response, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};

pub(crate) async fn a_step_waits_for_its_gate_and_decisions_are_told() -> anyhow::Result<()> {
    let says = json!({
        "haldane.dev/rollout": "auto", "haldane.dev/steps": "10,100", "haldane.dev/step-interval": "1h",
        "haldane.dev/gate": "gate", "haldane.dev/notify": "chat",
    });
    let (release, controller) = Release::begin("rollout-hooks", says).await?;
    let open = Arc::new(AtomicBool::new(false));
    let gate = Backend::with(answering(open.clone())).await?;
    let told = Told::default();
    let chat = Backend::with(told.listening()).await?;
    for (name, backend) in [("gate", &gate), ("chat", &chat)] {
        let secret = secret(name, &format!("http://{}/{name}", backend.address()));
        release.cluster().apply(&[Manifest::new(secret)?]).await?;
    }
    release.deploy("2", &[]).await?;
    until("a question", || async {
        Ok((gate.requests() >= 1).then_some(()))
    })
    .await?;
    let only_stable = release.asking(1).times(50).await;
    anyhow::ensure!(
        only_stable.versions().into_keys().eq(["1"]),
        "{only_stable:?}"
    );
    open.store(true, SeqCst);
    until_standing(&controller, "10 %", "2", |standing| standing.weight == 10.0).await?;
    told.until("StepRaised", "2").await?;
    // What goes down asks nobody.
    open.store(false, SeqCst);
    release
        .annotate(json!({ "haldane.dev/abort": "2" }))
        .await?;
    until_standing(&controller, "nothing", "2", |standing| {
        standing.weight == 0.0
    })
    .await?;
    told.until("Aborted", "2").await
}

fn secret(name: &str, url: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": { "name": name }, "stringData": { "url": url },
    })
}

/// A gate.
fn answering(open: Arc<AtomicBool>) -> Handler {
    handler(move |_| {
        let mut response = Response::new(whole(Bytes::new()));
        if !open.load(SeqCst) {
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        }
        async { response }
    })
}

/// What was posted.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<Value>>>);

impl Told {
    fn listening(&self) -> Handler {
        let told = self.clone();
        handler(move |request| {
            let told = told.clone();
            async move {
                let body = request.into_body().collect().await;
                let body = body
                    .map(http_body_util::Collected::to_bytes)
                    .unwrap_or_default();
                let notice = serde_json::from_slice(&body).unwrap_or_default();
                told.all().push(notice);
                Response::new(whole(Bytes::new()))
            }
        })
    }

    fn all(&self) -> std::sync::MutexGuard<'_, Vec<Value>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until an event of a version was posted.
    async fn until(&self, event: &str, canary: &str) -> anyhow::Result<()> {
        until(event, || async {
            let all = self.all();
            let is_it = |told: &&Value| told["event"] == event && told["canary"] == canary;
            Ok(all.iter().find(is_it).map(drop))
        })
        .await
    }
}

//! Backends of a soak, what they are in the mood for, and the objects that lead to them.

use super::beside::{CHAT, GREETER};
use crate::backends::{GARBAGE, fickle};
use haldane_bed::certificates::{Authority, Issued, Subject};
use haldane_tests::backend::{Backend, handler};
use haldane_tests::ledger::{Ledger, Play, Script, Target, Then, answer_to};
use haldane_tests::manifests::{SHOP, ingress, pod, secret, service, speaking, with_certificate};
use haldane_tests::recorder::Request;
use haldane_tests::tls::trusting;
use haldane_tests::websocket::Echoes;
use rustls::ClientConfig;
use serde_json::Value;
use std::sync::{Arc, Mutex, PoisonError};

/// Seconds without a byte after which a request is over: shorter than a round.
const READ_TIMEOUT: &str = "2";
/// Places at which answers are cut, by turns.
const CUTS: usize = 17;

/// What a backend does with requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mood {
    /// It answers.
    Sound,
    /// It closes after most answers.
    Fickle,
    /// It says one of the things that are no answer.
    Garbage(usize),
    /// It says nothing.
    Hang,
    /// Its answers break off.
    Cut,
}

impl Mood {
    fn play(self, id: u64, request: &Request, name: &str) -> Play {
        let whole = || answer_to(id, request, name);
        let (bytes, then) = match self {
            Self::Sound => (whole(), Then::Listen),
            Self::Fickle => return fickle(id, request),
            Self::Garbage(index) => {
                let (_, bytes, then) = GARBAGE[index % GARBAGE.len()];
                (bytes.to_vec(), then)
            }
            Self::Hang => (Vec::new(), Then::Stall),
            Self::Cut => {
                let mut bytes = whole();
                bytes.truncate(bytes.len() * (id as usize % CUTS) / CUTS);
                (bytes, Then::Close)
            }
        };
        Play { bytes, then }
    }
}

/// A backend that can be told what to do.
pub(super) struct Actor {
    pub(super) target: Target,
    version: &'static str,
    mood: Arc<Mutex<Mood>>,
    /// Whether the table has it.
    pub(super) is_in: bool,
}

impl Actor {
    fn new(ledger: &Ledger, version: &'static str, name: &str) -> anyhow::Result<Self> {
        let mood = Arc::new(Mutex::new(Mood::Sound));
        let (played, own) = (mood.clone(), name.to_owned());
        let script: Script = Arc::new(move |id, request| {
            let mood = *played.lock().unwrap_or_else(PoisonError::into_inner);
            mood.play(id, request, &own)
        });
        Ok(Self {
            target: Target::with(ledger, name, script)?,
            version,
            mood,
            is_in: true,
        })
    }

    pub(super) fn is_now(&self, mood: Mood) {
        *self.mood.lock().unwrap_or_else(PoisonError::into_inner) = mood;
    }
}

/// All that the proxy's table leads to.
pub(super) struct Scene {
    ledger: Ledger,
    pub(super) actors: Vec<Actor>,
    /// Of a thousand and so many requests, how many the canary gets.
    pub(super) share: u32,
    authority: Authority,
    shown: Issued,
    greeter: Backend,
    echoes: Echoes,
}

impl Scene {
    pub(super) async fn new(ledger: &Ledger) -> anyhow::Result<Self> {
        let cast = [
            ("stable", "a"),
            ("stable", "b"),
            ("stable", "c"),
            ("canary", "d"),
            ("canary", "e"),
        ];
        let actors = cast.map(|(version, name)| Actor::new(ledger, version, name));
        let authority = Authority::new("soak")?;
        Ok(Self {
            ledger: ledger.clone(),
            actors: actors.into_iter().collect::<anyhow::Result<_>>()?,
            share: 250,
            shown: issue(&authority)?,
            authority,
            greeter: Backend::with(handler(super::beside::greet)).await?,
            echoes: Echoes::start().await?,
        })
    }

    /// Who trusts whatever certificate is shown.
    pub(super) fn trust(&self) -> anyhow::Result<ClientConfig> {
        trusting(self.authority.pem())
    }

    /// Another certificate of the same authority from now on.
    pub(super) fn reissue(&mut self) -> anyhow::Result<()> {
        self.shown = issue(&self.authority)?;
        Ok(())
    }

    /// Another backend in the place of one that is gone.
    pub(super) fn replace(&mut self, index: usize) -> anyhow::Result<()> {
        let gone = &self.actors[index];
        self.actors[index] = Actor::new(&self.ledger, gone.version, &gone.target.name)?;
        Ok(())
    }

    pub(super) fn objects(&self) -> Vec<Value> {
        self.objects_with_key(&self.shown.key)
    }

    /// The objects with a key that is not the certificate's.
    pub(super) fn objects_with_another_key(&self) -> anyhow::Result<Vec<Value>> {
        Ok(self.objects_with_key(&issue(&self.authority)?.key))
    }

    fn objects_with_key(&self, key: &str) -> Vec<Value> {
        let mut objects = self.without_backends();
        let entries = [("tls.crt", &*self.shown.certificate), ("tls.key", key)];
        objects.push(secret("shop", "kubernetes.io/tls", &entries));
        let present = self.actors.iter().filter(|actor| actor.is_in);
        objects.extend(present.map(|actor| pod("web", actor.version, actor.target.address)));
        objects.push(pod("greeter", "1.0", self.greeter.address()));
        objects.push(pod("chat", "1.0", self.echoes.address));
        objects
    }

    pub(super) fn without_backends(&self) -> Vec<Value> {
        let weights = format!("stable=1000, canary={}", self.share);
        let annotations = [
            ("haldane.dev/proxy-read-timeout", READ_TIMEOUT),
            ("haldane.dev/ssl-redirect", "false"),
        ];
        vec![
            service("web", &[("haldane.dev/weights", &weights)]),
            with_certificate(ingress("web", &annotations, SHOP, "web"), SHOP, "shop"),
            speaking(service("greeter", &[]), "kubernetes.io/h2c"),
            ingress("greeter", &[], GREETER, "greeter"),
            service("chat", &[]),
            ingress("chat", &[], CHAT, "chat"),
        ]
    }
}

fn issue(authority: &Authority) -> anyhow::Result<Issued> {
    authority.issue(Subject {
        names: &[SHOP],
        ..Subject::default()
    })
}

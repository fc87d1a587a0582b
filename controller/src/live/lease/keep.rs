//! Looks at the Lease again and again, takes it when it is free, renews it, and gives it back at the end.

use super::{Candidate, Held, LOOK, Leadership, Step};
use crate::live::said::said;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::jiff::Timestamp;
use kube::api::PostParams;
use kube::{Api, Client};
use std::time::Duration;
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, sleep, timeout};

/// How long one look may take: after this there is still time for another before the leader has to stop.
const REQUEST_MAX: Duration = Duration::from_secs(2);

/// Where the Lease is, and who we are.
pub(crate) struct Keep {
    pub(crate) client: Client,
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) identity: String,
}

/// Begins to look. The task ends when the sender is used or dropped, and has given the Lease back then.
pub(crate) fn keep(
    keep: Keep,
    stop: oneshot::Receiver<()>,
) -> (Leadership, impl Future<Output = ()> + Send) {
    let (held, leadership) = watch::channel(None);
    let keeper = Keeper {
        api: Api::namespaced(keep.client, &keep.namespace),
        name: keep.name,
        candidate: Candidate::new(keep.identity),
        held,
    };
    (Leadership(leadership), keeper.run(stop))
}

struct Keeper {
    api: Api<Lease>,
    name: String,
    candidate: Candidate,
    held: watch::Sender<Option<Held>>,
}

impl Keeper {
    async fn run(mut self, mut stop: oneshot::Receiver<()>) {
        loop {
            if let Err(error) = self.look_in_time().await {
                tracing::warn!(lease = %self.name, %error, "the Lease cannot be looked at");
            }
            self.tell();
            // Those who look at the same moment would refuse each other again and again.
            let pause = LOOK.mul_f64(rand::random_range(0.8..=1.0));
            tokio::select! {
                () = sleep(pause) => {}
                _ = &mut stop => break,
            }
        }
        self.release().await;
    }

    fn tell(&self) {
        let now = self.candidate.held();
        self.held.send_if_modified(|held| {
            let differs = *held != now;
            *held = now;
            differs
        });
    }

    async fn look_in_time(&mut self) -> Result<(), LookError> {
        timeout(REQUEST_MAX, self.look())
            .await
            .map_err(|_| LookError::Slow)?
    }

    async fn look(&mut self) -> Result<(), LookError> {
        let lease = self.api.get_opt(&self.name).await?;
        let asked = Instant::now();
        let how = PostParams::default();
        let written = match self.candidate.next(lease, asked, Timestamp::now()) {
            Step::Wait => return Ok(()),
            Step::Create(mut lease) => {
                lease.metadata.name = Some(self.name.clone());
                self.api.create(&how, &lease).await
            }
            Step::Replace(lease) => self.api.replace(&self.name, &how, &lease).await,
        };
        match written {
            // Another was quicker, which the next look will show.
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
            written => {
                self.candidate.wrote(&written?, asked);
                Ok(())
            }
        }
    }

    async fn release(&mut self) {
        self.held.send_replace(None);
        let released = async {
            let lease = self.api.get(&self.name).await?;
            if let Some(lease) = self.candidate.released(lease) {
                self.api
                    .replace(&self.name, &PostParams::default(), &lease)
                    .await?;
            }
            Ok::<_, kube::Error>(())
        };
        if let Ok(Err(error)) = timeout(REQUEST_MAX, released).await {
            tracing::warn!(lease = %self.name, error = said(&error), "the Lease is not given back; it lapses");
        }
    }
}

/// Why a look came to nothing.
#[derive(Debug, thiserror::Error)]
enum LookError {
    #[error("the API server takes longer than {REQUEST_MAX:?}")]
    Slow,
    #[error("{}", said(.0))]
    Api(#[from] kube::Error),
}

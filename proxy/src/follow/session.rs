//! One stream: hello, parts in, answers and counters out, until it ends.

use super::apply::{Applier, Refusal};
use super::connect::ConnectFault;
use super::counters::Told;
use haldane_wire::proto::push_client::PushClient;
use haldane_wire::proto::{
    Applied, Counters, FromController, FromProxy, Part, Rejected, from_controller, from_proxy,
};
use haldane_wire::{Fault, Generation, MESSAGE_BYTES_MAX, SERIES_PER_MESSAGE_MAX, counters};
use std::time::Duration;
use thiserror::Error;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, sleep_until};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Status, Streaming};

/// Messages on their way to the controller. Counters are left out rather than made to wait: the next ones say it all.
const MESSAGES_MAX: usize = 16;

/// How often counters are sent.
const COUNTERS_INTERVAL: Duration = Duration::from_secs(1);

/// How long answers to requests that arrived before may take to be sent with them. Most take less, and what is not there by
/// then is told a second later.
const ANSWERS_WAIT: Duration = Duration::from_millis(50);

/// How long the controller may take to let us in.
const WELCOME_MAX: Duration = Duration::from_secs(10);

/// How long a refusal may take to be heard before the stream is dropped.
const FAREWELL_MAX: Duration = Duration::from_secs(1);

/// Why a controller is not followed any more.
#[derive(Debug, Error)]
pub(super) enum Ended {
    #[error("{0}")]
    NoConnection(ConnectFault),
    #[error("it turned us away: {0}")]
    TurnedAway(String),
    #[error("it ended the stream: {0}")]
    ByController(String),
    #[error("it does not take our messages")]
    NotHeard,
    #[error("it sent what we refuse: {0}")]
    Refused(#[from] Fault),
}

impl Ended {
    /// Whether there was a controller.
    pub(super) fn is_by_controller(&self) -> bool {
        matches!(self, Self::TurnedAway(_) | Self::ByController(_))
    }
}

/// A stream that stands.
struct Session<'a> {
    say: mpsc::Sender<FromProxy>,
    hears: Streaming<FromController>,
    applier: &'a mut Applier,
    told: Told,
}

/// Follows until the stream ends.
pub(super) async fn follow(channel: Channel, name: &str, applier: &mut Applier) -> Ended {
    let (say, said) = mpsc::channel(MESSAGES_MAX);
    let hello = message(from_proxy::Message::Hello(applier.hello(name)));
    say.try_send(hello)
        .expect("the queue is empty and nobody has closed it");
    let mut client = PushClient::new(channel).max_decoding_message_size(MESSAGE_BYTES_MAX);
    let welcome = client.follow(ReceiverStream::new(said));
    let hears = match tokio::time::timeout(WELCOME_MAX, welcome).await {
        Ok(Ok(response)) => response.into_inner(),
        Ok(Err(status)) => return Ended::TurnedAway(said_in(&status)),
        Err(_) => return Ended::TurnedAway(format!("no answer within {WELCOME_MAX:?}")),
    };
    tracing::info!("the controller is followed");
    applier.metrics().connected.set(1);
    let session = Session {
        say,
        hears,
        applier,
        told: Told::default(),
    };
    session.run().await
}

impl Session<'_> {
    async fn run(mut self) -> Ended {
        let mut ticks = tokio::time::interval(COUNTERS_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut count_at = None;
        loop {
            let next = tokio::select! {
                heard = self.hears.message() => match heard {
                    Ok(Some(message)) => self.hear(message).await,
                    Ok(None) => Err(Ended::ByController("it is over".to_owned())),
                    Err(status) => Err(Ended::ByController(said_in(&status))),
                },
                _ = ticks.tick() => {
                    // Who arrives from now on is not waited for.
                    self.applier.proxy().metrics().settle();
                    count_at = Some(Instant::now() + ANSWERS_WAIT);
                    Ok(())
                }
                () = until(count_at) => {
                    count_at = None;
                    self.count()
                }
            };
            if let Err(ended) = next {
                return self.leave(ended).await;
            }
        }
    }

    async fn hear(&mut self, message: FromController) -> Result<(), Ended> {
        let Some(from_controller::Message::Part(part)) = message.message else {
            // What a newer controller says and we do not know changes nothing.
            return Ok(());
        };
        self.take(part).await
    }

    async fn take(&mut self, part: Part) -> Result<(), Ended> {
        let generation = part.generation;
        match self.applier.take(part).await {
            Ok(None) => Ok(()),
            Ok(Some(in_force)) => {
                let generation = Some(in_force.into());
                self.say(from_proxy::Message::Applied(Applied { generation }))
                    .await
            }
            Err(refusal) => {
                let shown = generation.map(Generation::from).unwrap_or_default();
                let reason = refusal.to_string();
                tracing::warn!(generation = %shown, reason, "a table was refused; the one in force stays");
                self.say(from_proxy::Message::Rejected(Rejected {
                    generation,
                    reason,
                }))
                .await?;
                match refusal {
                    Refusal::Table(_) => Ok(()),
                    Refusal::Change(fault) => Err(fault.into()),
                }
            }
        }
    }

    /// Sends what moved, if there is room for it; where nothing did, that we are here.
    fn count(&mut self) -> Result<(), Ended> {
        if self.say.is_closed() {
            return Err(Ended::NotHeard);
        }
        let room = self.say.capacity() * SERIES_PER_MESSAGE_MAX;
        let moved = self.told.moved(self.applier.proxy().metrics(), room);
        if moved.is_empty() {
            // Left out where there is no room: then something else is on its way.
            let _ = self
                .say
                .try_send(message(from_proxy::Message::Counters(Counters::default())));
        }
        for counters in counters(moved).map(from_proxy::Message::Counters) {
            self.say
                .try_send(message(counters))
                .map_err(|_| Ended::NotHeard)?;
        }
        Ok(())
    }

    async fn say(&self, said: from_proxy::Message) -> Result<(), Ended> {
        let sent = self.say.send(message(said)).await;
        sent.map_err(|_| Ended::NotHeard)
    }

    /// Lets what was said last go out.
    async fn leave(self, ended: Ended) -> Ended {
        let Self { say, mut hears, .. } = self;
        drop(say);
        if matches!(ended, Ended::Refused(_)) {
            let over = async { while let Ok(Some(_)) = hears.message().await {} };
            // Nobody minds if it was not heard: the next hello says what we hold.
            let _ = tokio::time::timeout(FAREWELL_MAX, over).await;
        }
        ended
    }
}

/// Waits until then; for ever where there is no time.
async fn until(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}

fn message(message: from_proxy::Message) -> FromProxy {
    let message = Some(message);
    FromProxy { message }
}

fn said_in(status: &Status) -> String {
    format!("{} ({:?})", status.message(), status.code())
}

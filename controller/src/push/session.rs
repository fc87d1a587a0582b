//! One proxy's stream: what it holds, the one change under way, and its answers.

use super::publisher::{Published, Publisher, Target};
use super::roster::Place;
use futures_util::{Stream, stream};
use haldane_wire::proto::{FromController, FromProxy, Hello, Part, from_controller, from_proxy};
use haldane_wire::{Changes, Digest, Generation, Parts, Series};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tonic::{Status, Streaming};

/// How long a proxy may take to say who it is.
const HELLO_WAIT_MAX: Duration = Duration::from_secs(10);

/// A namespace, a slash and a Pod's name (RFC 1123: 63 and 253 bytes), and some room.
const NAME_BYTES_MAX: usize = 512;

/// What is kept of a reason; a table with many faults has a long one.
const REASON_BYTES_MAX: usize = 4 << 10;

/// What a proxy is sent, as it is ready for it.
pub(super) type Updates = Pin<Box<dyn Stream<Item = Result<FromController, Status>> + Send>>;

/// A proxy that has said who it is.
pub(super) struct Session {
    publisher: Publisher,
    from: Streaming<FromProxy>,
    target: watch::Receiver<Target>,
    term: u64,
    name: String,
    instance: String,
    place: Place,
    holds: Holds,
    offered: Option<Generation>,
    under_way: Option<UnderWay>,
}

/// What the next change builds on.
enum Holds {
    Nothing,
    /// What the proxy said when it came.
    Said(Generation, Option<Digest>),
    Table(Arc<Published>),
}

/// A change that was begun and not answered.
struct UnderWay {
    table: Arc<Published>,
    parts: Parts,
}

impl Session {
    /// Waits for the proxy to say who it is.
    pub(super) async fn begin(
        publisher: Publisher,
        mut from: Streaming<FromProxy>,
    ) -> Result<Self, Status> {
        let mut target = publisher.target();
        let term = target.borrow_and_update().term;
        let term = term.ok_or_else(|| Status::failed_precondition("not the leader"))?;
        let hello = hello(&mut from).await?;
        let place = publisher
            .roster()
            .enter(hello.proxy.clone(), hello.instance.clone())
            .ok_or_else(|| Status::resource_exhausted("too many proxies are connected"))?;
        tracing::info!(
            proxy = hello.proxy,
            instance = hello.instance,
            "a proxy follows"
        );
        Ok(Self {
            holds: Holds::said(&hello),
            publisher,
            from,
            target,
            term,
            name: hello.proxy,
            instance: hello.instance,
            place,
            offered: None,
            under_way: None,
        })
    }

    /// What the proxy is sent. It is asked for the next message when the stream has room for it, so that nothing waits
    /// in memory for a proxy that is slow.
    pub(super) fn updates(self) -> Updates {
        Box::pin(stream::unfold(Some(self), |session| async {
            let mut session = session?;
            match session.next_part().await {
                Ok(part) => {
                    let message = Some(from_controller::Message::Part(part));
                    Some((Ok(FromController { message }), Some(session)))
                }
                Err(Ended::ByProxy) => None,
                Err(Ended::ByUs(status)) => Some((Err(status), None)),
            }
        }))
    }

    async fn next_part(&mut self) -> Result<Part, Ended> {
        loop {
            self.retarget()?;
            let parts = self.under_way.as_mut().map(|change| &mut change.parts);
            if let Some(part) = parts.and_then(Iterator::next) {
                return Ok(part);
            }
            tokio::select! {
                changed = self.target.changed() => changed.map_err(|_| not_leading())?,
                message = self.from.message() => self.hear(message)?,
            }
        }
    }

    /// Begins the next change, if there is a newer table and the last change was answered.
    fn retarget(&mut self) -> Result<(), Ended> {
        let target = self.target.borrow_and_update().clone();
        if target.term != Some(self.term) {
            return Err(not_leading());
        }
        let Some(table) = target.table else {
            return Ok(());
        };
        if self.under_way.is_some() || self.offered >= Some(table.generation) {
            return Ok(());
        }
        self.offered = Some(table.generation);
        if let Some(changes) = self.holds.changes_to(&table).map_err(Ended::ByUs)? {
            let parts = changes.parts(table.generation);
            self.under_way = Some(UnderWay { table, parts });
        } else {
            self.publisher
                .roster()
                .applied(self.place, table.generation);
            self.holds = Holds::Table(table);
        }
        Ok(())
    }

    fn hear(&mut self, message: Result<Option<FromProxy>, Status>) -> Result<(), Ended> {
        // A stream that breaks is as good as one that ends: the proxy comes back.
        let message = message.ok().flatten().ok_or(Ended::ByProxy)?;
        match message.message {
            Some(from_proxy::Message::Applied(applied)) => {
                let table = self.answered(applied.generation)?;
                let generation = table.generation;
                self.holds = Holds::Table(table);
                self.publisher.roster().applied(self.place, generation);
            }
            Some(from_proxy::Message::Rejected(rejected)) => {
                let table = self.answered(rejected.generation)?;
                self.note_rejected(table.generation, rejected.reason);
            }
            Some(from_proxy::Message::Counters(counters)) => self.count(counters.series),
            Some(from_proxy::Message::Hello(_)) => return Err(nonsense("a second hello")),
            None => return Err(nonsense("a message without content")),
        }
        Ok(())
    }

    /// The change that an answer is for.
    fn answered(
        &mut self,
        generation: Option<haldane_wire::proto::Generation>,
    ) -> Result<Arc<Published>, Ended> {
        let generation = generation.map(Generation::from);
        let change = self.under_way.take();
        let change = change.filter(|change| Some(change.table.generation) == generation);
        let change = change.ok_or_else(|| nonsense("an answer to what was not asked"))?;
        Ok(change.table)
    }

    fn note_rejected(&self, generation: Generation, mut reason: String) {
        let end = reason.floor_char_boundary(REASON_BYTES_MAX);
        reason.truncate(end);
        tracing::warn!(proxy = self.name, %generation, reason, "a proxy refused a table");
        let roster = self.publisher.roster();
        roster.rejected(self.place, generation, reason);
    }

    fn count(&self, series: Vec<haldane_wire::proto::Series>) {
        let series = series.into_iter().map(Series::try_from);
        let known = series.filter_map(|series| {
            series
                .inspect_err(|fault| tracing::debug!(proxy = self.name, %fault, "not counted"))
                .ok()
        });
        self.publisher.count(&self.instance, known);
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        tracing::info!(proxy = self.name, instance = self.instance, "a proxy left");
        self.publisher.roster().leave(self.place);
    }
}

impl Holds {
    fn said(hello: &Hello) -> Self {
        match hello.generation {
            Some(generation) => Self::Said(generation.into(), Digest::from_slice(&hello.digest)),
            None => Self::Nothing,
        }
    }

    /// What has to be sent; `None` where the proxy holds the very table.
    fn changes_to(&self, table: &Published) -> Result<Option<Changes>, Status> {
        let encoded = &table.encoded;
        match self {
            Self::Table(held) => Ok(Some(table.since(held))),
            Self::Said(held, digest) => {
                let same = *digest == Some(encoded.digest());
                if same && *held == table.generation {
                    Ok(None)
                } else if *held >= table.generation {
                    Err(behind(*held, table.generation))
                } else if same {
                    Ok(Some(encoded.delta_from(encoded)))
                } else {
                    Ok(Some(encoded.whole()))
                }
            }
            Self::Nothing => Ok(Some(encoded.whole())),
        }
    }
}

/// Why a stream ends.
enum Ended {
    ByProxy,
    ByUs(Status),
}

fn not_leading() -> Ended {
    Ended::ByUs(Status::failed_precondition("not the leader any more"))
}

fn nonsense(what: &'static str) -> Ended {
    Ended::ByUs(Status::invalid_argument(what))
}

/// Another controller has led since, or this one forgot how far it was.
fn behind(held: Generation, ours: Generation) -> Status {
    tracing::warn!(%held, %ours, "a proxy holds a newer table than this controller has");
    Status::failed_precondition(format!("you hold {held}, and this controller has {ours}"))
}

async fn hello(from: &mut Streaming<FromProxy>) -> Result<Hello, Status> {
    let first = tokio::time::timeout(HELLO_WAIT_MAX, from.message()).await;
    let first = first.map_err(|_| Status::deadline_exceeded("no hello"))??;
    let Some(from_proxy::Message::Hello(hello)) = first.and_then(|first| first.message) else {
        return Err(Status::invalid_argument("the first message is no hello"));
    };
    let is_name = |name: &str| {
        (1..=NAME_BYTES_MAX).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_graphic())
    };
    if is_name(&hello.proxy) && is_name(&hello.instance) {
        Ok(hello)
    } else {
        Err(Status::invalid_argument(
            "a proxy must have a name of printable ASCII",
        ))
    }
}

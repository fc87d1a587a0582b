//! The task of a connection: reads and writes its frames for all its exchanges, and notices when its peer is gone.

use super::room::Room;
use super::silence::{LOOK_EVERY, Verdict};
use crate::upstream::stream::Stream;
use ::h2::client::Connection;
use ::h2::{Ping, PingPong};
use bytes::Bytes;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

/// Drives a connection to its end: until it breaks, or nobody holds it.
pub(super) async fn drive(connection: Connection<Stream, Bytes>, room: Rc<Room>) {
    let mut driver = Driver::new(connection, room);
    poll_fn(|cx| driver.poll(cx)).await;
}

struct Driver {
    connection: Connection<Stream, Bytes>,
    room: Rc<Room>,
    pings: Option<PingPong>,
    looks: Interval,
}

impl Driver {
    fn new(mut connection: Connection<Stream, Bytes>, room: Rc<Room>) -> Self {
        let mut looks = interval_at(Instant::now() + LOOK_EVERY, LOOK_EVERY);
        // A worker that was held up must not take its own silence for the peer's.
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            pings: connection.ping_pong(),
            connection,
            room,
            looks,
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Poll::Ready(ended) = Pin::new(&mut self.connection).poll(cx) {
            if let Err(error) = ended {
                tracing::debug!(%error, "upstream HTTP/2 connection ended");
            }
            return Poll::Ready(());
        }
        self.room.has_written();
        self.room
            .holds(self.connection.max_concurrent_send_streams());
        while self.looks.poll_tick(cx).is_ready() {
            match self.room.silence.look() {
                Verdict::Wait => {}
                Verdict::Ask => self.ask(cx),
                Verdict::Gone => {
                    tracing::debug!("upstream HTTP/2 connection is silent");
                    return Poll::Ready(());
                }
            }
        }
        Poll::Pending
    }

    /// Its answer ends the silence, as any frame does.
    fn ask(&mut self, cx: &mut Context<'_>) {
        if let Some(pings) = &mut self.pings {
            // The answer to the one before, without which there is no further one.
            let _ = pings.poll_pong(cx);
            if pings.send_ping(Ping::opaque()).is_err() {
                tracing::debug!("an upstream's HTTP/2 connection takes no PING");
            }
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.room.has_written();
        self.room.closes();
    }
}

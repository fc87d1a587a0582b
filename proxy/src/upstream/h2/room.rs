//! How many exchanges a connection has, and who waits to be one.

use super::silence::Silence;
use crate::snapshot::Unsent;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;
use tokio::sync::Notify;

/// What the exchanges of a connection and its driver share.
pub(super) struct Room {
    /// Streams at once, as the peer said last.
    most: Cell<usize>,
    open: Cell<usize>,
    waiting: Cell<usize>,
    /// Nobody gets a stream any more: who waits for one learns it by trying.
    closed: Cell<bool>,
    freed: Notify,
    /// Of requests whose heads the driver is about to write.
    unsent: RefCell<Vec<Unsent>>,
    pub(super) silence: Silence,
}

impl Room {
    pub(super) fn new(most: usize) -> Self {
        Self {
            most: Cell::new(most),
            open: Cell::new(0),
            waiting: Cell::new(0),
            closed: Cell::new(false),
            freed: Notify::new(),
            unsent: RefCell::default(),
            silence: Silence::default(),
        }
    }

    pub(super) fn used(&self) -> usize {
        self.open.get() + self.waiting.get()
    }

    /// Whether a place is free now, whoever waits for one.
    pub(super) fn is_open(&self) -> bool {
        !self.is_full()
    }

    pub(super) fn has_place(&self) -> bool {
        self.used() < self.most.get()
    }

    /// The peer takes so many streams from now on.
    pub(super) fn holds(&self, most: usize) {
        if self.most.replace(most) < most {
            self.freed.notify_waiters();
        }
    }

    /// Waits until a place is free, or nobody gets one any more. It is gone again unless it is taken at once.
    pub(super) async fn opens(&self) {
        if self.is_full() {
            let _waiting = Waiting::begin(self);
            while self.is_full() {
                self.freed.notified().await;
            }
        }
    }

    /// The head of this request is with the connection, whose driver writes it next.
    pub(super) fn leaves(&self, unsent: Option<Unsent>) {
        self.unsent.borrow_mut().extend(unsent);
    }

    /// All that was to be written is.
    pub(super) fn has_written(&self) {
        self.unsent.borrow_mut().clear();
        self.silence.was_written();
    }

    /// The connection ended, or is about to.
    pub(super) fn closes(&self) {
        if !self.closed.replace(true) {
            self.freed.notify_waiters();
        }
    }

    fn is_full(&self) -> bool {
        self.open.get() >= self.most.get() && !self.closed.get()
    }
}

impl fmt::Debug for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Room({} of {})", self.used(), self.most.get())
    }
}

/// An exchange's place on its connection, until its answer is over.
#[derive(Debug)]
pub(crate) struct Place(Rc<Room>);

impl Place {
    /// One more, whether the peer has a free one or not: see [`Room::opens`].
    pub(super) fn of(room: &Rc<Room>) -> Self {
        room.open.set(room.open.get() + 1);
        Self(room.clone())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let room = &self.0;
        room.open.set(room.open.get() - 1);
        if room.waiting.get() > 0 {
            room.freed.notify_one();
        }
    }
}

/// Somebody waits for a place.
struct Waiting<'a>(&'a Room);

impl<'a> Waiting<'a> {
    fn begin(room: &'a Room) -> Self {
        room.waiting.set(room.waiting.get() + 1);
        Self(room)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.set(self.0.waiting.get() - 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio_test::{assert_pending, assert_ready, task};

    async fn take(room: &Rc<Room>) -> Place {
        room.opens().await;
        Place::of(room)
    }

    #[test]
    fn a_place_that_is_given_back_goes_to_one_who_waits() {
        let room = Rc::new(Room::new(1));
        let first = assert_ready!(task::spawn(take(&room)).poll());
        let mut second = task::spawn(take(&room));
        assert_pending!(second.poll());
        let mut third = task::spawn(take(&room));
        assert_pending!(third.poll());
        assert_eq!((room.used(), room.has_place()), (3, false));
        drop(first);
        assert!(second.is_woken());
        assert!(!third.is_woken());
        let second = assert_ready!(second.poll());
        assert_pending!(third.poll());
        drop(second);
        drop(assert_ready!(third.poll()));
        assert_eq!((room.used(), room.has_place()), (0, true));
    }

    #[test]
    fn one_who_is_woken_and_goes_away_wakes_the_next() {
        let room = Rc::new(Room::new(1));
        let first = assert_ready!(task::spawn(take(&room)).poll());
        let mut second = task::spawn(take(&room));
        let mut third = task::spawn(take(&room));
        assert_pending!(second.poll());
        assert_pending!(third.poll());
        drop(first);
        drop(second);
        assert!(third.is_woken());
        drop(assert_ready!(third.poll()));
    }

    #[test]
    fn a_peer_that_takes_more_streams_lets_those_in_who_wait() {
        let room = Rc::new(Room::new(0));
        let mut waiting = task::spawn(take(&room));
        assert_pending!(waiting.poll());
        room.holds(1);
        assert!(waiting.is_woken());
        drop(assert_ready!(waiting.poll()));
    }

    #[test]
    fn nobody_waits_for_a_connection_that_takes_no_more() {
        let room = Rc::new(Room::new(0));
        let mut waiting = task::spawn(take(&room));
        assert_pending!(waiting.poll());
        room.closes();
        assert!(waiting.is_woken());
        drop(assert_ready!(waiting.poll()));
        room.holds(0);
        drop(assert_ready!(task::spawn(take(&room)).poll()));
    }
}

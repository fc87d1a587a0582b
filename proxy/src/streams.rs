//! HTTP/2 responses on their way, so that those whose client takes nothing end.
//!
//! hyper asks a body for more only while the client's window is open, and wakes nobody when it is not: without a look
//! from outside, a stream with a closed window, or one that is opened by a byte now and then, would hold its upstream
//! connection and its buffers for as long as the client likes.

use crate::body::Shared;
use std::cell::RefCell;
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};

/// The response bodies of one worker that may be stuck. Those that are over are forgotten at the next look, so there are
/// about as many as streams are open, which is bounded for each connection.
#[derive(Default)]
pub(crate) struct Streams {
    bodies: RefCell<Vec<Weak<RefCell<Shared>>>>,
}

impl Streams {
    /// Looks after a body from now on.
    pub(crate) fn watch(&self, body: &Rc<RefCell<Shared>>) {
        self.bodies.borrow_mut().push(Rc::downgrade(body));
    }

    /// Gives up every body whose client took too little for longer than `patience`.
    pub(crate) fn reap(&self, now: Instant, patience: Duration) {
        let mut bodies = self.bodies.take();
        bodies.retain(|body| {
            let body = body.upgrade();
            body.inspect(|body| body.borrow_mut().look(now, patience))
                .is_some()
        });
        self.bodies.borrow_mut().append(&mut bodies);
    }
}

//! HTTP/2 responses on their way, so that those whose client takes nothing end.
//!
//! hyper asks a body for more only while the client's window is open, and wakes nobody when it is not: without a look
//! from outside, a stream with a closed window, or one that is opened by a byte now and then, would hold its upstream
//! connection and its buffers for as long as the client likes.

use crate::body::Flow;
use std::cell::RefCell;
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};

/// The response bodies of one worker that may be stuck. Those that are over are forgotten at the next look, so there are
/// about as many as streams are open, which is bounded for each connection.
#[derive(Default)]
pub(crate) struct Streams {
    flows: RefCell<Vec<Weak<RefCell<Flow>>>>,
}

impl Streams {
    /// Looks after a body from now on.
    pub(crate) fn watch(&self, flow: &Rc<RefCell<Flow>>) {
        self.flows.borrow_mut().push(Rc::downgrade(flow));
    }

    /// Gives up every body whose client took too little for longer than `patience`.
    pub(crate) fn reap(&self, now: Instant, patience: Duration) {
        let mut flows = self.flows.take();
        flows.retain(|flow| {
            let flow = flow.upgrade();
            flow.inspect(|flow| flow.borrow_mut().look(now, patience))
                .is_some()
        });
        self.flows.borrow_mut().append(&mut flows);
    }
}

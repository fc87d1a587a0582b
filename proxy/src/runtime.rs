//! How hyper starts tasks here: on the worker that asks, never on another; and how one of them is ended from outside.

use pin_project_lite::pin_project;
use std::cell::RefCell;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use tokio::task::Id;

thread_local! {
    /// Tasks to be ended when they are polled next; each was woken for that, so there are few.
    static ENDED: RefCell<Vec<Id>> = const { RefCell::new(Vec::new()) };
}

/// Runs hyper's background futures on the current worker.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LocalExecutor;

impl<F: Future<Output: 'static> + 'static> hyper::rt::Executor<F> for LocalExecutor {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(Endable { future });
    }
}

/// One of the tasks that [`LocalExecutor`] has started.
#[derive(Debug)]
pub(crate) struct Task {
    id: Id,
    waker: Waker,
}

impl Task {
    /// The one that polls with this context, if one does.
    pub(crate) fn current(cx: &Context<'_>) -> Option<Self> {
        Some(Self {
            id: tokio::task::try_id()?,
            waker: cx.waker().clone(),
        })
    }

    /// Drops its future soon. Only for a task that is there still.
    pub(crate) fn end(self) {
        ENDED.with_borrow_mut(|ended| ended.push(self.id));
        self.waker.wake();
    }
}

pin_project! {
    struct Endable<F> {
        #[pin]
        future: F,
    }
}

impl<F: Future> Future for Endable<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if is_ended() {
            return Poll::Ready(());
        }
        self.project().future.poll(cx).map(drop)
    }
}

fn is_ended() -> bool {
    ENDED.with_borrow_mut(|ended| {
        // Nearly always.
        if ended.is_empty() {
            return false;
        }
        let id = tokio::task::try_id();
        let at = ended.iter().position(|ended| Some(*ended) == id);
        at.map(|at| ended.swap_remove(at)).is_some()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::rt::Executor as _;
    use std::cell::Cell;
    use std::future::poll_fn;
    use std::rc::Rc;
    use tokio::task::LocalSet;

    /// Starts a task that waits for ever; how to end it, and whether it is there.
    fn start() -> (Rc<Cell<Option<Task>>>, Rc<()>) {
        let (task, there) = (Rc::new(Cell::new(None)), Rc::new(()));
        let (handle, held) = (task.clone(), there.clone());
        LocalExecutor.execute(async move {
            let _held = held;
            poll_fn(|cx| {
                handle.set(Task::current(cx));
                Poll::<()>::Pending
            })
            .await;
        });
        (task, there)
    }

    #[tokio::test]
    async fn the_task_that_is_told_ends_and_no_other() {
        LocalSet::new()
            .run_until(async {
                let (told, other) = (start(), start());
                tokio::task::yield_now().await;
                told.0.take().unwrap().end();
                while Rc::strong_count(&told.1) > 1 {
                    tokio::task::yield_now().await;
                }
                assert_eq!(Rc::strong_count(&other.1), 2);
                assert!(ENDED.with_borrow(Vec::is_empty));
            })
            .await;
    }
}

//! Whether a peer that owes a word is still there.
//!
//! Only one that was sent something and has said nothing since is asked by a PING. One that is asked again and again while
//! nothing is under way takes it for abuse: gRPC's servers end such a connection, with all its streams.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

/// How often the silence is looked at.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(10);
/// Looks after which a silent peer gets a PING: it has said nothing for 10 to 20 s.
const ASKED_AFTER: u8 = 2;
/// Looks after which it is gone: it has left the PING unanswered for 20 s.
const GONE_AFTER: u8 = 4;

/// How long a peer has been silent since it was sent something. Shared by those who send, who read, and who look.
#[derive(Clone, Debug, Default)]
pub(in crate::upstream) struct Silence(Rc<State>);

#[derive(Debug, Default)]
struct State {
    /// Looks since then.
    looks: Cell<Option<u8>>,
    /// Something was given to the connection and is not written yet: what is read before it is no answer to it.
    given: Cell<bool>,
}

/// What follows from a silence.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Wait,
    Ask,
    Gone,
}

impl Silence {
    /// The peer is about to be sent something.
    pub(super) fn begins(&self) {
        self.0.given.set(true);
    }

    /// What was given to the connection is written.
    pub(super) fn was_written(&self) {
        if self.0.given.take() {
            let looks = self.0.looks.get();
            self.0.looks.set(looks.or(Some(0)));
        }
    }

    /// The peer said something.
    pub(in crate::upstream) fn ends(&self) {
        self.0.looks.set(None);
    }

    pub(super) fn look(&self) -> Verdict {
        let Some(looks) = self.0.looks.get() else {
            return Verdict::Wait;
        };
        self.0.looks.set(Some(looks + 1));
        match looks + 1 {
            GONE_AFTER => Verdict::Gone,
            ASKED_AFTER => Verdict::Ask,
            _ => Verdict::Wait,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Verdict::{Ask, Gone, Wait};

    fn sends(silence: &Silence) {
        silence.begins();
        silence.was_written();
    }

    #[test]
    fn what_is_read_before_something_is_written_is_no_answer_to_it() {
        let silence = Silence::default();
        silence.begins();
        silence.ends();
        silence.was_written();
        assert_eq!((silence.look(), silence.look()), (Wait, Ask));
    }

    #[test]
    fn a_peer_that_owes_nothing_is_not_asked() {
        let silence = Silence::default();
        assert!((0..10).all(|_| silence.look() == Wait));
    }

    #[test]
    fn a_peer_that_owes_a_word_is_asked_once_and_then_gone() {
        let silence = Silence::default();
        sends(&silence);
        let looks = std::array::from_fn(|_| silence.look());
        assert_eq!(looks, [Wait, Ask, Wait, Gone]);
    }

    #[test]
    fn sending_more_does_not_make_a_silence_shorter_and_a_word_ends_it() {
        let silence = Silence::default();
        sends(&silence);
        assert_eq!(silence.look(), Wait);
        sends(&silence);
        assert_eq!(silence.look(), Ask);
        silence.ends();
        assert_eq!(silence.look(), Wait);
        sends(&silence);
        assert_eq!(silence.look(), Wait);
        assert_eq!(silence.look(), Ask);
    }
}

//! Gates: asked before a step, in the background, so that whoever decides never waits.

use super::call::{CallFault, Patience};
use super::hook::Hook;
use super::notice::{Notice, Regarding};
use super::tell::Webhooks;
use std::collections::HashMap;
use std::time::Instant;
use tokio::sync::oneshot;
use tokio::sync::oneshot::error::TryRecvError;

/// What is known of a gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Answer {
    /// The step may be taken.
    #[error("the gate is open")]
    Open,
    /// It was asked and has not answered yet.
    #[error("the gate was asked and has not answered yet")]
    Asked,
    /// The step must wait; the gate is asked again.
    #[error("the gate is closed: {0}")]
    Closed(CallFault),
}

/// The gates of all rollouts: for each, the step that was asked about last.
#[derive(Debug)]
pub struct Gates {
    webhooks: Webhooks,
    /// By the object that asks, and the Service.
    questions: HashMap<(Regarding, String), Question>,
}

#[derive(Debug)]
struct Question {
    /// The canary and the share it would get: an answer for one step opens no other.
    step: (String, String),
    answer: Answer,
    /// When the last answer came.
    at: Option<Instant>,
    coming: Option<oneshot::Receiver<Result<(), CallFault>>>,
}

impl Gates {
    /// No gate was asked yet.
    pub fn new(webhooks: Webhooks) -> Self {
        Self {
            webhooks,
            questions: HashMap::new(),
        }
    }

    /// What the gate says about the step that `notice` announces. Asks it where that is not known, or not any more; never
    /// waits; must be called on a runtime.
    pub fn look(&mut self, hook: &Hook, notice: &Notice, now: Instant) -> Answer {
        let step = (notice.canary.clone(), notice.weight.clone());
        let key = (notice.object.clone(), notice.service.clone());
        let known = self.questions.remove(&key);
        let known = known.filter(|question| question.step == step);
        let mut question = known.unwrap_or_else(|| Question::new(step));
        question.listen(now);
        if question.is_due(now, self.webhooks.patience()) {
            question.coming = Some(self.ask(hook.clone(), notice.clone()));
        }
        let answer = question.answer;
        self.questions.insert(key, question);
        answer
    }

    /// Forgets all but these: the rollouts that there are.
    pub fn retain(&mut self, is_there: impl Fn(&Regarding) -> bool) {
        self.questions.retain(|(object, _), _| is_there(object));
    }

    fn ask(&self, hook: Hook, notice: Notice) -> oneshot::Receiver<Result<(), CallFault>> {
        let (answer, coming) = oneshot::channel();
        let webhooks = self.webhooks.clone();
        tokio::spawn(async move {
            // Nobody listens any more when the rollout went on to something else.
            let _ = answer.send(webhooks.ask(&hook, &notice).await);
        });
        coming
    }
}

impl Question {
    fn new(step: (String, String)) -> Self {
        Self {
            step,
            answer: Answer::Asked,
            at: None,
            coming: None,
        }
    }

    /// Takes the answer that has come, if one has.
    fn listen(&mut self, now: Instant) {
        let Some(coming) = &mut self.coming else {
            return;
        };
        self.answer = match coming.try_recv() {
            Ok(Ok(())) => Answer::Open,
            Ok(Err(fault)) => Answer::Closed(fault),
            Err(TryRecvError::Empty) => return,
            Err(TryRecvError::Closed) => Answer::Closed(CallFault::Broken),
        };
        self.at = Some(now);
        self.coming = None;
    }

    /// Whether the gate must be asked. One that is closed stays so until it says otherwise; one that was open a while ago
    /// does not.
    fn is_due(&mut self, now: Instant, patience: Patience) -> bool {
        let age = self.at.map(|at| now.saturating_duration_since(at));
        let is_due = match (self.answer, age) {
            _ if self.coming.is_some() => false,
            (Answer::Open, Some(age)) => age >= patience.open,
            (Answer::Closed(_), Some(age)) => age >= patience.closed,
            _ => true,
        };
        if is_due && self.answer == Answer::Open {
            self.answer = Answer::Asked;
        }
        is_due
    }
}

#[cfg(test)]
mod tests;

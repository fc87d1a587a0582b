//! What is told about a rollout: one word for machines, one sentence for people.

use haldane_rollout::{Action, Decision, Reason, State};

/// Something that happened to a rollout, as its Event tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Notice {
    pub(crate) what: What,
    pub(crate) note: String,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum What {
    Started,
    StepRaised,
    WarmedUp,
    Promoted,
    Aborted,
    RolledBack,
    Paused,
    Resumed,
    Frozen,
    Thawed,
    StableReplaced,
    CleanedUp,
    NotCleanedUp,
}

impl What {
    /// The Event's reason, and the metric's label.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Started => "RolloutStarted",
            Self::StepRaised => "StepRaised",
            Self::WarmedUp => "WarmedUp",
            Self::Promoted => "Promoted",
            Self::Aborted => "Aborted",
            Self::RolledBack => "RolledBack",
            Self::Paused => "Paused",
            Self::Resumed => "Resumed",
            Self::Frozen => "Frozen",
            Self::Thawed => "Thawed",
            Self::StableReplaced => "StableReplaced",
            Self::CleanedUp => "CleanedUp",
            Self::NotCleanedUp => "NotCleanedUp",
        }
    }

    /// Whether somebody should look at it.
    pub(crate) fn is_warning(self) -> bool {
        matches!(
            self,
            Self::Aborted | Self::RolledBack | Self::StableReplaced | Self::NotCleanedUp
        )
    }
}

impl Notice {
    pub(crate) fn new(what: What, note: impl Into<String>) -> Self {
        let note = note.into();
        Self { what, note }
    }

    /// A decision that was carried out; `None` if it was to hold.
    pub(crate) fn of(decision: &Decision, after: &State) -> Option<Self> {
        let rolled_back = decision.reasons.contains(&Reason::RolledBack);
        let what = match decision.action {
            Action::Hold => return None,
            Action::Advance { .. } if decision.reasons.contains(&Reason::WarmedUp) => {
                What::WarmedUp
            }
            Action::Advance { .. } => What::StepRaised,
            Action::Promote => What::Promoted,
            Action::Abort if rolled_back => What::RolledBack,
            Action::Abort => What::Aborted,
        };
        let (canary, stable) = (after.canary(), after.stable());
        let why = decision.why();
        let note = match what {
            What::Promoted => format!("{canary} is the stable version now: {why}"),
            What::Aborted | What::RolledBack => {
                format!("{canary} gets nothing any more, {stable} everything: {why}")
            }
            _ => format!(
                "{canary} gets {} of {stable}'s requests: {why}",
                after.share()
            ),
        };
        Some(Self { what, note })
    }
}

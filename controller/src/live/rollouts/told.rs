//! Events of rollouts: each thing that happened told once, at the object that asked.

use crate::live::events::{NOTE_BYTES_MAX, REPORTER, name, reference};
use crate::live::name::ObjectName;
use crate::rollouts::notice::Notice;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff::Timestamp;

/// A notice, and what it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) object: ObjectName,
    pub(crate) uid: String,
    pub(crate) notice: Notice,
    /// When it happened.
    pub(crate) at: Timestamp,
}

impl Told {
    /// As an Event. Its name follows from what happened, so that it is not told once more.
    pub(crate) fn event(&self, identity: &str, now: Timestamp) -> Event {
        let mut note = self.notice.note.clone();
        note.truncate(note.floor_char_boundary(NOTE_BYTES_MAX));
        let what = self.notice.what;
        let kind = if what.is_warning() {
            "Warning"
        } else {
            "Normal"
        };
        let happened = (&self.uid, what, &self.notice.note, self.at.as_millisecond());
        Event {
            metadata: ObjectMeta {
                name: Some(name(&self.object, &happened)),
                namespace: Some(self.object.namespace.clone()),
                ..ObjectMeta::default()
            },
            type_: Some(kind.to_owned()),
            reason: Some(what.as_str().to_owned()),
            action: Some("Rollout".to_owned()),
            note: Some(note),
            regarding: Some(reference(&self.object, &self.uid)),
            event_time: Some(MicroTime(now)),
            reporting_controller: Some(REPORTER.to_owned()),
            reporting_instance: Some(identity.to_owned()),
            ..Event::default()
        }
    }
}

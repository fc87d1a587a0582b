//! What is told: one decision of one rollout, for a program or for people.

use super::hook::Speech;
use jiff::Timestamp;
use serde::Serialize;

/// The longest reason that is told, in bytes: chats cut off what is longer anyway.
const REASON_BYTES_MAX: usize = 2000;

/// The object that a rollout belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Regarding {
    /// `Service` or `Ingress`.
    pub kind: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// Something that happened to a rollout, or is about to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Notice {
    /// The reason word of the Event that tells the same, or `StepDue` where a gate is asked.
    pub event: String,
    /// Whose rollout it is.
    pub object: Regarding,
    /// The Service whose versions they are: an Ingress may have rollouts of several.
    pub service: String,
    /// The version that the canary is held against.
    pub stable: String,
    /// The version that is released.
    pub canary: String,
    /// The canary's share from then on, such as `5%`.
    pub weight: String,
    /// Why, in a sentence.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

impl Notice {
    /// As a hook takes it.
    pub(super) fn body(&self, speech: Speech) -> String {
        let mut cut = self.clone();
        let end = cut.reason.floor_char_boundary(REASON_BYTES_MAX);
        cut.reason.truncate(end);
        let told = match speech {
            Speech::Generic => serde_json::to_value(&cut),
            Speech::Slack => Ok(serde_json::json!({ "text": escaped(&cut.sentence()) })),
        };
        told.expect("a notice has text keys only").to_string()
    }

    fn sentence(&self) -> String {
        let Regarding {
            kind,
            namespace,
            name,
        } = &self.object;
        format!(
            "{}: {kind} {namespace}/{name}: {} beside {}, {} of the requests: {}",
            self.event, self.canary, self.stable, self.weight, self.reason
        )
    }
}

/// Slack takes `<...>` for links and mentions: `<!channel>` would wake everybody.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
pub(super) fn example(event: &str) -> Notice {
    Notice {
        event: event.to_owned(),
        object: Regarding {
            kind: "Service".to_owned(),
            namespace: "shop".to_owned(),
            name: "web".to_owned(),
        },
        service: "web".to_owned(),
        stable: "1.14".to_owned(),
        canary: "1.15".to_owned(),
        weight: "0%".to_owned(),
        reason: "p99<300ms & <!channel>".to_owned(),
        at: Timestamp::UNIX_EPOCH,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_told_fields_and_people_a_sentence() {
        let notice = example("Aborted");
        insta::assert_snapshot!(notice.body(Speech::Generic), @r#"{"at":"1970-01-01T00:00:00Z","canary":"1.15","event":"Aborted","object":{"kind":"Service","name":"web","namespace":"shop"},"reason":"p99<300ms & <!channel>","service":"web","stable":"1.14","weight":"0%"}"#);
        insta::assert_snapshot!(notice.body(Speech::Slack), @r#"{"text":"Aborted: Service shop/web: 1.15 beside 1.14, 0% of the requests: p99&lt;300ms &amp; &lt;!channel&gt;"}"#);
    }

    #[test]
    fn a_long_reason_is_cut_between_characters() {
        let mut notice = example("Aborted");
        notice.reason = "ü".repeat(REASON_BYTES_MAX);
        assert!(notice.body(Speech::Slack).len() < REASON_BYTES_MAX + 200);
    }
}

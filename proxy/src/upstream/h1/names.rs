//! Field names of a backend's answers, known from the answer before.

use http::HeaderName;
use http::header::InvalidHeaderName;

/// Names kept for each connection: more than the answers of most backends have.
const KEPT_MAX: usize = 32;

/// The longest name that is kept, in bytes.
const KEPT_BYTES_MAX: usize = 64;

/// The names of the answer before, by place: a backend says mostly the same ones in the same order, and to compare a name
/// is far cheaper than to look it up.
#[derive(Debug, Default)]
pub(super) struct Names(Vec<Known>);

#[derive(Debug)]
struct Known {
    written: Box<[u8]>,
    name: HeaderName,
}

impl Names {
    /// The name of the field at `place`, in whatever case it is written.
    pub(super) fn name(
        &mut self,
        place: usize,
        written: &[u8],
    ) -> Result<HeaderName, InvalidHeaderName> {
        if let Some(known) = self.0.get(place)
            && *known.written == *written
        {
            return Ok(known.name.clone());
        }
        let name = HeaderName::from_bytes(written)?;
        self.keep(place, written, &name);
        Ok(name)
    }

    fn keep(&mut self, place: usize, written: &[u8], name: &HeaderName) {
        if place >= KEPT_MAX || written.len() > KEPT_BYTES_MAX {
            return;
        }
        let known = Known {
            written: written.into(),
            name: name.clone(),
        };
        if place < self.0.len() {
            self.0[place] = known;
        } else if place == self.0.len() {
            self.0.push(known);
        }
        // Else a name before this one was not kept.
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asks for the names of several answers, parted by `|`, one after the other.
    #[track_caller]
    fn check(answers: &str) {
        let mut names = Names::default();
        for answer in answers.split('|') {
            for (place, written) in answer.split_whitespace().enumerate() {
                let name = names.name(place, written.as_bytes()).ok();
                let expected = HeaderName::from_bytes(written.as_bytes()).ok();
                assert_eq!(name, expected, "{written} in {answer}");
            }
        }
        assert!(names.0.len() <= KEPT_MAX);
        assert!(
            names
                .0
                .iter()
                .all(|name| name.written.len() <= KEPT_BYTES_MAX)
        );
    }

    #[test]
    fn a_name_is_what_is_written_whatever_came_before() {
        check("Server Date X-A|server DATE x-a|Date Server X-B|Server|X-A X-B Server Date");
        check("a ( b|a b (|é a");
        let long = "x".repeat(KEPT_BYTES_MAX + 1);
        check(&format!("{long} a|{long} b|b {long}|{long} {long}"));
        let many = "a ".repeat(KEPT_MAX + 9);
        check(&format!("{many}|{many}|b {many}"));
    }
}

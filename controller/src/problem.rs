//! What is wrong with an object, and where exactly: the one form in which every fault leaves this crate.
//!
//! Nothing here decides what follows from a problem; it only keeps file, object, field and sentence together.

use serde::Serialize;
use std::fmt;

/// How much a [`Problem`] matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Something that was asked for is not in the table.
    Error,
    /// The table serves what was asked for, but the writer may have meant something else.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

/// One fault of one object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Problem {
    /// Whether the object, or a part of it, is left out.
    pub severity: Severity,
    /// The file it was read from; `None` for objects of a cluster.
    pub file: Option<String>,
    /// Kind, namespace and name, such as `Ingress shop/web`; empty where no object could be read.
    pub object: String,
    /// The path of the field, such as `metadata.annotations[haldane.dev/weights]`; empty for the whole object.
    pub field: String,
    /// What is wrong, and where possible what to write instead.
    pub message: String,
}

impl Problem {
    /// Whether something that was asked for is not served.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

/// `FILE: OBJECT: FIELD: MESSAGE`, without the parts that are empty, on one line whatever they hold.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.as_deref().unwrap_or_default();
        for part in [file, &self.object, &self.field] {
            if !part.is_empty() {
                write!(f, "{}: ", one_line(part))?;
            }
        }
        f.write_str(&one_line(&self.message))
    }
}

/// Control characters are shown, not sent to the terminal or into the next log line.
fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
    line
}

/// The object that problems are about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Subject {
    pub(crate) file: Option<String>,
    pub(crate) object: String,
}

impl Subject {
    /// A place inside this object.
    pub(crate) fn at(&self, field: impl Into<String>) -> Spot {
        Spot {
            subject: self.clone(),
            field: field.into(),
        }
    }

    /// The annotation with this whole key.
    pub(crate) fn annotation(&self, key: &str) -> Spot {
        self.at(format!("metadata.annotations[{key}]"))
    }
}

/// A field of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Spot {
    subject: Subject,
    field: String,
}

impl Spot {
    pub(crate) fn error(&self, message: impl Into<String>) -> Problem {
        self.problem(Severity::Error, message.into())
    }

    pub(crate) fn warning(&self, message: impl Into<String>) -> Problem {
        self.problem(Severity::Warning, message.into())
    }

    fn problem(&self, severity: Severity, message: String) -> Problem {
        Problem {
            severity,
            file: self.subject.file.clone(),
            object: self.subject.object.clone(),
            field: self.field.clone(),
            message,
        }
    }
}

/// Why a single value is not what its field asks for; the caller knows the field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Refused(pub(crate) String);

impl Refused {
    pub(crate) fn because<T>(reason: impl Into<String>) -> Result<T, Self> {
        Err(Self(reason.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_shown_on_one_line_without_its_empty_parts() {
        let subject = Subject {
            file: None,
            object: "Ingress shop/web".to_owned(),
        };
        let problem = subject.annotation("haldane.dev/x\ny").error("not\ta word");
        assert_eq!(
            problem.to_string(),
            "Ingress shop/web: metadata.annotations[haldane.dev/x\\ny]: not\\ta word"
        );
    }
}

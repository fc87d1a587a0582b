//! Takes a file's text apart into documents: YAML, or JSON where the file says so.

use serde_json::Value;
use serde_saphyr::UserMessageFormatter;
use std::io::Cursor;
use std::path::Path;

/// How many documents one file may hold: a whole cluster's objects fit, a decompression bomb does not.
const DOCUMENTS_MAX: usize = 100_000;

#[derive(Debug, thiserror::Error)]
pub(super) enum DocumentFault {
    #[error("document {document} is not YAML: {reason}")]
    Yaml { document: usize, reason: String },
    #[error("document {document} is not JSON: {reason}")]
    Json {
        document: usize,
        reason: serde_json::Error,
    },
    #[error("holds more than {DOCUMENTS_MAX} documents; the rest is left out")]
    TooMany,
}

/// The documents in order, empty ones left out. Behind a syntax error nothing more can be read.
pub(super) fn split(file: &Path, text: &str) -> Vec<Result<Value, DocumentFault>> {
    let mut documents: Vec<_> = if file
        .extension()
        .is_some_and(|extension| extension == "json")
    {
        json(text).take(DOCUMENTS_MAX + 1).collect()
    } else {
        yaml(text)
    };
    if documents.len() > DOCUMENTS_MAX {
        documents.truncate(DOCUMENTS_MAX);
        documents.push(Err(DocumentFault::TooMany));
    }
    documents.retain(|document| !matches!(document, Ok(Value::Null)));
    documents
}

fn json(text: &str) -> impl Iterator<Item = Result<Value, DocumentFault>> {
    let values = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    values.enumerate().map(|(index, value)| {
        let document = index + 1;
        value.map_err(|reason| DocumentFault::Json { document, reason })
    })
}

fn yaml(text: &str) -> Vec<Result<Value, DocumentFault>> {
    let mut reader = Cursor::new(text.as_bytes());
    let values = serde_saphyr::read_with_options::<_, Value>(&mut reader, options());
    let read = values.enumerate().map(|(index, value)| {
        value.map_err(|reason| DocumentFault::Yaml {
            document: index + 1,
            reason: reason.render_with_formatter(&UserMessageFormatter),
        })
    });
    read.take(DOCUMENTS_MAX + 1).collect()
}

/// How many nodes one document may have, aliases counted as often as they are used: a List of some ten thousand
/// objects fits, a bomb of nested aliases does not.
const NODES_MAX: usize = 5_000_000;

/// The parser's other bounds (depth, aliases, scalars) stay as they are. Messages carry line and column, not pieces
/// of the file, which may hold a Secret. `yes` and `on` stay texts, as YAML 1.2 has it.
fn options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        with_snippet: false,
        strict_booleans: true,
        budget: serde_saphyr::budget! {
            max_nodes: NODES_MAX,
            max_events: 4 * NODES_MAX,
        },
    }
}

//! Fields that an object has in the file but not in its type: typing errors that decoding alone would swallow.
//!
//! What was decoded is written out again and held against what was read.

use crate::hint::nearest;
use crate::problem::{Problem, Subject};
use serde::Serialize;
use serde_json::{Map, Value};

/// One warning for each unknown field of `object`, which was decoded from `read`.
pub(super) fn fields<T: Serialize>(read: &Value, object: &T, subject: &Subject) -> Vec<Problem> {
    let mut problems = Vec::new();
    // An object that was just decoded from JSON can be written as JSON; if not, there is nothing to compare.
    if let Ok(written) = serde_json::to_value(object) {
        compare(read, &written, "", &mut |field, key, known| {
            problems.push(subject.at(field).warning(message(key, known)));
        });
    }
    problems
}

type Report<'a> = &'a mut dyn FnMut(String, &str, &Map<String, Value>);

fn compare(read: &Value, written: &Value, path: &str, report: Report<'_>) {
    match (read, written) {
        (Value::Object(read), Value::Object(written)) => compare_maps(read, written, path, report),
        (Value::Array(read), Value::Array(written)) => {
            for (index, (read, written)) in read.iter().zip(written).enumerate() {
                compare(read, written, &format!("{path}[{index}]"), report);
            }
        }
        _ => {}
    }
}

fn compare_maps(
    read: &Map<String, Value>,
    written: &Map<String, Value>,
    path: &str,
    report: Report<'_>,
) {
    for (key, value) in read {
        let field = if path.is_empty() {
            key.clone()
        } else {
            format!("{path}.{key}")
        };
        match written.get(key) {
            Some(written) => compare(value, written, &field, report),
            None if value.is_null() => {}
            None => report(field, key, written),
        }
    }
}

/// Only keys that differ in case are sure to be meant; others are compared with the fields that are in use.
fn message(key: &str, known: &Map<String, Value>) -> String {
    match nearest(
        key,
        FIELDS
            .iter()
            .copied()
            .chain(known.keys().map(String::as_str)),
    ) {
        Some(near) => format!("is no field of this kind and is ignored; did you mean {near:?}?"),
        None => "is no field of this kind and is ignored".to_owned(),
    }
}

/// The fields that people write by hand in the kinds that are read.
const FIELDS: &[&str] = &[
    "addressType",
    "addresses",
    "annotations",
    "appProtocol",
    "backend",
    "clusterIP",
    "conditions",
    "data",
    "defaultBackend",
    "endpoints",
    "externalName",
    "host",
    "hosts",
    "http",
    "ingressClassName",
    "labels",
    "metadata",
    "name",
    "namespace",
    "number",
    "path",
    "pathType",
    "paths",
    "port",
    "ports",
    "protocol",
    "rules",
    "secretName",
    "selector",
    "service",
    "spec",
    "stringData",
    "targetPort",
    "targetRef",
    "tls",
    "type",
];

//! Rendered objects as values, and the few ways in which tests look into them.

use serde_json::Value;
use std::io::Cursor;

/// One object of the chart.
#[derive(Clone, Debug)]
pub(crate) struct Object(pub(crate) Value);

impl Object {
    /// The objects of rendered text.
    pub(crate) fn all(text: &str) -> anyhow::Result<Vec<Self>> {
        let mut reader = Cursor::new(text.as_bytes());
        let documents = serde_saphyr::read::<_, Value>(&mut reader);
        let objects: Result<Vec<_>, _> = documents.collect();
        let objects = objects?.into_iter().filter(|object| !object.is_null());
        Ok(objects.map(Self).collect())
    }

    pub(crate) fn kind(&self) -> &str {
        text(&self.0["kind"])
    }

    pub(crate) fn name(&self) -> &str {
        text(&self.0["metadata"]["name"])
    }

    /// Kind, namespace and name, by which a message names the object.
    pub(crate) fn id(&self) -> String {
        let namespace = text(&self.0["metadata"]["namespace"]);
        format!("{} {namespace}/{}", self.kind(), self.name())
    }

    /// What stands at a JSON pointer.
    pub(crate) fn at(&self, pointer: &str) -> &Value {
        self.0.pointer(pointer).unwrap_or(&Value::Null)
    }

    /// The Pod that a workload makes.
    pub(crate) fn pod(&self) -> Option<&Value> {
        self.0.pointer("/spec/template/spec")
    }

    /// The rules of a role.
    pub(crate) fn rules(&self) -> &[Value] {
        list(self.at("/rules"))
    }
}

/// A list; absent ones are empty.
pub(crate) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// A text; absent ones are empty.
pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The texts of a list.
pub(crate) fn texts(value: &Value) -> impl Iterator<Item = &str> {
    list(value).iter().map(text)
}

/// Whether `labels` have all of `selector`.
pub(crate) fn selects(selector: &Value, labels: &Value) -> bool {
    let wanted = selector.as_object().into_iter().flatten();
    let mut wanted = wanted.peekable();
    wanted.peek().is_some() && wanted.all(|(key, value)| labels.get(key) == Some(value))
}

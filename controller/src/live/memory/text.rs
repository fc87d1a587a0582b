//! Forms as text: a list of Kubernetes objects in JSON, as anybody can read.

use crate::live::form::{Form, Watched};
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::networking::v1::Ingress;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// All forms together. A ConfigMap takes 1 MiB, and escaping can double a text. An object is some KiB, so this is a
/// hundred that are wrong at once.
const BYTES_MAX: usize = 512 << 10;

/// The objects as a list. Those for which there is no room are left out, and kinds that are not kept.
pub(super) fn written(forms: &[Form]) -> String {
    let mut list = String::from("[");
    let mut left_out = 0;
    for text in forms.iter().filter_map(object) {
        // The comma or bracket behind it counts, too.
        if list.len() + text.len() + 2 > BYTES_MAX {
            left_out += 1;
            continue;
        }
        if list.len() > 1 {
            list.push(',');
        }
        list.push_str(&text);
    }
    if left_out > 0 {
        tracing::warn!(left_out, "not all last valid forms fit into the ConfigMap");
    }
    list.push(']');
    list
}

/// What of it can be read.
pub(super) fn read(text: &str) -> Vec<Form> {
    let objects: Vec<Value> = serde_json::from_str(text).unwrap_or_else(|error| {
        tracing::warn!(%error, "the ConfigMap of last valid forms cannot be read");
        Vec::new()
    });
    objects.into_iter().filter_map(form).collect()
}

fn object(form: &Form) -> Option<String> {
    let text = match form {
        Form::Ingress(ingress) => serde_json::to_string(ingress),
        Form::Service(service) => serde_json::to_string(service),
        _ => return None,
    };
    Some(text.expect("all keys are strings"))
}

fn form(object: Value) -> Option<Form> {
    match object["kind"].as_str() {
        Some("Ingress") => formed::<Ingress>(object),
        Some("Service") => formed::<Service>(object),
        _ => None,
    }
}

fn formed<K: Watched + DeserializeOwned>(object: Value) -> Option<Form> {
    let object: Option<K> = serde_json::from_value(object).ok();
    object.map(Watched::form)
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::core::v1::Secret;

    fn ingress(name: &str, annotation: &str) -> Form {
        let mut ingress = Ingress::default();
        ingress.metadata.name = Some(name.to_owned());
        let annotation = ("haldane.dev/weights".to_owned(), annotation.to_owned());
        ingress.metadata.annotations = Some([annotation].into());
        ingress.form()
    }

    #[test]
    fn what_is_written_is_read_and_no_secret_is_written() {
        let secret = Secret {
            string_data: Some([("password".to_owned(), "hush".to_owned())].into()),
            ..Secret::default()
        };
        let mut service = Service::default();
        service.metadata.uid = Some("u".to_owned());
        let kept = [ingress("a", "1=1"), service.form(), ingress("b", "\"\n")];
        let mut all = kept.to_vec();
        all.insert(1, secret.form());
        let text = written(&all);
        assert_eq!(read(&text), kept);
        assert!(!text.contains("hush"));
        assert_eq!(read(&written(&[])), []);
    }

    #[test]
    fn what_cannot_be_read_is_left_out() {
        // text, names
        let cases = [
            ("", vec![]),
            ("{}", vec![]),
            ("[1, {}, {\"kind\": \"Secret\"}, {\"kind\": 7}]", vec![]),
            (
                "[{\"kind\": \"Ingress\", \"spec\": 7}, {\"kind\": \"Service\", \"metadata\": {\"name\": \"a\"}}]",
                vec!["a"],
            ),
        ];
        for (text, expected) in cases {
            let names: Vec<String> = read(text)
                .into_iter()
                .map(|form| form.name().name)
                .collect();
            assert_eq!(names, expected, "{text}");
        }
    }

    #[test]
    fn what_does_not_fit_is_left_out_and_the_rest_is_whole() {
        let large = "x".repeat(BYTES_MAX / 3);
        let forms = ["a", "b", "c", "d"].map(|name| ingress(name, &large));
        let small = ingress("e", "");
        let all: Vec<Form> = forms.iter().cloned().chain([small.clone()]).collect();
        let text = written(&all);
        assert!(text.len() <= BYTES_MAX);
        assert_eq!(read(&text), [forms[0].clone(), forms[1].clone(), small]);
    }
}

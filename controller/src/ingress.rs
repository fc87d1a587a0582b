//! One Ingress: its settings, and the hosts and paths it asks for.

use crate::annotations::values;
use crate::lookup::Lookup;
use crate::objects::{Described, Sourced};
use crate::problem::{Problem, Refused, Subject};
use crate::settings::IngressSettings;
use k8s_openapi::api::networking::v1::{
    HTTPIngressPath, Ingress, IngressBackend, IngressRule, IngressSpec,
};

/// The longest path taken, in bytes: longer than any request line that is accepted.
const PATH_BYTES_MAX: usize = 4096;

/// What never stands in a path as it is matched, or at its end, so that a rule with it would never apply. A regular
/// expression may hold it all the same.
const NEVER_MATCHED: &[&str] = &["//", "/./", "/../", "%2f", "%2F"];
const NEVER_LAST: &[&str] = &["/.", "/.."];

/// A host and a path as they are written: what a canary has to name again to attach.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key {
    /// Empty for every host.
    pub(crate) host: String,
    pub(crate) path: String,
    /// Otherwise a prefix: `ImplementationSpecific` means that too.
    pub(crate) exact: bool,
}

impl Key {
    /// All paths of a host.
    pub(crate) fn root(host: &str) -> Self {
        Self {
            host: host.to_owned(),
            path: "/".to_owned(),
            exact: false,
        }
    }
}

/// A path of an Ingress.
#[derive(Clone, Debug)]
pub(crate) struct Written<'a> {
    pub(crate) key: Key,
    /// Such as `spec.rules[0].http.paths[1]`.
    pub(crate) field: String,
    pub(crate) backend: &'a IngressBackend,
}

/// An Ingress that is ours and whose every value is valid.
#[derive(Clone, Debug)]
pub(crate) struct KnownIngress<'a> {
    pub(crate) source: &'a Sourced<Ingress>,
    pub(crate) subject: Subject,
    /// In seconds since 1970; without a creation time, its place among all Ingresses.
    pub(crate) created: i64,
    pub(crate) settings: IngressSettings,
    /// What its rules say.
    pub(crate) written: Vec<Written<'a>>,
    /// Hosts of rules without paths, whose requests go to the default backend.
    pub(crate) bare_hosts: Vec<String>,
    pub(crate) default_backend: Option<&'a IngressBackend>,
}

impl<'a> KnownIngress<'a> {
    /// `None` if anything in the Ingress is invalid: half an Ingress is not what was asked for.
    pub(crate) fn read(
        source: &'a Sourced<Ingress>,
        place: usize,
        lookup: &Lookup<'_>,
        problems: &mut Vec<Problem>,
    ) -> Option<Self> {
        let subject = source.subject();
        let annotations = source.object.metadata.annotations.as_ref();
        let secrets = lookup.secrets_of(source.namespace());
        let (settings, mut found) = IngressSettings::read(annotations, &subject, &secrets);
        let rules = Rules::read(source.object.spec.as_ref(), &subject, &mut found);
        let valid = !found.iter().any(Problem::is_error);
        problems.append(&mut found);
        valid.then(|| Self {
            source,
            subject,
            created: source
                .created()
                .unwrap_or(i64::try_from(place).unwrap_or(i64::MAX)),
            settings,
            written: rules.written,
            bare_hosts: rules.bare_hosts,
            default_backend: source
                .object
                .spec
                .as_ref()
                .and_then(|spec| spec.default_backend.as_ref()),
        })
    }

    pub(crate) fn namespace(&self) -> &'a str {
        self.source.namespace()
    }

    pub(crate) fn name(&self) -> &'a str {
        self.source.name()
    }

    pub(crate) fn title(&self) -> String {
        format!("{}/{}", self.namespace(), self.name())
    }

    /// The hosts it names, each once, in the order written.
    pub(crate) fn hosts(&self) -> Vec<&str> {
        let written = self.written.iter().map(|written| written.key.host.as_str());
        let mut hosts: Vec<&str> = Vec::new();
        for host in written.chain(self.bare_hosts.iter().map(String::as_str)) {
            if !hosts.contains(&host) {
                hosts.push(host);
            }
        }
        hosts
    }
}

/// What the rules of a spec say.
#[derive(Default)]
struct Rules<'a> {
    written: Vec<Written<'a>>,
    bare_hosts: Vec<String>,
}

impl<'a> Rules<'a> {
    fn read(spec: Option<&'a IngressSpec>, subject: &Subject, problems: &mut Vec<Problem>) -> Self {
        let mut rules = Self::default();
        let written = spec
            .and_then(|spec| spec.rules.as_deref())
            .unwrap_or_default();
        let has_default = spec.is_some_and(|spec| spec.default_backend.is_some());
        if written.is_empty() && !has_default {
            problems.push(
                subject
                    .at("spec")
                    .error("has neither rules nor a defaultBackend"),
            );
        }
        for (index, rule) in written.iter().enumerate() {
            rules.add_rule(rule, &format!("spec.rules[{index}]"), subject, problems);
        }
        rules
    }

    fn add_rule(
        &mut self,
        rule: &'a IngressRule,
        field: &str,
        subject: &Subject,
        problems: &mut Vec<Problem>,
    ) {
        let host = match host(rule.host.as_deref()) {
            Ok(host) => host,
            Err(reason) => {
                return problems.push(
                    subject
                        .at(format!("{field}.host"))
                        .error(reason.to_string()),
                );
            }
        };
        let Some(http) = &rule.http else {
            return self.bare_hosts.push(host);
        };
        for (index, path) in http.paths.iter().enumerate() {
            let field = format!("{field}.http.paths[{index}]");
            self.add_path(&host, path, field, subject, problems);
        }
    }

    fn add_path(
        &mut self,
        host: &str,
        path: &'a HTTPIngressPath,
        field: String,
        subject: &Subject,
        problems: &mut Vec<Problem>,
    ) {
        let exact = is_exact(&path.path_type);
        let written = self::path(path.path.as_deref(), &path.path_type);
        if let Err(reason) = &exact {
            problems.push(
                subject
                    .at(format!("{field}.pathType"))
                    .error(reason.to_string()),
            );
        }
        if let Err(reason) = &written {
            problems.push(
                subject
                    .at(format!("{field}.path"))
                    .error(reason.to_string()),
            );
        }
        if let (Ok(exact), Ok(path_written)) = (exact, written) {
            let key = Key {
                host: host.to_owned(),
                path: path_written,
                exact,
            };
            self.written.push(Written {
                key,
                field,
                backend: &path.backend,
            });
        }
    }
}

fn host(text: Option<&str>) -> Result<String, Refused> {
    match text {
        None | Some("") => Ok(String::new()),
        Some(text) => values::host(text),
    }
}

fn is_exact(path_type: &str) -> Result<bool, Refused> {
    match path_type {
        "Exact" => Ok(true),
        "Prefix" | "ImplementationSpecific" => Ok(false),
        "" => Refused::because("is missing: Exact, Prefix or ImplementationSpecific"),
        other => Refused::because(format!(
            "{other:?} is not one of Exact, Prefix, ImplementationSpecific"
        )),
    }
}

/// As the API server checks it, and without the characters that no path has.
fn path(text: Option<&str>, path_type: &str) -> Result<String, Refused> {
    let text = text.filter(|text| !text.is_empty()).unwrap_or("/");
    let visible = text.bytes().all(|byte| matches!(byte, b'!'..=b'~'));
    match (text.starts_with('/'), visible, text.len() <= PATH_BYTES_MAX) {
        (false, ..) => Refused::because(format!("{text:?} does not start with '/'")),
        (_, false, _) => Refused::because(format!(
            "{text:?} holds characters that are percent-encoded in a path"
        )),
        (.., false) => Refused::because(format!("is longer than {PATH_BYTES_MAX} bytes")),
        _ if path_type == "ImplementationSpecific" => Ok(text.to_owned()),
        _ => matchable(text),
    }
}

fn matchable(path: &str) -> Result<String, Refused> {
    let within = NEVER_MATCHED
        .iter()
        .find(|sequence| path.contains(**sequence));
    let last = NEVER_LAST
        .iter()
        .find(|sequence| path.ends_with(**sequence));
    match within.or(last) {
        Some(sequence) => Refused::because(format!(
            "{path:?} holds {sequence:?}, which no request's path has"
        )),
        None => Ok(path.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_may_hold_what_paths_do_not() {
        assert!(path(Some("/a(//b)?"), "ImplementationSpecific").is_ok());
        assert!(path(Some("a"), "ImplementationSpecific").is_err());
    }

    #[test]
    fn paths_are_absolute_and_can_match() {
        let cases = [
            (None, Some("/")),
            (Some(""), Some("/")),
            (Some("/cart"), Some("/cart")),
            (Some("/cart/"), Some("/cart/")),
            (Some("/api(/|$)(.*)"), Some("/api(/|$)(.*)")),
            (Some("/caf%C3%A9"), Some("/caf%C3%A9")),
            (Some("cart"), None),
            (Some("/a//b"), None),
            (Some("/a/../b"), None),
            (Some("/a/.."), None),
            (Some("/a%2Fb"), None),
            (Some("/a b"), None),
            (Some("/a\nb"), None),
            (Some("/café"), None),
        ];
        for (text, expected) in cases {
            assert_eq!(path(text, "Prefix").ok().as_deref(), expected, "{text:?}");
        }
    }
}

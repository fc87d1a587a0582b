//! Whatever stands in a text field is refused, or taken literally, and changes nothing else.

use crate::support::check_table;
use haldane_controller::{Objects, Options, Sourced, translate};
use haldane_routing::spec::TableSpec;
use k8s_openapi::api::core::v1::{Pod, PodStatus, Service, ServicePort, ServiceSpec};
use k8s_openapi::api::networking::v1::{
    HTTPIngressPath, HTTPIngressRuleValue, Ingress, IngressBackend, IngressRule,
    IngressServiceBackend, IngressSpec, IngressTLS, ServiceBackendPort,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use proptest::prelude::*;

/// Suffixes whose values end up in the table.
const SUFFIXES: &[&str] = &[
    "weights",
    "active",
    "preview",
    "preview-host",
    "sticky",
    "on-empty",
    "mirror",
    "match.x",
    "version-label",
    "canary",
    "canary-weight",
    "canary-by-header",
    "canary-by-cookie",
    "rewrite-target",
    "proxy-body-size",
    "proxy-read-timeout",
    "backend-protocol",
    "whitelist-source-range",
    "enable-cors",
    "cors-allow-origin",
    "auth-url",
    "auth-signin",
    "auth-type",
    "auth-secret",
    "affinity",
    "session-cookie-name",
    "session-cookie-path",
    "limit-rps",
    "permanent-redirect",
    "app-root",
    "server-alias",
    "upstream-vhost",
    "x-forwarded-prefix",
    "load-balance",
    "upstream-hash-by",
    "use-regex",
    "auth-realm",
    "auth-response-headers",
    "auth-method",
    "auth-signin-redirect-param",
    "canary-by-header-value",
    "canary-by-header-pattern",
    "cors-allow-headers",
    "cors-allow-methods",
    "cors-expose-headers",
    "denylist-source-range",
    "from-to-www-redirect",
    "limit-burst-multiplier",
    "proxy-next-upstream-tries",
    "proxy-ssl-name",
    "session-cookie-domain",
    "session-cookie-max-age",
    "temporal-redirect",
];

/// Bytes that have been used to break out of a value, among any others.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => any::<char>().prop_map(String::from),
        3 => "[a-z0-9/=.,~ -]{1,8}",
        3 => prop::sample::select(vec!["\n", "\r\n", "\0", "\"", "'", ";", "{", "}", "$1", "${x}", "#", "\\", "../", "//", "%0a", "\u{202e}", "*.", "(?", ")|(", "{url}", "a=1", "cookie", "header a present", "/x", "true", "10.0.0.0/8", "https://$host/", "basic"]).prop_map(str::to_owned),
    ];
    prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

/// Where a hostile text is put.
#[derive(Clone, Debug)]
enum Field {
    Annotation(&'static str, bool),
    Key,
    Host,
    Path,
    PathType,
    Service,
    Port,
    TlsHost,
    TlsSecret,
    Label,
    Address,
    AppProtocol,
    OnService(&'static str),
}

fn field() -> impl Strategy<Value = Field> {
    let suffix = prop::sample::select(SUFFIXES);
    prop_oneof![
        8 => (suffix.clone(), any::<bool>()).prop_map(|(suffix, own)| Field::Annotation(suffix, own)),
        2 => suffix.prop_map(Field::OnService),
        1 => Just(Field::Key),
        2 => Just(Field::Host),
        2 => Just(Field::Path),
        1 => Just(Field::PathType),
        1 => Just(Field::Service),
        1 => Just(Field::Port),
        1 => Just(Field::TlsHost),
        1 => Just(Field::TlsSecret),
        1 => Just(Field::Label),
        1 => Just(Field::Address),
        1 => Just(Field::AppProtocol),
    ]
}

fn named(name: &str, namespace: &str) -> ObjectMeta {
    ObjectMeta {
        name: Some(name.to_owned()),
        namespace: Some(namespace.to_owned()),
        ..ObjectMeta::default()
    }
}

fn ingress(namespace: &str, host: &str) -> Ingress {
    let port = ServiceBackendPort {
        number: Some(80),
        name: None,
    };
    let backend = IngressBackend {
        service: Some(IngressServiceBackend {
            name: "web".to_owned(),
            port: Some(port),
        }),
        resource: None,
    };
    let path = HTTPIngressPath {
        backend,
        path: Some("/x".to_owned()),
        path_type: "Prefix".to_owned(),
    };
    let rule = IngressRule {
        host: Some(host.to_owned()),
        http: Some(HTTPIngressRuleValue { paths: vec![path] }),
    };
    Ingress {
        metadata: named("web", namespace),
        spec: Some(IngressSpec {
            rules: Some(vec![rule]),
            ..IngressSpec::default()
        }),
        status: None,
    }
}

fn service(namespace: &str) -> Service {
    Service {
        metadata: named("web", namespace),
        spec: Some(ServiceSpec {
            selector: Some([("app".to_owned(), "web".to_owned())].into()),
            ports: Some(vec![ServicePort {
                port: 80,
                ..ServicePort::default()
            }]),
            ..ServiceSpec::default()
        }),
        status: None,
    }
}

fn pod(namespace: &str) -> Pod {
    let mut metadata = named("web-1", namespace);
    metadata.labels = Some([("app".to_owned(), "web".to_owned())].into());
    let status = PodStatus {
        pod_ip: Some("10.0.0.1".to_owned()),
        ..PodStatus::default()
    };
    Pod {
        metadata,
        spec: None,
        status: Some(status),
    }
}

/// Two namespaces: `good` is left alone, `evil` gets hostile texts.
struct World {
    ingress: Ingress,
    service: Service,
    pod: Pod,
}

impl World {
    fn new() -> Self {
        Self {
            ingress: ingress("evil", "evil.example.com"),
            service: service("evil"),
            pod: pod("evil"),
        }
    }

    /// What other annotations need beside them to have any effect.
    fn switch_on(&mut self) {
        for (suffix, value) in [
            ("enable-cors", "true"),
            ("affinity", "cookie"),
            ("limit-rps", "10"),
            ("auth-url", "http://a.example/"),
        ] {
            annotate(
                &mut self.ingress.metadata,
                format!("nginx.ingress.kubernetes.io/{suffix}"),
                value.to_owned(),
            );
        }
    }

    fn put(&mut self, field: &Field, text: &str) {
        let spec = self.ingress.spec.get_or_insert_default();
        let rule = &mut spec.rules.get_or_insert_default()[0];
        let path = &mut rule.http.get_or_insert_default().paths[0];
        let backend = path.backend.service.get_or_insert_default();
        let text = text.to_owned();
        match field {
            Field::Annotation(suffix, own) => {
                let prefix = if *own {
                    "haldane.dev"
                } else {
                    "nginx.ingress.kubernetes.io"
                };
                annotate(
                    &mut self.ingress.metadata,
                    format!("{prefix}/{suffix}"),
                    text,
                );
            }
            Field::OnService(suffix) => annotate(
                &mut self.service.metadata,
                format!("haldane.dev/{suffix}"),
                text,
            ),
            Field::Key => annotate(
                &mut self.ingress.metadata,
                format!("haldane.dev/{text}"),
                "1".to_owned(),
            ),
            Field::Host => rule.host = Some(text),
            Field::Path => path.path = Some(text),
            Field::PathType => path.path_type = text,
            Field::Service => backend.name = text,
            Field::Port => {
                backend.port = Some(ServiceBackendPort {
                    name: Some(text),
                    number: None,
                });
            }
            Field::TlsHost => tls(spec).hosts = Some(vec![text]),
            Field::TlsSecret => tls(spec).secret_name = Some(text),
            Field::Label => {
                self.pod
                    .metadata
                    .labels
                    .get_or_insert_default()
                    .insert("version".to_owned(), text);
            }
            Field::Address => self.pod.status.get_or_insert_default().pod_ip = Some(text),
            Field::AppProtocol => {
                self.service
                    .spec
                    .get_or_insert_default()
                    .ports
                    .get_or_insert_default()[0]
                    .app_protocol = Some(text);
            }
        }
    }

    fn objects(&self) -> Objects {
        Objects {
            ingresses: vec![
                ingress("good", "good.example.com").into(),
                self.ingress.clone().into(),
            ],
            services: vec![service("good").into(), self.service.clone().into()],
            pods: vec![pod("good").into(), self.pod.clone().into()],
            ..Objects::default()
        }
    }
}

fn annotate(metadata: &mut ObjectMeta, key: String, value: String) {
    metadata
        .annotations
        .get_or_insert_default()
        .insert(key, value);
}

fn tls(spec: &mut IngressSpec) -> &mut IngressTLS {
    let tls = spec.tls.get_or_insert_default();
    tls.resize(1, IngressTLS::default());
    &mut tls[0]
}

/// The part of a table that belongs to one namespace.
fn of(table: &TableSpec, namespace: &str) -> TableSpec {
    let mut table = table.clone();
    table
        .rules
        .retain(|rule| rule.origin.namespace == namespace);
    table
        .backends
        .retain(|backend| backend.name.starts_with(&format!("{namespace}/")));
    table
        .certificates
        .retain(|certificate| certificate.name.starts_with(&format!("{namespace}/")));
    table
}

/// Every text of the table, with nothing between them.
fn texts(value: &serde_json::Value, found: &mut Vec<String>) {
    match value {
        serde_json::Value::String(text) => found.push(text.clone()),
        serde_json::Value::Array(values) => values.iter().for_each(|value| texts(value, found)),
        serde_json::Value::Object(values) => values.values().for_each(|value| texts(value, found)),
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn hostile_texts_are_refused_or_taken_literally(hostile in prop::collection::vec((field(), text()), 1..4)) {
        let options = Options { standalone: true, ..Options::default() };
        let untouched = translate(&World::new().objects(), &options);
        let mut world = World::new();
        world.switch_on();
        for (field, text) in &hostile {
            world.put(field, text);
        }
        let translation = translate(&world.objects(), &options);
        check_table(&translation);
        prop_assert_eq!(of(&translation.table, "good"), of(&untouched.table, "good"));
        prop_assert_eq!(of(&translation.table, "good").rules.len(), 1);
        let mut found = Vec::new();
        texts(&serde_json::to_value(&translation.table).expect("a table can be written"), &mut found);
        for text in found {
            prop_assert!(!text.contains(|letter: char| letter.is_control() && letter != '\t'), "{:?}", text);
        }
    }
}

#[test]
fn objects_of_a_cluster_need_no_file() {
    let sourced = Sourced::from(ingress("shop", "shop.example.com"));
    assert_eq!((sourced.file, sourced.document), (None, 0));
}

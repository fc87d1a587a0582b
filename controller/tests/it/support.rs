//! Writes manifests to a directory, reads and translates them, and shows the outcome as text.

use haldane_controller::{Options, Problem, Translation, read_manifests, render, translate};
use haldane_routing::Table;
use std::fs;

/// The Service of most tests and its two endpoints, all of one version.
pub(crate) const WEB: &str = r#"
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {ports: [{name: http, port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, namespace: shop, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: http, port: 8080}]
endpoints: [{addresses: [10.0.0.1]}, {addresses: [10.0.0.2]}]
"#;

pub(crate) fn standalone() -> Options {
    Options {
        standalone: true,
        ..Options::default()
    }
}

/// Translates files of the given names and texts; file names in problems are shown without their directory.
pub(crate) fn translated(files: &[(&str, &str)], options: &Options) -> Translation {
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    for (name, text) in files {
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().expect("a file stands in a directory")).expect("writable");
        fs::write(path, text).expect("the temporary directory can be written");
    }
    let (objects, mut problems) = read_manifests(&[directory.path().to_owned()]);
    let mut translation = translate(&objects, options);
    problems.append(&mut translation.problems);
    let root = format!("{}/", directory.path().display());
    translation.problems = problems
        .into_iter()
        .map(|problem| without_root(problem, &root))
        .collect();
    check_table(&translation);
    translation
}

fn without_root(problem: Problem, root: &str) -> Problem {
    Problem {
        file: problem.file.map(|file| file.replace(root, "")),
        message: problem.message.replace(root, ""),
        ..problem
    }
}

/// Whatever comes out, a proxy can take it.
pub(crate) fn check_table(translation: &Translation) {
    if let Err(faults) = Table::build(&translation.table, None, 7) {
        let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
        panic!(
            "the table is refused: {}\n{}",
            faults.join("\n"),
            render(&translation.table)
        );
    }
}

/// Problems first, one on a line, then the table.
pub(crate) fn shown(translation: &Translation) -> String {
    let problems = translation
        .problems
        .iter()
        .map(|problem| format!("{}: {problem}\n", problem.severity));
    format!(
        "{}{}",
        problems.collect::<String>(),
        render(&translation.table)
    )
}

/// The outcome of one file without a cluster.
pub(crate) fn outcome(manifests: &str) -> String {
    shown(&translated(&[("web.yaml", manifests)], &standalone()))
}

/// Several documents as one file.
pub(crate) fn documents(texts: &[&str]) -> String {
    texts.join("\n---\n")
}

/// Ingress `shop/NAME` for `HOST/` to the port `http` of Service SERVICE, with annotations as lines of YAML.
pub(crate) fn ingress(name: &str, host: &str, service: &str, annotations: &str) -> String {
    format!(
        r#"
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: {name}
  namespace: shop
  annotations: {}
spec:
  rules:
  - host: {host}
    http:
      paths:
      - {{path: /, pathType: Prefix, backend: {{service: {{name: {service}, port: {{name: http}}}}}}}}
"#,
        mapping(annotations)
    )
}

/// Lines of YAML as the value of a key that is indented by two.
pub(crate) fn mapping(lines: &str) -> String {
    let lines: Vec<_> = lines.lines().map(|line| format!("\n    {line}")).collect();
    if lines.is_empty() {
        "{}".to_owned()
    } else {
        lines.concat()
    }
}

/// Service `shop/NAME` with port `http` and one endpoint.
pub(crate) fn service(name: &str, address: &str) -> String {
    WEB.replace("name: web-1", &format!("name: {name}-1"))
        .replace("name: web", &format!("name: {name}"))
        .replace(
            "[{addresses: [10.0.0.1]}, {addresses: [10.0.0.2]}]",
            &format!("[{{addresses: [{address}]}}]"),
        )
}

/// For each case, what it changes against `plain`: its heading, then the lines that are new (`+`) or gone (`-`).
pub(crate) fn changes(plain: &str, cases: &[&str], manifests: impl Fn(&str) -> String) -> String {
    let before = outcome(plain);
    let change = |case: &&str| {
        let heading = case.trim().replace('\n', "\n# ");
        format!(
            "# {heading}\n{}",
            difference(&before, &outcome(&manifests(case)))
        )
    };
    cases.iter().map(change).collect()
}

fn difference(before: &str, after: &str) -> String {
    let is_problem = |line: &&str| line.starts_with("error") || line.starts_with("warning");
    let missing = |lines: &str, others: &str, sign: char| {
        let missing = lines
            .lines()
            .filter(|line| others.lines().all(|other| other != *line));
        missing
            .map(|line| format!("{sign} {}\n", line.trim()))
            .collect::<String>()
    };
    let gone = match after.lines().filter(|line| !is_problem(line)).count() {
        0 => "- everything\n".to_owned(),
        _ => missing(before, after, '-'),
    };
    gone + &missing(after, before, '+')
}

/// What annotations change on an Ingress for `shop.example.com/`.
pub(crate) fn annotated(cases: &[&str]) -> String {
    let manifests = |annotations: &str| {
        documents(&[
            &ingress("web", "shop.example.com", "web", annotations),
            WEB,
            SECRETS,
        ])
    };
    changes(&manifests(""), cases, manifests)
}

/// Secrets that annotations name.
const SECRETS: &str = r#"
apiVersion: v1
kind: Secret
metadata: {name: users, namespace: shop}
stringData: {auth: "ann:$2y$05$abc\nbob:{SHA}xyz\n"}
---
apiVersion: v1
kind: Secret
metadata: {name: user-map, namespace: shop}
data: {ann: JDJ5JDA1JGFiYw==}
---
apiVersion: v1
kind: Secret
metadata: {name: broken, namespace: shop}
stringData: {auth: "only-a-name\n"}
---
apiVersion: v1
kind: Secret
metadata: {name: authority, namespace: shop}
stringData: {ca.crt: "-----BEGIN CERTIFICATE-----"}
"#;

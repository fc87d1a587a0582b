//! Writes manifests to a directory, reads and translates them, and shows the outcome as text.

use haldane_controller::{Options, Problem, Translation, read_manifests, render, translate};
use std::fs;

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

/// Whatever comes out, the proxy can take it.
fn check_table(translation: &Translation) {
    let names: Vec<_> = translation
        .table
        .backends
        .iter()
        .map(|backend| &backend.name)
        .collect();
    for rule in &translation.table.rules {
        if let haldane_routing::spec::ActionSpec::Forward(forward) = &rule.action {
            assert!(
                forward.versions.iter().any(|version| version.weight > 0),
                "{}",
                rule.id
            );
            assert!(
                forward
                    .versions
                    .iter()
                    .all(|version| names.contains(&&version.backend)),
                "{}",
                rule.id
            );
        }
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

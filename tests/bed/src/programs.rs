//! Where the programs are that a bed runs: those that `tests/bed/build` makes, and Haldane's.

use std::path::{Path, PathBuf};

/// What `tests/bed/build` makes and a bed cannot do without.
const NEEDED: [&str; 3] = ["etcd", "kube-apiserver", "kube-controller-manager"];

/// The programs of the cluster itself.
#[derive(Clone, Debug)]
pub struct Programs {
    folder: PathBuf,
}

impl Programs {
    /// Those in `HALDANE_BED`, or in `target/bed` of this workspace; none where one is missing.
    pub fn find() -> Option<Self> {
        let folder = folder();
        let all_there = NEEDED.iter().all(|name| folder.join(name).is_file());
        all_there.then_some(Self { folder })
    }

    /// Where they are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The path of one of them, which may be missing unless the bed needs it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

/// One program that `tests/bed/build` makes, for a test that needs no cluster; none where it is not built.
pub fn built(name: &str) -> Option<PathBuf> {
    Some(folder().join(name)).filter(|program| program.is_file())
}

fn folder() -> PathBuf {
    let given = std::env::var_os("HALDANE_BED").map(PathBuf::from);
    given.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/bed"))
}

/// How somebody gets what is missing, in one line.
pub const HOW_TO_GET: &str =
    "no cluster: run `tests/bed/build` (needs Go 1.26) as root, or set KUBECONFIG";

//! Reads Kubernetes manifests from files and directories.
//!
//! The only part of this crate's pure half that touches the disk. It never gives up at the first fault: whatever can
//! be read is read, and the rest is reported with file, object and field.

mod decode;
mod documents;
mod files;
mod unknown;

use crate::objects::Objects;
use crate::problem::{Problem, Subject};
use decode::Decoder;
use std::path::{Path, PathBuf};

/// Reads every `*.yaml`, `*.yml` and `*.json` below the directories in `paths`, in the order of their names, and the
/// files in `paths` whatever they are called. Files and directories whose name starts with a dot are passed over
/// (mounted ConfigMaps keep old revisions there).
///
/// An object that cannot be read is left out and reported; kinds that Haldane does not use are passed over, with a
/// warning unless they are ordinary company of an Ingress, such as a Deployment.
pub fn read_manifests(paths: &[PathBuf]) -> (Objects, Vec<Problem>) {
    let mut problems = Vec::new();
    let files = files::find(paths, &mut problems);
    let mut decoder = Decoder::default();
    for file in &files {
        read_file(file, &mut decoder, &mut problems);
    }
    (decoder.into_objects(), problems)
}

fn read_file(file: &Path, decoder: &mut Decoder, problems: &mut Vec<Problem>) {
    let text = match files::read(file) {
        Ok(text) => text,
        Err(reason) => return problems.push(of_file(file).at("").error(reason.to_string())),
    };
    for (index, document) in documents::split(file, &text).into_iter().enumerate() {
        match document {
            Ok(value) => decoder.take(value, file, index, problems),
            Err(reason) => problems.push(of_file(file).at("").error(reason.to_string())),
        }
    }
}

/// Problems of a file as a whole.
fn of_file(file: &Path) -> Subject {
    Subject {
        file: Some(file.display().to_string()),
        object: String::new(),
    }
}

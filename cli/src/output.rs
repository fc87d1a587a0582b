//! How facts are printed.

/// For people or for programs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Output {
    /// Lines to read.
    #[default]
    Text,
    /// One JSON document.
    Json,
}

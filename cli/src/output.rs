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

/// Such as `1 rule` or `2 rules`.
pub(crate) fn counted(count: usize, what: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{count} {what}{ending}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_not_many() {
        let shown = [0, 1, 2].map(|count| counted(count, "rule"));
        assert_eq!(shown, ["0 rules", "1 rule", "2 rules"]);
    }
}

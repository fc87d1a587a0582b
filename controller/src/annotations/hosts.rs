//! Annotations that add hosts or redirects beside the rules that are written: `app-root`, `from-to-www-redirect`,
//! `server-alias`.

use super::Reader;
use super::values::{flag, host, list, path};
use crate::problem::Refused;

/// What is added to the hosts of an Ingress.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct HostSettings {
    /// Where `/` is redirected to.
    pub(crate) app_root: Option<String>,
    /// Whether `www.x` is redirected to `x`, or the other way round.
    pub(crate) www: bool,
    /// Further hosts for every rule.
    pub(crate) aliases: Vec<String>,
}

impl HostSettings {
    pub(crate) fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            app_root: reader.shared("app-root", path),
            www: reader.shared("from-to-www-redirect", flag).unwrap_or(false),
            aliases: reader.shared("server-alias", aliases).unwrap_or_default(),
        }
    }
}

fn aliases(text: &str) -> Result<Vec<String>, Refused> {
    list(text)?.into_iter().map(alias).collect()
}

fn alias(text: &str) -> Result<String, Refused> {
    if text.starts_with('~') {
        Refused::because(format!(
            "{text:?} is a regular expression; only host names can be served"
        ))
    } else {
        host(text)
    }
}

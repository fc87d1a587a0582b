//! Which controller to follow, as it is written: `https://HOST:PORT`.

use haldane_wire::server_name;
use http::Uri;
use rustls::pki_types::ServerName;
use std::str::FromStr;
use thiserror::Error;

/// A controller's place and name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) name: ServerName<'static>,
}

/// Why there is nothing to follow.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TargetFault {
    /// It is not of the form `https://HOST:PORT`.
    #[error("{0:?} is not https://HOST:PORT")]
    Form(String),
    /// The name to verify is neither a DNS name nor an address.
    #[error("{0:?} is neither a DNS name nor an address")]
    Name(String),
}

impl Target {
    /// The same place, but its certificate must have this name instead of the host's.
    ///
    /// # Errors
    /// [`TargetFault::Name`].
    pub fn named(self, name: &str) -> Result<Self, TargetFault> {
        let name = server_name(name).map_err(|_| TargetFault::Name(name.to_owned()))?;
        Ok(Self { name, ..self })
    }
}

impl FromStr for Target {
    type Err = TargetFault;

    fn from_str(text: &str) -> Result<Self, TargetFault> {
        let form = || TargetFault::Form(text.to_owned());
        let uri: Uri = text.parse().map_err(|_| form())?;
        let plain = uri.scheme_str() == Some("https") && matches!(uri.path(), "" | "/");
        let (host, port) = uri.host().zip(uri.port_u16()).ok_or_else(form)?;
        if !plain || uri.query().is_some() {
            return Err(form());
        }
        let host = host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned();
        let name = server_name(&host).map_err(|_| TargetFault::Name(host.clone()))?;
        Ok(Self { host, port, name })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<(&str, u16)>) {
        let parsed = text.parse::<Target>().ok();
        let parsed = parsed
            .as_ref()
            .map(|target| (target.host.as_str(), target.port));
        assert_eq!(parsed, expected, "{text}");
    }

    #[test]
    fn a_target_has_a_host_and_a_port_and_nothing_else() {
        check(
            "https://controller.haldane.svc:15012",
            Some(("controller.haldane.svc", 15012)),
        );
        check("https://10.0.0.1:15012/", Some(("10.0.0.1", 15012)));
        check("https://[fd00::1]:15012", Some(("fd00::1", 15012)));
        for text in [
            "",
            "controller:15012",
            "http://controller:15012",
            "https://controller",
            "https://controller:15012/path",
            "https://controller:15012/?query",
            "https://:15012",
            "https://under_score!:1",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn another_name_may_be_expected() {
        let target: Target = "https://127.0.0.1:1".parse().expect("a target");
        let named = target.clone().named("controller").expect("a name");
        assert_ne!(target.name, named.name);
        assert_eq!(
            target.named("no name"),
            Err(TargetFault::Name("no name".to_owned()))
        );
    }
}

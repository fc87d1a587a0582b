//! Haldane's own annotations about versions: on a Service for all who use it, on an Ingress for that Ingress.

use super::rollout::{self, Asked};
use super::values::{self, cookie_name, header_name, list, version_name};
use super::{Given, HALDANE, Reader, matches, weights};
use crate::problem::{Refused, Spot};
use haldane_routing::spec::{ConditionSpec, OnEmpty, StickySpec};

/// The cookie of `sticky: cookie` where no name is given.
pub(crate) const STICKY_COOKIE: &str = "haldane-ticket";

/// The prefix of the annotations whose name holds a version.
const MATCH: &str = "match.";

/// How many versions may get copies: each copy is a request more.
const MIRRORS_MAX: usize = 8;

/// How many versions of one object may have forced routing: each is held against every request in turn.
const MATCHES_MAX: usize = 32;

/// Who gets which share.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Shares {
    /// Reduced weights in the order written; versions that are not named get 0.
    Weights(Vec<(String, u64)>),
    /// All to this version.
    Active(String),
}

/// Requests that must go to one version.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Forced {
    pub(crate) version: String,
    pub(crate) any_of: Vec<Vec<ConditionSpec>>,
}

/// All that may be asked about the versions of a Service.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct SplitSettings {
    pub(crate) version_label: Option<String>,
    pub(crate) shares: Option<Given<Shares>>,
    pub(crate) preview: Option<Given<String>>,
    pub(crate) preview_host: Option<Given<String>>,
    pub(crate) forced: Vec<Given<Forced>>,
    pub(crate) sticky: Option<StickySpec>,
    pub(crate) on_empty: Option<OnEmpty>,
    /// Versions, and how many requests of 10 000 they get a copy of.
    pub(crate) mirrors: Option<Given<Vec<(String, u16)>>>,
    pub(crate) rollout: Option<Asked>,
}

impl SplitSettings {
    pub(crate) fn read(reader: &mut Reader<'_>) -> Self {
        let settings = Self {
            version_label: reader.own("version-label", label).map(|given| given.value),
            shares: shares(reader),
            preview: reader.own("preview", version_name),
            preview_host: reader.own("preview-host", preview_host),
            forced: forced(reader),
            sticky: reader.own("sticky", sticky).map(|given| given.value),
            on_empty: reader.own("on-empty", on_empty).map(|given| given.value),
            mirrors: reader.own("mirror", mirrors),
            rollout: rollout::read(reader),
        };
        if let (Some(host), None) = (&settings.preview_host, &settings.preview) {
            let problem = host.spot.error(format!(
                "names a host but no version: {HALDANE}preview is missing"
            ));
            reader.push(problem);
        }
        settings
    }

    /// What an Ingress says wins over what its Service says, annotation by annotation; `weights` and `active` are
    /// one question, and so are `preview` and `preview-host`.
    pub(crate) fn over(&self, service: &Self) -> Self {
        let preview = if self.preview.is_some() {
            self
        } else {
            service
        };
        Self {
            version_label: self
                .version_label
                .clone()
                .or_else(|| service.version_label.clone()),
            shares: self.shares.clone().or_else(|| service.shares.clone()),
            preview: preview.preview.clone(),
            preview_host: preview.preview_host.clone(),
            forced: self.forced_over(service),
            sticky: self.sticky.clone().or_else(|| service.sticky.clone()),
            on_empty: self.on_empty.or(service.on_empty),
            mirrors: self.mirrors.clone().or_else(|| service.mirrors.clone()),
            rollout: self.rollout.clone().or_else(|| service.rollout.clone()),
        }
    }

    fn forced_over(&self, service: &Self) -> Vec<Given<Forced>> {
        let asked = |version: &str| self.forced.iter().any(|own| own.value.version == version);
        let others = service
            .forced
            .iter()
            .filter(|other| !asked(&other.value.version));
        self.forced.iter().chain(others).cloned().collect()
    }

    /// Every version that is asked for by name, and where; one that no pod carries is a version all the same.
    pub(crate) fn named(&self) -> Vec<(&str, &Spot)> {
        let shares = self.shares.iter().flat_map(|shares| {
            let names = match &shares.value {
                Shares::Weights(weights) => weights.iter().map(|(name, _)| name.as_str()).collect(),
                Shares::Active(name) => vec![name.as_str()],
            };
            names.into_iter().map(|name| (name, &shares.spot))
        });
        let preview = self
            .preview
            .iter()
            .map(|given| (given.value.as_str(), &given.spot));
        let forced = self
            .forced
            .iter()
            .map(|given| (given.value.version.as_str(), &given.spot));
        let mirrors = self.mirrors.iter().flat_map(|given| {
            let names = given.value.iter().map(|(name, _)| name.as_str());
            names.map(|name| (name, &given.spot))
        });
        shares.chain(preview).chain(forced).chain(mirrors).collect()
    }
}

fn shares(reader: &mut Reader<'_>) -> Option<Given<Shares>> {
    let weights = reader.own("weights", weights::parse);
    let active = reader.own("active", version_name);
    match (weights, active) {
        (Some(_), Some(active)) => {
            let message = format!(
                "excludes {HALDANE}weights: all traffic goes to one version, or it is split"
            );
            reader.push(active.spot.error(message));
            None
        }
        (Some(Given { value, spot }), None) => Some(Given {
            value: Shares::Weights(value),
            spot,
        }),
        (None, active) => active.map(|Given { value, spot }| Given {
            value: Shares::Active(value),
            spot,
        }),
    }
}

fn forced(reader: &mut Reader<'_>) -> Vec<Given<Forced>> {
    let suffixes: Vec<_> = reader
        .suffixes(HALDANE)
        .filter(|suffix| suffix.starts_with(MATCH))
        .collect();
    let parse = |suffix: &str, text: &str| {
        let version = version_name(suffix.strip_prefix(MATCH).unwrap_or_default())?;
        let any_of = matches::parse(text)?;
        Ok(Forced { version, any_of })
    };
    if suffixes.len() > MATCHES_MAX {
        let message = format!("more than {MATCHES_MAX} versions have forced routing");
        let problem = reader.subject().at("metadata.annotations").error(message);
        reader.push(problem);
        return Vec::new();
    }
    suffixes
        .into_iter()
        .filter_map(|suffix| reader.own(suffix, |text| parse(suffix, text)))
        .collect()
}

/// Whether a suffix is `match.<version>`.
pub(crate) fn is_match(suffix: &str) -> bool {
    suffix.starts_with(MATCH)
}

/// A label's key: an optional DNS prefix and a name.
fn label(text: &str) -> Result<String, Refused> {
    let (prefix, name) = text
        .rsplit_once('/')
        .map_or((None, text), |(prefix, name)| (Some(prefix), name));
    if prefix.is_none_or(values::is_dns_name) && version_name(name).is_ok() {
        Ok(text.to_owned())
    } else {
        Refused::because(format!("{text:?} is not the key of a label"))
    }
}

fn preview_host(text: &str) -> Result<String, Refused> {
    values::host(text)
}

fn sticky(text: &str) -> Result<StickySpec, Refused> {
    let words: Vec<_> = text.split_whitespace().collect();
    match words.as_slice() {
        ["cookie"] => Ok(StickySpec::Cookie(STICKY_COOKIE.to_owned())),
        ["cookie", name] => cookie_name(name).map(StickySpec::Cookie),
        ["header", name] => header_name(name).map(StickySpec::Header),
        _ => Refused::because(format!(
            "{text:?} is not one of: cookie, cookie NAME, header NAME"
        )),
    }
}

fn on_empty(text: &str) -> Result<OnEmpty, Refused> {
    values::one_of(
        text,
        &[("failover", OnEmpty::Failover), ("hold", OnEmpty::Hold)],
    )
}

fn mirrors(text: &str) -> Result<Vec<(String, u16)>, Refused> {
    let mirrors = list(text)?
        .into_iter()
        .map(mirror)
        .collect::<Result<Vec<_>, _>>()?;
    let repeated = |index: usize| {
        mirrors[..index]
            .iter()
            .any(|(name, _)| *name == mirrors[index].0)
    };
    if mirrors.len() > MIRRORS_MAX {
        return Refused::because(format!("copies to more than {MIRRORS_MAX} versions"));
    }
    match (0..mirrors.len()).find(|index| repeated(*index)) {
        Some(index) => {
            Refused::because(format!("version {:?} stands there twice", mirrors[index].0))
        }
        None => Ok(mirrors),
    }
}

fn mirror(text: &str) -> Result<(String, u16), Refused> {
    let refused = || {
        Refused(format!(
            "{text:?} is not VERSION=SHARE%, such as \"canary=5%\" (at most two decimals)"
        ))
    };
    let (name, share) = text.split_once('=').ok_or_else(refused)?;
    let share = share.trim().strip_suffix('%').ok_or_else(refused)?;
    let (whole, decimals) = share.split_once('.').unwrap_or((share, "0"));
    if !(1..=2).contains(&decimals.len()) {
        return Err(refused());
    }
    let hundredths: u16 = format!("{whole}{decimals:0<2}")
        .parse()
        .map_err(|_| refused())?;
    let signed = whole.starts_with('+') || whole.is_empty();
    if hundredths > 10_000 || signed {
        Err(refused())
    } else {
        Ok((version_name(name.trim())?, hundredths))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mirror_is_a_share_in_per_cent() {
        let cases = [
            ("canary=5%", Some(500)),
            ("canary = 0.05%", Some(5)),
            ("canary=12.5%", Some(1250)),
            ("canary=100%", Some(10_000)),
            ("canary=100.01%", None),
            ("canary=5", None),
            ("canary=0.001%", None),
            ("canary=-1%", None),
            ("canary=+1%", None),
            ("canary=%", None),
            ("canary=1.%", None),
        ];
        for (text, expected) in cases {
            assert_eq!(
                mirror(text).ok().map(|(_, share)| share),
                expected,
                "{text}"
            );
        }
    }
}

//! Certificates for the hosts that Ingresses name in `spec.tls`.
//!
//! Only Secrets that an Ingress names are looked at, and only those of its own namespace.

use crate::annotations::values;
use crate::ingress::KnownIngress;
use crate::lookup::{Lookup, entries};
use crate::objects::Described;
use crate::problem::{Problem, Refused, Spot};
use haldane_routing::spec::CertificateSpec;
use k8s_openapi::api::networking::v1::IngressTLS;
use rustls::client::verify_server_name;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// How many hosts one certificate may have. Public authorities put 100 names into one.
const HOSTS_MAX: usize = 1_000;

/// The hosts that have a certificate, with the namespace that gave it.
#[derive(Default)]
pub(crate) struct Covered(BTreeSet<(String, String)>);

impl Covered {
    /// Whether a host is served by https by its own namespace's doing.
    pub(crate) fn covers(&self, namespace: &str, host: &str) -> bool {
        let has = |host: String| self.0.contains(&(namespace.to_owned(), host));
        let wildcard = host
            .split_once('.')
            .map(|(_, suffix)| format!("*.{suffix}"));
        has(host.to_owned()) || wildcard.is_some_and(has)
    }
}

/// The certificates of all ordinary Ingresses, which stand in the order of age.
pub(crate) fn certificates(
    mains: &[Rc<KnownIngress<'_>>],
    lookup: &Lookup<'_>,
    problems: &mut Vec<Problem>,
) -> (Vec<CertificateSpec>, Covered) {
    let mut collector = Collector::new(lookup);
    for main in mains {
        let spec = main.source.object.spec.as_ref();
        for (index, tls) in spec
            .into_iter()
            .flat_map(|spec| spec.tls.iter().flatten())
            .enumerate()
        {
            collector.add(main, tls, &format!("spec.tls[{index}]"), problems);
        }
    }
    collector.finish()
}

struct Collector<'l, 'a> {
    lookup: &'l Lookup<'a>,
    provider: CryptoProvider,
    /// Which certificate each host has; the empty host stands for clients that ask for no known name.
    owners: BTreeMap<String, String>,
    certificates: BTreeMap<String, CertificateSpec>,
    covered: Covered,
}

impl<'l, 'a> Collector<'l, 'a> {
    fn new(lookup: &'l Lookup<'a>) -> Self {
        Self {
            lookup,
            provider: aws_lc_rs::default_provider(),
            owners: BTreeMap::new(),
            certificates: BTreeMap::new(),
            covered: Covered::default(),
        }
    }

    fn add(
        &mut self,
        main: &KnownIngress<'_>,
        tls: &IngressTLS,
        field: &str,
        problems: &mut Vec<Problem>,
    ) {
        let spot = main.subject.at(format!("{field}.secretName"));
        let Some(secret) = tls.secret_name.as_deref().filter(|name| !name.is_empty()) else {
            let message = "is missing: there is no certificate of ours to use instead, so these hosts get no https here";
            return problems.push(spot.warning(message));
        };
        let name = format!("{}/{secret}", main.namespace());
        if !self.known(&name, main.namespace(), secret, &spot, problems) {
            return;
        }
        for host in hosts(main, tls, field, problems) {
            self.give(
                &name,
                main,
                &host,
                &main.subject.at(format!("{field}.hosts")),
                problems,
            );
        }
    }

    /// Whether there is such a certificate; a Secret that is not there yet is no fault of the Ingress.
    fn known(
        &mut self,
        name: &str,
        namespace: &str,
        secret: &str,
        spot: &Spot,
        problems: &mut Vec<Problem>,
    ) -> bool {
        if self.certificates.contains_key(name) {
            return true;
        }
        let Some(found) = self.lookup.secret(namespace, secret) else {
            let message =
                format!("there is no Secret {name}: its hosts get no https, and no redirect to it");
            problems.push(spot.warning(message));
            return false;
        };
        match certificate(name, &entries(&found.object), &self.provider) {
            Ok(certificate) => {
                self.certificates.insert(name.to_owned(), certificate);
                true
            }
            Err(reason) => {
                problems.push(
                    found
                        .subject()
                        .at("data")
                        .error(format!("{reason}; it is not used")),
                );
                false
            }
        }
    }

    /// The older Ingress's certificate stays.
    fn give(
        &mut self,
        name: &str,
        main: &KnownIngress<'_>,
        host: &str,
        spot: &Spot,
        problems: &mut Vec<Problem>,
    ) {
        let owner = self
            .owners
            .entry(host.to_owned())
            .or_insert_with(|| name.to_owned());
        if owner != name {
            let message = format!("{host:?} has the certificate {owner} already, which stays");
            return problems.push(spot.warning(message));
        }
        self.covered
            .0
            .insert((main.namespace().to_owned(), host.to_owned()));
        let Some(certificate) = self.certificates.get_mut(name) else {
            return;
        };
        if certificate.hosts.len() >= HOSTS_MAX {
            let message = format!("the certificate {name} has {HOSTS_MAX} hosts already");
            return problems.push(spot.warning(message));
        }
        if !certificate.hosts.iter().any(|known| known == host) {
            problems.extend(unfit(certificate, host).map(|message| spot.warning(message)));
            certificate.hosts.push(host.to_owned());
        }
    }

    /// Certificates that no host uses are left out. The default certificate is written without hosts, and if it has
    /// any, under its own name with them.
    fn finish(self) -> (Vec<CertificateSpec>, Covered) {
        let mut certificates = Vec::new();
        for (_, mut certificate) in self.certificates {
            let named = certificate.hosts.len();
            certificate.hosts.retain(|host| !host.is_empty());
            if certificate.hosts.len() < named {
                certificates.push(CertificateSpec {
                    name: format!("{} by default", certificate.name),
                    hosts: Vec::new(),
                    ..certificate.clone()
                });
            }
            if !certificate.hosts.is_empty() {
                certificates.push(certificate);
            }
        }
        (certificates, self.covered)
    }
}

/// The hosts written; where none are, those of the rules; and where those name none either, every host.
fn hosts(
    main: &KnownIngress<'_>,
    tls: &IngressTLS,
    field: &str,
    problems: &mut Vec<Problem>,
) -> Vec<String> {
    let written = tls.hosts.as_deref().unwrap_or_default();
    if written.is_empty() {
        let hosts: Vec<_> = main.hosts().into_iter().map(str::to_owned).collect();
        return if hosts.is_empty() {
            vec![String::new()]
        } else {
            hosts
        };
    }
    let mut hosts = Vec::new();
    for (index, host) in written.iter().enumerate() {
        match values::host(host) {
            Ok(host) => hosts.push(host),
            Err(reason) => problems.push(
                main.subject
                    .at(format!("{field}.hosts[{index}]"))
                    .error(reason.to_string()),
            ),
        }
    }
    hosts
}

/// Parses chain and key, and checks that they belong together.
fn certificate(
    name: &str,
    entries: &BTreeMap<String, String>,
    provider: &CryptoProvider,
) -> Result<CertificateSpec, Refused> {
    let entry = |key: &str| {
        entries
            .get(key)
            .ok_or_else(|| Refused(format!("the key {key:?} is missing or is not text")))
    };
    let (chain_pem, key_pem) = (entry("tls.crt")?, entry("tls.key")?);
    let chain = chain(chain_pem)?;
    let key = PrivateKeyDer::from_pem_slice(key_pem.as_bytes());
    let key = key.map_err(|_| Refused("tls.key holds no private key in PEM".to_owned()))?;
    CertifiedKey::from_der(chain, key, provider).map_err(|reason| match reason {
        rustls::Error::InconsistentKeys(_) => {
            Refused("tls.key is not the key of tls.crt".to_owned())
        }
        reason => Refused(format!("tls.crt and tls.key cannot be used: {reason}")),
    })?;
    Ok(CertificateSpec {
        name: name.to_owned(),
        hosts: Vec::new(),
        chain_pem: chain_pem.clone(),
        key_pem: key_pem.clone(),
    })
}

fn chain(pem: &str) -> Result<Vec<CertificateDer<'static>>, Refused> {
    let chain = CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<Vec<_>, _>>();
    match chain {
        Ok(chain) if !chain.is_empty() => Ok(chain),
        _ => Refused::because("tls.crt holds no certificate in PEM"),
    }
}

/// Clients will refuse a certificate that does not name the host; some test set-ups do not care.
fn unfit(certificate: &CertificateSpec, host: &str) -> Option<String> {
    let chain = chain(&certificate.chain_pem).ok()?;
    let parsed = ParsedCertificate::try_from(chain.first()?).ok()?;
    // Any name that the wildcard stands for will do.
    let example = host
        .strip_prefix('*')
        .map_or_else(|| host.to_owned(), |suffix| format!("any{suffix}"));
    let name = ServerName::try_from(example).ok()?;
    let fits = verify_server_name(&parsed, &name).is_ok();
    (!fits).then(|| {
        format!(
            "the certificate {} is not valid for {host:?}",
            certificate.name
        )
    })
}

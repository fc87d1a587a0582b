//! The certificates in force, and which of them answers which name.

use haldane_routing::spec::CertificateSpec;
use rustls::InconsistentKeys;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher;
use std::sync::Arc;

/// All certificates of one generation, ready to use.
///
/// A name is looked up exactly first, then under the wildcard for its parent, then among the
/// certificates without hosts. Where several certificates have one name (an ECDSA and an RSA one),
/// the first that the client can verify is shown.
#[derive(Default)]
pub struct Certificates {
    keys: Vec<Arc<CertifiedKey>>,
    exact: HashMap<String, Vec<usize>>,
    /// By what stands behind `*.`.
    wildcard: HashMap<String, Vec<usize>>,
    fallback: Vec<usize>,
    /// What was parsed already, by [`Certificates::fingerprint`].
    parsed: HashMap<u64, Arc<CertifiedKey>>,
    hasher: RandomState,
}

/// A certificate that cannot be used.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("certificate {name}: {reason}")]
pub struct CertificateFault {
    /// The name of its [`CertificateSpec`].
    pub name: String,
    /// What is wrong with it.
    pub reason: CertificateFaultReason,
}

/// What is wrong with a certificate.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum CertificateFaultReason {
    /// The chain's PEM cannot be read.
    #[error("chain is not PEM")]
    ChainUnreadable,
    /// The chain's PEM holds no certificate.
    #[error("chain holds no certificate")]
    ChainEmpty,
    /// The key's PEM cannot be read or holds no private key.
    #[error("key is not a PEM private key")]
    KeyUnreadable,
    /// The key belongs to another certificate.
    #[error("key does not belong to the first certificate of the chain")]
    KeyMismatch,
    /// The certificate or the key is of a kind that is not supported, or broken inside.
    #[error("certificate cannot be used")]
    Unusable(#[source] rustls::Error),
    /// A host is neither a name nor `*.` before a name.
    #[error("host {0:?} is neither a name nor a wildcard for one label")]
    Host(String),
}

impl Certificates {
    /// Reads the certificates, all or none. What `previous` holds of the same text is not read again.
    ///
    /// # Errors
    /// Every certificate that cannot be used.
    pub fn build(
        specs: &[CertificateSpec],
        previous: Option<&Self>,
    ) -> Result<Self, Vec<CertificateFault>> {
        let mut built = Self {
            hasher: previous
                .map(|previous| previous.hasher.clone())
                .unwrap_or_default(),
            ..Self::default()
        };
        let faults: Vec<CertificateFault> = specs
            .iter()
            .filter_map(|spec| built.add(spec, previous).err())
            .collect();
        if faults.is_empty() {
            Ok(built)
        } else {
            Err(faults)
        }
    }

    /// Whether a request for `host` may come over a connection opened for the name `sni`.
    ///
    /// It may where the certificate shown is one that `host` would have been shown as well;
    /// otherwise the answer is 421 (RFC 9110 section 15.5.20) and the client opens a connection of its own.
    /// Both names are in lower case, `host` without its port.
    #[must_use]
    pub fn allows(&self, sni: Option<&str>, host: &str) -> bool {
        if sni == Some(host) {
            return true;
        }
        let shown = self.indexes(sni);
        let own = self.indexes(Some(host));
        shown.iter().any(|index| own.contains(index))
    }

    /// The certificates for a name, the preferred one first; none where the name is not served.
    pub(super) fn named(&self, sni: Option<&str>) -> impl Iterator<Item = &Arc<CertifiedKey>> {
        self.indexes(sni).iter().map(|index| &self.keys[*index])
    }

    fn indexes(&self, name: Option<&str>) -> &[usize] {
        name.and_then(|name| {
            self.exact
                .get(name)
                .or_else(|| self.wildcard.get(name.split_once('.')?.1))
        })
        .unwrap_or(&self.fallback)
    }

    fn add(
        &mut self,
        spec: &CertificateSpec,
        previous: Option<&Self>,
    ) -> Result<(), CertificateFault> {
        let fault = |reason| CertificateFault {
            name: spec.name.clone(),
            reason,
        };
        let fingerprint = self.fingerprint(spec);
        let known = previous
            .and_then(|previous| previous.parsed.get(&fingerprint))
            .or(self.parsed.get(&fingerprint));
        let key = match known {
            Some(key) => key.clone(),
            None => Arc::new(read(spec).map_err(fault)?),
        };
        let index = self.keys.len();
        for host in &spec.hosts {
            self.lists_under(host).map_err(fault)?.push(index);
        }
        if spec.hosts.is_empty() {
            self.fallback.push(index);
        }
        self.keys.push(key.clone());
        self.parsed.insert(fingerprint, key);
        Ok(())
    }

    fn lists_under(&mut self, host: &str) -> Result<&mut Vec<usize>, CertificateFaultReason> {
        let name = host.trim_end_matches('.').to_ascii_lowercase();
        let suffix = name.strip_prefix("*.");
        let plain = suffix.unwrap_or(&name);
        if plain.is_empty() || plain.contains(['*', ':', '/', ' ']) {
            return Err(CertificateFaultReason::Host(host.to_owned()));
        }
        Ok(match suffix {
            Some(suffix) => self.wildcard.entry(suffix.to_owned()).or_default(),
            None => self.exact.entry(name).or_default(),
        })
    }

    /// A hash under a secret random key: nobody can make two texts meet, and chance will not.
    fn fingerprint(&self, spec: &CertificateSpec) -> u64 {
        self.hasher.hash_one((&spec.chain_pem, &spec.key_pem))
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificates({})", self.keys.len())
    }
}

fn read(spec: &CertificateSpec) -> Result<CertifiedKey, CertificateFaultReason> {
    let chain = CertificateDer::pem_slice_iter(spec.chain_pem.as_bytes());
    let chain: Vec<_> = chain
        .collect::<Result<_, pem::Error>>()
        .map_err(|_| CertificateFaultReason::ChainUnreadable)?;
    if chain.is_empty() {
        return Err(CertificateFaultReason::ChainEmpty);
    }
    let key = PrivateKeyDer::from_pem_slice(spec.key_pem.as_bytes());
    let key = key.map_err(|_| CertificateFaultReason::KeyUnreadable)?;
    CertifiedKey::from_der(chain, key, super::provider()).map_err(|error| match error {
        rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            CertificateFaultReason::KeyMismatch
        }
        error => CertificateFaultReason::Unusable(error),
    })
}

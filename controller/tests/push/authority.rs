//! Certificates for both sides, in files.

use haldane_controller::push::PushTls;
use haldane_wire::Credentials;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use std::path::{Path, PathBuf};

pub(crate) const PROXY: &str = "haldane-proxy";
pub(crate) const CONTROLLER: &str = "haldane-controller.haldane.svc";

/// An authority of a name.
pub(crate) struct Authority {
    pub(crate) pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let pem = params.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(params, key);
        Self { pem, issuer }
    }

    /// What somebody of this name shows, who trusts `trusted`.
    pub(crate) fn credentials(&self, name: &str, trusted: &Self) -> Credentials {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        let chain = params.signed_by(&key, &self.issuer).unwrap().pem();
        Credentials {
            chain_pem: chain.into_bytes(),
            key_pem: key.serialize_pem().into_bytes(),
            authorities_pem: trusted.pem.clone().into_bytes(),
        }
    }
}

/// The controller's files.
pub(crate) struct Files(tempfile::TempDir);

impl Files {
    pub(crate) fn of(credentials: &Credentials) -> Self {
        let files = Self(tempfile::tempdir().unwrap());
        files.write(credentials);
        files
    }

    pub(crate) fn write(&self, credentials: &Credentials) {
        let write = |name, content: &[u8]| std::fs::write(self.path(name), content).unwrap();
        write("tls.crt", &credentials.chain_pem);
        write("tls.key", &credentials.key_pem);
        write("ca.crt", &credentials.authorities_pem);
    }

    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn tls(&self) -> PushTls {
        PushTls {
            certificate: self.path("tls.crt"),
            key: self.path("tls.key"),
            client_authorities: self.path("ca.crt"),
            client_name: PROXY.to_owned(),
        }
    }
}

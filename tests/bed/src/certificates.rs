//! Certificates of a cluster: one authority, and what it signs.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};

/// The year that certificates begin with whose end is given.
const FIRST_YEAR: i32 = 2020;

/// A certificate authority.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// A certificate and its key.
#[derive(Clone, Debug)]
pub struct Issued {
    /// The certificate, as PEM.
    pub certificate: String,
    /// Its key, as PEM (PKCS #8).
    pub key: String,
}

/// Who a certificate is for; it serves on both ends of a connection.
#[derive(Clone, Copy, Debug, Default)]
pub struct Subject<'s> {
    /// The user, where Kubernetes authenticates by it.
    pub common_name: &'s str,
    /// The group, likewise.
    pub organization: Option<&'s str>,
    /// DNS names and IP addresses.
    pub names: &'s [&'s str],
    /// The year that it ends with; one that nobody will see, where absent.
    pub last_year: Option<i32>,
}

impl Authority {
    /// A new one that nobody knows yet.
    ///
    /// # Errors
    /// When no key can be made.
    pub fn new(common_name: &str) -> anyhow::Result<Self> {
        let mut params = CertificateParams::new(Vec::new())?;
        params
            .distinguished_name
            .push(DnType::CommonName, common_name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![
            KeyUsagePurpose::KeyCertSign,
            KeyUsagePurpose::DigitalSignature,
        ];
        let key = KeyPair::generate()?;
        let pem = params.self_signed(&key)?.pem();
        let issuer = Issuer::new(params, key);
        Ok(Self { issuer, pem })
    }

    /// Its own certificate, as PEM.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Signs a certificate with a new key.
    ///
    /// # Errors
    /// When a name is not one.
    pub fn issue(&self, subject: Subject<'_>) -> anyhow::Result<Issued> {
        let names: Vec<String> = subject.names.iter().map(|&name| name.to_owned()).collect();
        let mut params = CertificateParams::new(names)?;
        params
            .distinguished_name
            .push(DnType::CommonName, subject.common_name);
        if let Some(organization) = subject.organization {
            params
                .distinguished_name
                .push(DnType::OrganizationName, organization);
        }
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ClientAuth,
            ExtendedKeyUsagePurpose::ServerAuth,
        ];
        if let Some(year) = subject.last_year {
            params.not_before = date_time_ymd(FIRST_YEAR, 1, 1);
            params.not_after = date_time_ymd(year, 1, 1);
        }
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?.pem();
        Ok(Issued {
            certificate,
            key: key.serialize_pem(),
        })
    }
}

//! An authority that signs for both sides of the push, and credentials in files.

use haldane_bed::certificates::Subject;
use haldane_wire::Credentials;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// The name that a controller expects of proxies.
pub const PROXY: &str = "haldane-proxy";
/// The name that proxies of these tests expect of a controller.
pub const CONTROLLER: &str = "haldane-controller.haldane.svc";

/// The year that a certificate ends with which is good.
const GOOD_YEAR: i32 = 2100;

/// An authority of a name.
pub struct Authority(haldane_bed::certificates::Authority);

impl Authority {
    /// A new one.
    ///
    /// # Errors
    /// When there is no key for it.
    pub fn new(name: &str) -> anyhow::Result<Self> {
        haldane_bed::certificates::Authority::new(name).map(Self)
    }

    /// What somebody of this name shows, who trusts `trusted`.
    ///
    /// # Errors
    /// When the name is none.
    pub fn credentials(&self, name: &str, trusted: &Self) -> anyhow::Result<Credentials> {
        self.until(GOOD_YEAR, name, trusted)
    }

    /// The same, but it has expired.
    ///
    /// # Errors
    /// As [`Authority::credentials`].
    pub fn expired(&self, name: &str, trusted: &Self) -> anyhow::Result<Credentials> {
        self.until(2021, name, trusted)
    }

    fn until(&self, year: i32, name: &str, trusted: &Self) -> anyhow::Result<Credentials> {
        let issued = self.0.issue(Subject {
            names: &[name],
            last_year: Some(year),
            ..Subject::default()
        })?;
        Ok(Credentials {
            chain_pem: issued.certificate.into_bytes(),
            key_pem: issued.key.into_bytes(),
            authorities_pem: trusted.0.pem().as_bytes().to_vec(),
        })
    }
}

/// Credentials as a Secret is mounted.
pub struct Files(TempDir);

impl Files {
    /// These, in a directory of their own.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn of(credentials: &Credentials) -> anyhow::Result<Self> {
        let files = Self(tempfile::tempdir()?);
        files.replace(credentials)?;
        Ok(files)
    }

    /// Others in their place.
    ///
    /// # Errors
    /// As [`Files::of`].
    pub fn replace(&self, credentials: &Credentials) -> anyhow::Result<()> {
        std::fs::write(self.path("tls.crt"), &credentials.chain_pem)?;
        std::fs::write(self.path("tls.key"), &credentials.key_pem)?;
        std::fs::write(self.path("ca.crt"), &credentials.authorities_pem)?;
        Ok(())
    }

    /// Where `tls.crt`, `tls.key` or `ca.crt` is.
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.path().join(name)
    }
}

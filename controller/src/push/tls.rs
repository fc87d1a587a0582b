//! The controller's certificate, from files that may change at any time.

use super::publisher::locked;
use haldane_wire::{Credentials, CredentialsFault};
use rustls::ServerConfig;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use thiserror::Error;

/// Where the controller's side of the push finds its certificate, and whom it lets in.
#[derive(Clone, Debug)]
pub struct PushTls {
    /// Our chain, as PEM.
    pub certificate: PathBuf,
    /// Our key, as PEM.
    pub key: PathBuf,
    /// The authorities that proxies' certificates come from, as PEM; they should sign for nothing else.
    pub client_authorities: PathBuf,
    /// The DNS name that every proxy's certificate has.
    pub client_name: String,
}

/// Why there is no TLS. Never shows what stands in a file.
#[derive(Debug, Error)]
pub enum PushTlsFault {
    /// A file cannot be read.
    #[error("reading {path} failed")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The files' content cannot be used.
    #[error("the push certificate cannot be used")]
    Credentials(#[from] CredentialsFault),
}

impl PushTls {
    fn read(&self) -> Result<Credentials, PushTlsFault> {
        Ok(Credentials {
            chain_pem: read(&self.certificate)?,
            key_pem: read(&self.key)?,
            authorities_pem: read(&self.client_authorities)?,
        })
    }
}

fn read(path: &Path) -> Result<Vec<u8>, PushTlsFault> {
    std::fs::read(path).map_err(|source| PushTlsFault::Read {
        path: path.to_owned(),
        source,
    })
}

/// What handshakes are made with: the files as they are, or as they last could be used.
#[derive(Debug)]
pub(super) struct CurrentTls {
    files: PushTls,
    loaded: Mutex<Loaded>,
}

#[derive(Clone, Debug)]
struct Loaded {
    credentials: Credentials,
    config: Arc<ServerConfig>,
}

impl CurrentTls {
    /// Reads the files for the first time.
    ///
    /// # Errors
    /// [`PushTlsFault`].
    pub(super) fn load(files: PushTls) -> Result<Self, PushTlsFault> {
        let credentials = files.read()?;
        let config = Arc::new(credentials.server(&files.client_name)?);
        let loaded = Loaded {
            credentials,
            config,
        };
        Ok(Self {
            files,
            loaded: Mutex::new(loaded),
        })
    }

    /// For the next handshake. The files are read each time: handshakes are rare, and a certificate that was replaced
    /// is used at once. Files that cannot be used, as when half of them are replaced, leave the last good ones in use.
    pub(super) fn config(&self) -> Arc<ServerConfig> {
        let mut loaded = locked(&self.loaded);
        if let Err(fault) = self.refresh(&mut loaded) {
            let cause = std::error::Error::source(&fault).map(ToString::to_string);
            tracing::warn!(%fault, cause, "the push certificate in use stays");
        }
        loaded.config.clone()
    }

    fn refresh(&self, loaded: &mut Loaded) -> Result<(), PushTlsFault> {
        let credentials = self.files.read()?;
        if credentials == loaded.credentials {
            return Ok(());
        }
        let config = Arc::new(credentials.server(&self.files.client_name)?);
        *loaded = Loaded {
            credentials,
            config,
        };
        tracing::info!("the push certificate was replaced");
        Ok(())
    }
}

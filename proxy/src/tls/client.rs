//! TLS towards upstreams: whom to trust, and what to speak.

use super::{ALPN_H2, ALPN_HTTP1, provider};
use haldane_routing::spec::UpstreamTlsSpec;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// How many configurations are kept. Each is some kilobytes and its session cache; there are as many
/// as there are different authorities in the table, and those of replaced tables.
const CONFIGS_MAX: usize = 256;

/// What is offered to an upstream by ALPN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Alpn {
    /// HTTP/1.1 alone.
    Http1,
    /// HTTP/2 alone.
    Http2,
    /// Both, HTTP/2 preferred.
    Either,
}

impl Alpn {
    fn protocols(self) -> Vec<Vec<u8>> {
        match self {
            Self::Http1 => vec![ALPN_HTTP1.to_vec()],
            Self::Http2 => vec![ALPN_H2.to_vec()],
            Self::Either => vec![ALPN_H2.to_vec(), ALPN_HTTP1.to_vec()],
        }
    }
}

/// Why there is no TLS to an upstream.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientTlsFault {
    /// The authorities' PEM cannot be read or holds no certificate.
    #[error("certificate authorities are not PEM certificates")]
    AuthoritiesUnreadable,
    /// An authority's certificate is broken, or the verifier refuses it.
    #[error("certificate authorities cannot be used")]
    AuthoritiesUnusable,
    /// Verification by the system's roots is asked for and the system has none.
    #[error("system has no trusted roots")]
    NoSystemRoots,
    /// The name to verify is neither a DNS name nor an address.
    #[error("server name {0:?} is neither a DNS name nor an address")]
    ServerName(String),
}

/// The name to ask an upstream for and to verify: the configured one, or the request's host.
///
/// # Errors
/// [`ClientTlsFault::ServerName`].
pub fn server_name(
    spec: &UpstreamTlsSpec,
    host: &str,
) -> Result<ServerName<'static>, ClientTlsFault> {
    let name = spec.server_name.as_deref().unwrap_or(host);
    let bare = name
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(name);
    ServerName::try_from(bare.to_owned()).map_err(|_| ClientTlsFault::ServerName(name.to_owned()))
}

/// The configurations towards upstreams, each made once: connections that share one share its sessions.
#[derive(Default)]
pub struct ClientTls {
    configs: Mutex<HashMap<Key, Arc<ClientConfig>>>,
    system_roots: OnceLock<Arc<RootCertStore>>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    verify: bool,
    ca_pem: Option<String>,
    alpn: Alpn,
}

impl ClientTls {
    /// The configuration for upstreams like this. For when a connection is made, not for every request.
    ///
    /// # Errors
    /// When what to verify against cannot be used.
    pub fn config(
        &self,
        spec: &UpstreamTlsSpec,
        alpn: Alpn,
    ) -> Result<Arc<ClientConfig>, ClientTlsFault> {
        let key = Key {
            verify: spec.verify,
            ca_pem: spec.ca_pem.clone().filter(|_| spec.verify),
            alpn,
        };
        // A thread that died while it held the lock left a whole map: it is only ever added to.
        let mut configs = self.configs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(config) = configs.get(&key) {
            return Ok(config.clone());
        }
        let config = Arc::new(self.make(&key)?);
        if configs.len() >= CONFIGS_MAX {
            configs.clear();
        }
        configs.insert(key, config.clone());
        Ok(config)
    }

    fn make(&self, key: &Key) -> Result<ClientConfig, ClientTlsFault> {
        let builder = ClientConfig::builder_with_provider(provider().clone())
            .with_safe_default_protocol_versions()
            .expect("the provider has suites for TLS 1.2 and 1.3");
        let verifier = self.verifier(key)?;
        let mut config = builder
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth();
        config.alpn_protocols = key.alpn.protocols();
        Ok(config)
    }

    fn verifier(&self, key: &Key) -> Result<Arc<dyn ServerCertVerifier>, ClientTlsFault> {
        if !key.verify {
            return Ok(Arc::new(AnyCertificate));
        }
        let roots = match &key.ca_pem {
            Some(pem) => Arc::new(authorities(pem)?),
            None => self.system_roots()?,
        };
        let builder = WebPkiServerVerifier::builder_with_provider(roots, provider().clone());
        Ok(builder
            .build()
            .map_err(|_| ClientTlsFault::AuthoritiesUnusable)?)
    }

    fn system_roots(&self) -> Result<Arc<RootCertStore>, ClientTlsFault> {
        let roots = self.system_roots.get_or_init(|| {
            let mut roots = RootCertStore::empty();
            // Files that cannot be read are no reason to distrust the others.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            Arc::new(roots)
        });
        if roots.is_empty() {
            Err(ClientTlsFault::NoSystemRoots)
        } else {
            Ok(roots.clone())
        }
    }
}

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientTls")
    }
}

fn authorities(pem: &str) -> Result<RootCertStore, ClientTlsFault> {
    let certificates = CertificateDer::pem_slice_iter(pem.as_bytes());
    let certificates: Vec<_> = certificates
        .collect::<Result<_, pem::Error>>()
        .map_err(|_| ClientTlsFault::AuthoritiesUnreadable)?;
    if certificates.is_empty() {
        return Err(ClientTlsFault::AuthoritiesUnreadable);
    }
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots
            .add(certificate)
            .map_err(|_| ClientTlsFault::AuthoritiesUnusable)?;
    }
    Ok(roots)
}

/// Takes every certificate, as `verify: false` asks; that the upstream holds its key is still checked.
#[derive(Debug)]
struct AnyCertificate;

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(
            message,
            cert,
            dss,
            &provider().signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(
            message,
            cert,
            dss,
            &provider().signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}

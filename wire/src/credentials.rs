//! How both sides of the push prove who they are: TLS 1.3 with a certificate on either side, and nothing else.
//!
//! The authority signs for the push alone, so that whoever has a certificate of it and the right name is believed.
//! Sessions are never resumed: a certificate that has expired, or whose authority was replaced, ends with its connection.

use rustls::client::Resumption;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{
    NoServerSessionStorage, ParsedCertificate, VerifierBuilderError, WebPkiClientVerifier,
};
use rustls::{
    ClientConfig, DigitallySignedStruct, DistinguishedName, RootCertStore, ServerConfig,
    SignatureScheme,
};
use std::fmt;
use std::sync::{Arc, LazyLock};
use thiserror::Error;

/// gRPC speaks HTTP/2 (RFC 7301 name).
const ALPN_H2: &[u8] = b"h2";

/// One side's certificate and key, and the authority that the other side's certificate must come from. All as PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Our chain, our own certificate first.
    pub chain_pem: Vec<u8>,
    /// Our key.
    pub key_pem: Vec<u8>,
    /// The authorities that the other side's certificate must come from.
    pub authorities_pem: Vec<u8>,
}

/// Never shows the key.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials")
    }
}

/// Why credentials are none.
#[derive(Debug, Error)]
pub enum CredentialsFault {
    /// There is no certificate in the chain that can be read.
    #[error("the certificate cannot be read")]
    Chain,
    /// There is no private key that can be read.
    #[error("the private key cannot be read")]
    Key,
    /// There is no authority that can be read.
    #[error("the authorities cannot be read")]
    Authorities,
    /// The name that the other side must have is no DNS name or address.
    #[error("{0:?} is neither a DNS name nor an address")]
    Name(String),
    /// The authorities cannot be verified against.
    #[error("the authorities cannot be used")]
    Verifier(#[source] VerifierBuilderError),
    /// The certificate and the key do not fit, or cannot be used.
    #[error("the certificate and its key cannot be used")]
    Unusable(#[source] rustls::Error),
}

impl Credentials {
    /// The controller's side: a client must show a certificate of the authorities for `client_name`.
    ///
    /// # Errors
    /// [`CredentialsFault`].
    pub fn server(&self, client_name: &str) -> Result<ServerConfig, CredentialsFault> {
        let roots = Arc::new(self.authorities()?);
        let chain = WebPkiClientVerifier::builder_with_provider(roots, provider().clone())
            .build()
            .map_err(CredentialsFault::Verifier)?;
        let name = server_name(client_name)?;
        let mut config = ServerConfig::builder_with_provider(provider().clone())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(CredentialsFault::Unusable)?
            .with_client_cert_verifier(Arc::new(NamedClient { chain, name }))
            .with_single_cert(self.chain()?, self.key()?)
            .map_err(CredentialsFault::Unusable)?;
        config.alpn_protocols = vec![ALPN_H2.to_vec()];
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(config)
    }

    /// A proxy's side; whoever connects says which name the controller must have.
    ///
    /// # Errors
    /// [`CredentialsFault`].
    pub fn client(&self) -> Result<ClientConfig, CredentialsFault> {
        let mut config = ClientConfig::builder_with_provider(provider().clone())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(CredentialsFault::Unusable)?
            .with_root_certificates(self.authorities()?)
            .with_client_auth_cert(self.chain()?, self.key()?)
            .map_err(CredentialsFault::Unusable)?;
        config.alpn_protocols = vec![ALPN_H2.to_vec()];
        config.resumption = Resumption::disabled();
        Ok(config)
    }

    fn chain(&self) -> Result<Vec<CertificateDer<'static>>, CredentialsFault> {
        certificates(&self.chain_pem).ok_or(CredentialsFault::Chain)
    }

    fn key(&self) -> Result<PrivateKeyDer<'static>, CredentialsFault> {
        PrivateKeyDer::from_pem_slice(&self.key_pem).map_err(|_| CredentialsFault::Key)
    }

    fn authorities(&self) -> Result<RootCertStore, CredentialsFault> {
        let mut roots = RootCertStore::empty();
        for authority in certificates(&self.authorities_pem).ok_or(CredentialsFault::Authorities)? {
            let added = roots.add(authority);
            added.map_err(|_| CredentialsFault::Authorities)?;
        }
        Ok(roots)
    }
}

/// The name that the other side's certificate must be for.
///
/// # Errors
/// [`CredentialsFault::Name`].
pub fn server_name(name: &str) -> Result<ServerName<'static>, CredentialsFault> {
    ServerName::try_from(name.to_owned()).map_err(|_| CredentialsFault::Name(name.to_owned()))
}

/// All that are there; `None` where there are none, or one is broken.
fn certificates(pem: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    all.ok().filter(|all| !all.is_empty())
}

/// The one set of algorithms, named here so that no dependency's feature can change it.
fn provider() -> &'static Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> =
        LazyLock::new(|| Arc::new(aws_lc_rs::default_provider()));
    &PROVIDER
}

/// A client is who its chain says, and must have one name: any other certificate of the same authority is refused.
#[derive(Debug)]
struct NamedClient {
    chain: Arc<dyn ClientCertVerifier>,
    name: ServerName<'static>,
}

impl ClientCertVerifier for NamedClient {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.chain.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        let verified = self
            .chain
            .verify_client_cert(end_entity, intermediates, now)?;
        rustls::client::verify_server_name(&ParsedCertificate::try_from(end_entity)?, &self.name)?;
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chain
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chain
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}

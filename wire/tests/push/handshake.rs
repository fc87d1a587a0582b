//! Who is believed: handshakes in memory.

use haldane_wire::{Credentials, CredentialsFault, server_name};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    date_time_ymd,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConnection};
use std::sync::Arc;

const CLIENT: &str = "haldane-proxy";
const SERVER: &str = "controller.haldane.svc";
const NO_CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";

struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

struct Made {
    chain_pem: String,
    key_pem: String,
}

impl Authority {
    fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let pem = params.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(params, key);
        Self { pem, issuer }
    }

    fn issue(&self, name: &str, last_year: i32) -> Made {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(last_year, 1, 1);
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ClientAuth,
            ExtendedKeyUsagePurpose::ServerAuth,
        ];
        Made {
            chain_pem: params.signed_by(&key, &self.issuer).unwrap().pem(),
            key_pem: key.serialize_pem(),
        }
    }
}

fn credentials(made: Made, trusted: &Authority) -> Credentials {
    Credentials {
        chain_pem: made.chain_pem.into_bytes(),
        key_pem: made.key_pem.into_bytes(),
        authorities_pem: trusted.pem.clone().into_bytes(),
    }
}

/// Both sides take turns until both are content; the first complaint, of either.
fn shake(client: &Credentials, server: &Credentials) -> Result<(), String> {
    let server = Arc::new(server.server(CLIENT).unwrap());
    let mut server = ServerConnection::new(server).unwrap();
    let client = Arc::new(client.client().unwrap());
    let mut client = ClientConnection::new(client, server_name(SERVER).unwrap()).unwrap();
    while client.is_handshaking() || server.is_handshaking() || client.wants_write() {
        let mut flight = Vec::new();
        client.write_tls(&mut flight).unwrap();
        server.read_tls(&mut flight.as_slice()).unwrap();
        server
            .process_new_packets()
            .map_err(|fault| format!("server: {fault}"))?;
        let mut flight = Vec::new();
        server.write_tls(&mut flight).unwrap();
        client.read_tls(&mut flight.as_slice()).unwrap();
        client
            .process_new_packets()
            .map_err(|fault| format!("client: {fault}"))?;
    }
    assert_eq!(
        client.protocol_version(),
        Some(rustls::ProtocolVersion::TLSv1_3)
    );
    Ok(())
}

#[test]
fn only_the_right_name_of_the_right_authority_is_believed() {
    let (push, other) = (Authority::new("push"), Authority::new("other"));
    let good = || credentials(push.issue(CLIENT, 2100), &push);
    let controller = || credentials(push.issue(SERVER, 2100), &push);
    let cases = [
        ("good", good(), controller(), Ok(())),
        (
            "a proxy of another authority",
            credentials(other.issue(CLIENT, 2100), &push),
            controller(),
            Err("server: invalid peer certificate: UnknownIssuer"),
        ),
        (
            "a proxy whose certificate has expired",
            credentials(push.issue(CLIENT, 2021), &push),
            controller(),
            Err("server: invalid peer certificate: certificate expired"),
        ),
        (
            "somebody else of the right authority",
            credentials(push.issue("grafana", 2100), &push),
            controller(),
            Err("server: invalid peer certificate: certificate not valid for name"),
        ),
        (
            "a controller of another authority",
            good(),
            credentials(other.issue(SERVER, 2100), &push),
            Err("client: invalid peer certificate: UnknownIssuer"),
        ),
        (
            "a controller whose certificate has expired",
            good(),
            credentials(push.issue(SERVER, 2021), &push),
            Err("client: invalid peer certificate: certificate expired"),
        ),
        (
            "a proxy that plays controller",
            good(),
            credentials(push.issue(CLIENT, 2100), &push),
            Err("client: invalid peer certificate: certificate not valid for name"),
        ),
    ];
    for (case, client, server, expected) in cases {
        let came = shake(&client, &server);
        let alike = match (&came, expected) {
            (Ok(()), Ok(())) => true,
            (Err(came), Err(expected)) => came.starts_with(expected),
            _ => false,
        };
        assert!(alike, "{case}: {came:?}");
    }
}

#[test]
fn a_proxy_without_a_certificate_is_refused() {
    let push = Authority::new("push");
    let server = credentials(push.issue(SERVER, 2100), &push);
    let server = Arc::new(server.server(CLIENT).unwrap());
    let mut roots = RootCertStore::empty();
    let authority = CertificateDer::from_pem_slice(push.pem.as_bytes());
    roots.add(authority.unwrap()).unwrap();
    let mut bare = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    bare.alpn_protocols = vec![b"h2".to_vec()];
    let mut client = ClientConnection::new(Arc::new(bare), server_name(SERVER).unwrap()).unwrap();
    let mut server = ServerConnection::new(server).unwrap();
    let mut refused = None;
    while refused.is_none() {
        let mut flight = Vec::new();
        client.write_tls(&mut flight).unwrap();
        server.read_tls(&mut flight.as_slice()).unwrap();
        refused = server.process_new_packets().err();
        let mut flight = Vec::new();
        server.write_tls(&mut flight).unwrap();
        client.read_tls(&mut flight.as_slice()).unwrap();
        client.process_new_packets().ok();
    }
    assert_eq!(refused, Some(rustls::Error::NoCertificatesPresented));
}

#[test]
fn what_cannot_be_used_is_named() {
    let push = Authority::new("push");
    let good = || credentials(push.issue(CLIENT, 2100), &push);
    let with = |change: fn(&mut Credentials)| {
        let mut credentials = good();
        change(&mut credentials);
        credentials.client().expect_err("it was broken").to_string()
    };
    for (change, reason) in [
        (
            (|c| c.chain_pem.clear()) as fn(&mut Credentials),
            "the certificate cannot be read",
        ),
        (|c| c.key_pem.clear(), "the private key cannot be read"),
        (
            |c| c.authorities_pem = NO_CERTIFICATE.as_bytes().to_vec(),
            "the authorities cannot be read",
        ),
    ] {
        assert_eq!(with(change), reason);
    }
    let mut mixed = good();
    mixed.key_pem = good().key_pem;
    assert!(matches!(mixed.client(), Err(CredentialsFault::Unusable(_))));
    assert!(matches!(
        good().server("not a name"),
        Err(CredentialsFault::Name(_))
    ));
}

//! Certificates made here, shown in real handshakes over a pipe in memory.

use super::*;
use arc_swap::ArcSwap;
use haldane_routing::spec::{CertificateSpec, UpstreamTlsSpec};
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P384_SHA384};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore, SignatureScheme};
use tokio_rustls::TlsConnector;

/// Room for a whole flight of either side.
const PIPE_BYTES: usize = 64 * 1024;

/// A self-signed certificate, named after the first host and valid for all of them.
fn spec(name: &str, hosts: &[&str]) -> CertificateSpec {
    let key = KeyPair::generate().unwrap();
    spec_with_key(name, hosts, &key)
}

fn spec_with_key(name: &str, hosts: &[&str], key: &KeyPair) -> CertificateSpec {
    let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
    let certificate = CertificateParams::new(hosts.clone())
        .unwrap()
        .self_signed(key)
        .unwrap();
    CertificateSpec {
        name: name.to_owned(),
        hosts,
        chain_pem: certificate.pem(),
        key_pem: key.serialize_pem(),
    }
}

fn certificates(specs: &[CertificateSpec]) -> Certificates {
    Certificates::build(specs, None).unwrap()
}

/// What both sides think of a handshake: the leaf that the client was shown, and the protocol agreed on.
struct Shaken {
    leaf: Vec<u8>,
    alpn: Option<Vec<u8>>,
}

async fn shake(
    server: &ServerTls,
    config: Arc<ClientConfig>,
    name: &str,
) -> Result<Shaken, String> {
    let (client_io, server_io) = tokio::io::duplex(PIPE_BYTES);
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let connector = TlsConnector::from(config);
    let connect = connector.connect(name, client_io);
    let (client, server) = tokio::join!(connect, server.acceptor().accept(server_io));
    let client = client.map_err(|error| error.to_string())?;
    server.map_err(|error| error.to_string())?;
    let connection = client.get_ref().1;
    Ok(Shaken {
        leaf: connection.peer_certificates().unwrap()[0].to_vec(),
        alpn: connection.alpn_protocol().map(<[u8]>::to_vec),
    })
}

fn unverified(alpn: Alpn) -> Arc<ClientConfig> {
    ClientTls::default()
        .config(&UpstreamTlsSpec::default(), alpn)
        .unwrap()
}

fn server(specs: &[CertificateSpec]) -> (ServerTls, Arc<ArcSwap<Certificates>>) {
    let current = Arc::new(ArcSwap::from_pointee(certificates(specs)));
    (ServerTls::new(current.clone()).unwrap(), current)
}

fn leaf(spec: &CertificateSpec) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(spec.chain_pem.as_bytes()).unwrap()
}

/// The name of the certificate that is shown to a client that asks for `name` (an address: for none).
async fn shown(server: &ServerTls, specs: &[CertificateSpec], name: &str) -> String {
    let Ok(shaken) = shake(server, unverified(Alpn::Either), name).await else {
        return "alert".to_owned();
    };
    let found = specs.iter().find(|spec| leaf(spec).as_ref() == shaken.leaf);
    found.map_or_else(|| "unknown".to_owned(), |spec| spec.name.clone())
}

#[tokio::test]
async fn a_certificate_is_shown_for_its_names_only() {
    let specs = [
        spec("a", &["a.example", "www.a.example"]),
        spec("wild", &["*.a.example"]),
        spec("upper", &["B.Example."]),
    ];
    let (server, _) = server(&specs);
    for (name, expected) in [
        ("a.example", "a"),
        ("www.a.example", "a"),
        ("A.EXAMPLE", "a"),
        ("x.a.example", "wild"),
        ("x.y.a.example", "alert"),
        ("b.example", "upper"),
        ("c.example", "alert"),
        ("localhost", "alert"),
        ("127.0.0.1", "alert"),
    ] {
        assert_eq!(shown(&server, &specs, name).await, expected, "{name}");
    }
}

#[tokio::test]
async fn a_certificate_without_hosts_answers_every_other_name() {
    let mut specs = [
        spec("a", &["a.example"]),
        spec("default", &["fallback.example"]),
    ];
    specs[1].hosts.clear();
    let (server, _) = server(&specs);
    for (name, expected) in [
        ("a.example", "a"),
        ("c.example", "default"),
        ("127.0.0.1", "default"),
    ] {
        assert_eq!(shown(&server, &specs, name).await, expected, "{name}");
    }
}

#[tokio::test]
async fn certificates_change_between_two_handshakes() {
    let old = [spec("old", &["a.example"])];
    let new = [spec("new", &["a.example"])];
    let (server, current) = server(&old);
    assert_eq!(shown(&server, &old, "a.example").await, "old");
    current.store(Arc::new(certificates(&new)));
    assert_eq!(shown(&server, &new, "a.example").await, "new");
}

#[tokio::test]
async fn of_two_certificates_for_a_name_the_client_gets_one_it_can_verify() {
    let specs = [
        spec("p256", &["a.example"]),
        spec_with_key(
            "p384",
            &["a.example"],
            &KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap(),
        ),
    ];
    let (server, _) = server(&specs);
    assert_eq!(shown(&server, &specs, "a.example").await, "p256");
    let shaken = shake(&server, only_p384(&specs[1]), "a.example")
        .await
        .unwrap();
    assert_eq!(shaken.leaf, leaf(&specs[1]).as_ref());
}

/// A client that trusts this certificate and verifies no other kind of signature.
fn only_p384(spec: &CertificateSpec) -> Arc<ClientConfig> {
    let mut provider = aws_lc_rs::default_provider();
    let schemes = provider.signature_verification_algorithms.mapping.iter();
    let schemes: Vec<_> = schemes
        .filter(|(scheme, _)| *scheme == SignatureScheme::ECDSA_NISTP384_SHA384)
        .copied()
        .collect();
    provider.signature_verification_algorithms.mapping = schemes.leak();
    let mut roots = RootCertStore::empty();
    roots.add(leaf(spec)).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()
        .unwrap();
    Arc::new(builder.with_root_certificates(roots).with_no_client_auth())
}

#[tokio::test]
async fn protocols_are_agreed_on_or_the_handshake_fails() {
    let specs = [spec("a", &["a.example"])];
    let (server, _) = server(&specs);
    for (offer, expected) in [
        (Alpn::Either, "h2"),
        (Alpn::Http2, "h2"),
        (Alpn::Http1, "http/1.1"),
    ] {
        let shaken = shake(&server, unverified(offer), "a.example")
            .await
            .unwrap();
        assert_eq!(shaken.alpn.as_deref(), Some(expected.as_bytes()));
    }
    let mut odd = ClientConfig::clone(&unverified(Alpn::Http1));
    odd.alpn_protocols = vec![b"smtp".to_vec()];
    assert!(shake(&server, Arc::new(odd), "a.example").await.is_err());
}

#[track_caller]
fn check_fault(change: impl FnOnce(&mut CertificateSpec), expected: &CertificateFaultReason) {
    let mut changed = spec("bad", &["bad.example"]);
    change(&mut changed);
    let faults =
        Certificates::build(&[spec("good", &["good.example"]), changed], None).unwrap_err();
    let expected = CertificateFault {
        name: "bad".to_owned(),
        reason: expected.clone(),
    };
    assert_eq!(faults, [expected]);
}

#[test]
fn a_certificate_that_cannot_be_used_is_named() {
    use CertificateFaultReason::{ChainEmpty, ChainUnreadable, Host, KeyMismatch, KeyUnreadable};
    check_fault(|spec| spec.chain_pem.clear(), &ChainEmpty);
    check_fault(
        |spec| spec.chain_pem = spec.chain_pem.replacen("MII", "M*I", 1),
        &ChainUnreadable,
    );
    check_fault(|spec| spec.key_pem.clear(), &KeyUnreadable);
    check_fault(|spec| spec.key_pem = spec.chain_pem.clone(), &KeyUnreadable);
    check_fault(
        |spec| spec.key_pem = KeyPair::generate().unwrap().serialize_pem(),
        &KeyMismatch,
    );
    for host in ["", "*", "*.", "a.*", "*.*.a", "a:80", "https://a"] {
        check_fault(
            |spec| spec.hosts.push(host.to_owned()),
            &Host(host.to_owned()),
        );
    }
    let faults = Certificates::build(
        &[CertificateSpec::default(), CertificateSpec::default()],
        None,
    )
    .unwrap_err();
    assert_eq!(faults.len(), 2, "every fault is reported");
}

#[test]
fn what_did_not_change_is_not_read_again() {
    let mut specs = [spec("a", &["a.example"]), spec("b", &["b.example"])];
    let first = certificates(&specs);
    specs[0].hosts.push("aa.example".to_owned());
    specs[1] = spec("b", &["b.example"]);
    let second = Certificates::build(&specs, Some(&first)).unwrap();
    let same = |name| {
        Arc::ptr_eq(
            first.named(Some(name)).next().unwrap(),
            second.named(Some(name)).next().unwrap(),
        )
    };
    assert!(same("a.example"));
    assert!(!same("b.example"));
    assert_eq!(second.named(Some("aa.example")).count(), 1);
}

#[test]
fn a_request_uses_a_connection_for_its_own_certificate_only() {
    let mut specs = [
        spec("a", &["a.example", "www.a.example"]),
        spec("b", &["*.b.example"]),
        spec("default", &["x"]),
    ];
    let without_default = certificates(&specs[..2]);
    specs[2].hosts.clear();
    let with_default = certificates(&specs);
    for (sni, host, bare, defaulted) in [
        (Some("a.example"), "a.example", true, true),
        (Some("a.example"), "www.a.example", true, true),
        (Some("a.example"), "x.b.example", false, false),
        (Some("x.b.example"), "y.b.example", true, true),
        (Some("x.b.example"), "c.example", false, false),
        (Some("c.example"), "c.example", true, true),
        (Some("c.example"), "d.example", false, true),
        (None, "a.example", false, false),
        (None, "d.example", false, true),
    ] {
        assert_eq!(without_default.allows(sni, host), bare, "{sni:?} {host}");
        assert_eq!(with_default.allows(sni, host), defaulted, "{sni:?} {host}");
    }
}

#[tokio::test]
async fn upstreams_are_verified_where_that_is_asked_for() {
    let specs = [spec("a", &["a.example"])];
    let (server, _) = server(&specs);
    let other = spec("other", &["a.example"]).chain_pem;
    let clients = ClientTls::default();
    for (verify, ca_pem, name, works) in [
        (true, Some(specs[0].chain_pem.clone()), "a.example", true),
        (true, Some(other.clone()), "a.example", false),
        (false, Some(other), "a.example", true),
        (false, None, "a.example", true),
    ] {
        let spec = UpstreamTlsSpec {
            verify,
            ca_pem,
            server_name: None,
        };
        let config = clients.config(&spec, Alpn::Either).unwrap();
        assert!(
            Arc::ptr_eq(&config, &clients.config(&spec, Alpn::Either).unwrap()),
            "made once"
        );
        assert_eq!(
            shake(&server, config, name).await.is_ok(),
            works,
            "{verify} {:?}",
            spec.ca_pem
        );
    }
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() {
    let mut shown = spec("a", &["a.example"]);
    shown.hosts = vec!["b.example".to_owned()];
    let ca_pem = Some(shown.chain_pem.clone());
    let (server, _) = server(&[shown]);
    let spec = UpstreamTlsSpec {
        verify: true,
        ca_pem,
        server_name: None,
    };
    let config = ClientTls::default().config(&spec, Alpn::Either).unwrap();
    assert!(shake(&server, config, "b.example").await.is_err());
}

#[test]
fn authorities_that_cannot_be_used_are_refused() {
    let config = |pem: &str| {
        let spec = UpstreamTlsSpec {
            verify: true,
            ca_pem: Some(pem.to_owned()),
            server_name: None,
        };
        ClientTls::default().config(&spec, Alpn::Http1).unwrap_err()
    };
    let key = spec("a", &["a.example"]).key_pem;
    assert_eq!(config(""), ClientTlsFault::AuthoritiesUnreadable);
    assert_eq!(config(&key), ClientTlsFault::AuthoritiesUnreadable);
    let hollow = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert_eq!(config(hollow), ClientTlsFault::AuthoritiesUnusable);
}

#[test]
fn the_name_asked_for_is_the_configured_one_or_the_host() {
    let check = |configured: Option<&str>, host: &str, expected: Option<&str>| {
        let spec = UpstreamTlsSpec {
            server_name: configured.map(str::to_owned),
            ..UpstreamTlsSpec::default()
        };
        let name = server_name(&spec, host)
            .ok()
            .map(|name| name.to_str().into_owned());
        assert_eq!(name.as_deref(), expected);
    };
    check(None, "a.example", Some("a.example"));
    check(Some("b.example"), "a.example", Some("b.example"));
    check(None, "[::1]", Some("::1"));
    check(None, "127.0.0.1", Some("127.0.0.1"));
    check(Some("a b"), "a.example", None);
}
